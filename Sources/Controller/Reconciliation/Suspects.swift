import Addresses
import NFTables
import NetlinkKit

/// What may not be as it was made: announcements of the kernel say where to look again, never what is there now.
struct Suspects {
    struct Aspects: OptionSet, Hashable {
        let rawValue: UInt8
        /// Devices, and settings of devices.
        static let links = Aspects(rawValue: 1)
        static let addresses = Aspects(rawValue: 2)
        static let colouring = Aspects(rawValue: 4)
        static let all: Aspects = [.links, .addresses, .colouring]
    }

    private(set) var owners: [KernelState.Owner: Aspects] = [:]
    var routes: Set<KernelObject.Identity> = []
    var rules = false
    var tables: Set<TableName> = []
    /// IPsec's states and policies.
    var security = false

    var isEmpty: Bool { owners.isEmpty && routes.isEmpty && !rules && tables.isEmpty && !security }

    mutating func add(_ owner: KernelState.Owner, _ aspects: Aspects) { owners[owner, default: []].formUnion(aspects) }

    mutating func takeOwner() -> (owner: KernelState.Owner, aspects: Aspects)? {
        owners.popFirst().map { ($0.key, $0.value) }
    }

    mutating func subtract(_ other: Suspects) {
        for (owner, aspects) in other.owners {
            guard let left = owners[owner]?.subtracting(aspects) else { continue }
            owners[owner] = left.isEmpty ? nil : left
        }
        routes.subtract(other.routes)
        tables.subtract(other.tables)
        if other.rules { rules = false }
        if other.security { security = false }
    }

    mutating func formUnion(_ other: Suspects) {
        for (owner, aspects) in other.owners { add(owner, aspects) }
        routes.formUnion(other.routes)
        rules = rules || other.rules
        tables.formUnion(other.tables)
        security = security || other.security
    }
}

/// Where objects of ours are found by what announcements name. Pure.
struct ObjectIndex {
    typealias Owner = KernelState.Owner

    /// Owners of objects on a device.
    private(set) var links: [String: Set<Owner>] = [:]
    private(set) var routes: [KernelObject.Identity: Owner] = [:]
    private(set) var tables: [TableName: Owner] = [:]
    private(set) var ruled: Set<Owner> = []
    /// Of devices of others that are down: what hangs on them waits until they are up.
    private(set) var down: Set<String> = []

    mutating func replace(_ old: [KernelObject], by new: [KernelObject], of owner: Owner) {
        for object in old {
            if let link = object.link, links[link]?.remove(owner) != nil, links[link]?.isEmpty == true {
                links[link] = nil
                down.remove(link)
            }
            switch object.identity {
            case .route: routes[object.identity] = nil
            case .ruleset(let table): tables[table] = nil
            default: break
            }
        }
        ruled.remove(owner)
        for object in new {
            if let link = object.link { links[link, default: []].insert(owner) }
            switch object.identity {
            case .route: routes[object.identity] = owner
            case .ruleset(let table): tables[table] = owner
            case .rule: ruled.insert(owner)
            default: break
            }
        }
    }

    /// - Returns: whether it was down before
    mutating func isUp(_ link: String, _ isUp: Bool) -> Bool {
        if !isUp {
            down.insert(link)
            return false
        }
        return down.remove(link) != nil
    }
}

extension KernelObject {
    /// The device that it is, or is on.
    var link: String? {
        switch self {
        case .link(let name, _), .reversePathFilter(let name, _), .address(let name, _, _): name
        case .colouring(let name, _): name
        case .route(let route): route.link.isEmpty ? nil : route.link
        case .rule, .policy, .state, .ruleset, .element, .contents: nil
        }
    }
}
