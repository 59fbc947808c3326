import Addresses
import GREBonding
import NFTables
import NetlinkKit

// What the kernel announces, and which objects may not be as they were made after it. What this program asked for is
// left out by the number of its sockets.
extension KernelState {
    /// What an announcement can be about.
    static let groups: [Monitor.Group] = [
        .link, .ipv4Address, .ipv6Address, .ipv4Route, .ipv6Route, .ipv4Rule, .ipv6Rule, .traffic, .ipv4Configuration,
    ]

    func heard(_ events: [KernelEvent]) {
        for event in events { heard(event) }
    }

    func heard(_ events: [NFTablesMonitor.Event]) {
        for event in events {
            switch event {
            case .changed(let tables, _, let port):
                guard port != self.tables.port else { continue }
                for table in tables where places.tables[table] != nil { suspects.tables.insert(table) }
            case .lost: suspectTables()
            }
        }
    }

    private func heard(_ event: KernelEvent) {
        switch event {
        case .newLink(let link): heard(link)
        case .deletedLink(let link):
            guard let name = name(of: link.index) else { return }
            if isOurs(name) { suspect(name, .all) } else { forget(name) }
        case .deletedAddress(let found):
            // With its last IPv4 address a device loses its routes, which nothing announces.
            if let name = name(of: found.address.link) { suspect(name, .addresses) }
        case .newAddress(let found):
            guard let name = name(of: found.address.link) else { return }
            for owner in places.links[name] ?? [] where has(owner, found.address.address, on: name) {
                suspects.add(owner, .addresses)
            }
        case .newRoute(let route), .deletedRoute(let route):
            let identity = KernelObject.Identity.route(table: route.table, route.destination)
            if places.routes[identity] != nil { suspects.routes.insert(identity) }
        case .deletedRule, .newRule: if !places.ruled.isEmpty { suspects.rules = true }
        case .newQdisc(let found), .deletedQdisc(let found): suspectColouring(found.qdisc.link)
        case .newFilter(let found), .deletedFilter(let found): suspectColouring(found.filter.link)
        case .filtersChanged(let link, _): suspectColouring(link)
        case .newActions(let list), .deletedActions(let list):
            for (name, numbers) in actions where list.contains(where: { numbers.contains($0.action.index) }) {
                suspect(name, .colouring)
            }
        case .ipv4Configuration(let link):
            if let name = name(of: link) { suspect(name, .links) }
        case .newNeighbour, .deletedNeighbour: break
        case .overrun: suspectAll()
        }
    }

    /// Most announcements of a device change nothing that is ours: they hold all that there is to compare.
    private func heard(_ link: Link) {
        if let wanted = name(of: link.index), wanted != link.name, isOurs(wanted) { return suspect(wanted, .all) }
        guard let owners = places.links[link.name] else { return }
        for owner in owners {
            for object in objects(of: owner) where object.link == link.name {
                switch object {
                case .link(let name, let settings):
                    // What is down has lost routes, and IPv6 addresses, even if it is up again.
                    if !link.isUp, settings.isUp == true {
                        suspect(name, .all)
                    } else if link.index != self.index(of: name) || !link.drift(from: settings, name: name).isEmpty {
                        suspects.add(owner, .links)
                    }
                case .reversePathFilter(_, let filter):
                    let found = link.ipv4?[.reversePathFilter]
                    if found != nil, found != filter.rawValue { suspects.add(owner, .links) }
                default: break
                }
            }
        }
        if isOurs(link.name) { return }
        let isNew = name(of: link.index) == nil
        if isNew { remember(link.name, link.index) }
        if places.isUp(link.name, link.isUp) || (isNew && link.isUp) { suspect(link.name, [.links, .addresses]) }
    }

    private func isOurs(_ name: String) -> Bool {
        (places.links[name] ?? []).contains { owner in
            objects(of: owner).contains { if case .link(name, _) = $0 { true } else { false } }
        }
    }

    /// Everything of ours on a device, as far as it is of these aspects; with a device's addresses its routes.
    private func suspect(_ name: String, _ aspects: Suspects.Aspects) {
        for owner in places.links[name] ?? [] {
            suspects.add(owner, aspects)
            guard aspects.contains(.addresses) else { continue }
            for object in objects(of: owner) where object.link == name {
                if case .route = object { suspects.routes.insert(object.identity) }
            }
        }
    }

    private func suspectColouring(_ link: UInt32) {
        if let name = name(of: link) { suspect(name, .colouring) }
    }

    private func suspectTables() {
        rereads &+= 1
        suspects.tables.formUnion(places.tables.keys)
    }

    /// Another device has the name of one that is gone, with nothing of ours on it.
    func replaced(_ name: String) {
        suspect(name, .all)
        for owner in places.links[name] ?? [] {
            for case .reversePathFilter(name, _) in objects(of: owner) { formerFilters[name] = nil }
        }
    }

    /// Events were lost: everything is read again.
    func suspectAll() {
        rereads &+= 1
        for owner in applied.keys { suspects.add(owner, .all) }
        suspects.routes.formUnion(places.routes.keys)
        suspects.rules = !places.ruled.isEmpty
        suspects.tables.formUnion(places.tables.keys)
        suspects.security = applied[.security] != nil
    }

    /// What the kernel told of IPsec, whoever takes it besides.
    func heard(_ notices: [SecurityNotice]) {
        guard let objects = applied[.security] else { return }
        let own = security.port
        for notice in notices where notice.port != own || notice.port == 0 {
            switch notice.event {
            case .expired(let state, isHard: true) where isOurs(state.id, objects): security.end(state.id)
            case .deleted(let state) where isOurs(state.id, objects):
                if let replay = state.replay { security.lost(state.id.spi, replay) }
                suspects.security = true
            case .added(let state) where isOurs(state.id, objects): suspects.security = true
            case .flushed, .policiesChanged: suspects.security = true
            case .overrun:
                suspects.security = true
                rereads &+= 1
            default: break
            }
        }
    }

    private func isOurs(_ id: SecurityStateID, _ objects: [KernelObject]) -> Bool {
        objects.contains { if case .state(let state) = $0 { state.id == id } else { false } }
    }

    private func has(_ owner: Owner, _ address: IPPrefix, on link: String) -> Bool {
        objects(of: owner).contains {
            if case .address(link, let own, _) = $0 { own.address == address.address } else { false }
        }
    }
}
