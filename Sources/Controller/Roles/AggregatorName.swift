import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Logging
import NetlinkKit

/// The aggregator's name, resolved over each leg with that leg's servers (RFC 8157 §6.2).
final class AggregatorName {
    private struct Access {
        var id: LegID
        var label: String
        var settings: LegConfiguration
        /// The link by family, where it has an address of that family.
        var wans: [IPFamily: WAN] = [:]
        var servers: [IPAddress] = []
        var lookup: NameLookup?
        var queries: UInt64 = 0
        var failures: [NameLookup.Failure: UInt64] = [:]
    }

    private let name: String
    private let family: IPFamily
    private let kernel: KernelConfiguration
    private let loop: EventLoop
    private let log = Log("name")
    private var answers: NameAnswers
    private var accesses: [Access]
    private let changed: () -> Void

    /// - Parameters:
    ///   - legs: as everywhere, the primary first
    ///   - changed: called when ``addresses`` or ``objects()`` are others than before
    init(
        _ name: String, _ family: IPFamily, _ legs: [(id: LegID, label: String, settings: LegConfiguration)],
        _ kernel: KernelConfiguration, _ loop: EventLoop, changed: @escaping () -> Void
    ) {
        self.name = name
        self.family = family
        self.kernel = kernel
        self.loop = loop
        self.changed = changed
        answers = NameAnswers(order: legs.map(\.id).sorted().reversed())
        accesses = legs.map { Access(id: $0.id, label: $0.label, settings: $0.settings) }
    }

    /// What the name stands for, the first choice first; empty: not yet known.
    var addresses: [IPAddress] { answers.addresses }

    /// Looks at the access links once more; one that changed is asked anew.
    func refresh(_ exchange: Exchange) {
        for number in accesses.indices {
            let link = accesses[number].settings.interface.description
            var wans: [IPFamily: WAN] = [:]
            for family in IPFamily.allCases {
                let wan = (try? WAN.read(exchange, link, family, nil, kernel)) ?? nil
                if wan?.address != nil { wans[family] = wan }
            }
            guard wans != accesses[number].wans else { continue }
            accesses[number].wans = wans
            accesses[number].lookup = nil
            answers.changed(accesses[number].id, isAvailable: !wans.isEmpty, now: Clock.now())
        }
    }

    /// Nobody answered at any of the addresses.
    func doubt() { answers.doubt() }

    /// Does what is due; when it wants to be called next. While a bond is up nothing is asked.
    func work(isBonded: Bool) -> Instant? {
        let before = addresses
        for number in accesses.indices { finish(number) }
        if !isBonded {
            for id in answers.due(now: Clock.now()) {
                if let number = accesses.firstIndex(where: { $0.id == id }) { ask(number) }
            }
        }
        if addresses != before { changed() }
        let deadlines = accesses.map(\.lookup?.deadline) + [isBonded ? nil : answers.deadline]
        return deadlines.compactMap { $0 }.min()
    }

    /// Routes to servers behind a next hop that only the settings know.
    func objects() -> [KernelObject] {
        accesses.enumerated().flatMap { number, access -> [KernelObject] in
            guard let gateway = access.settings.gateway, let wan = access.wans[gateway.family], wan.gateway == nil
            else { return [] }
            return access.servers.filter { $0.family == gateway.family && $0 != gateway }.map { server in
                .route(
                    RouteToDevice(
                        IPPrefix(host: server), link: access.settings.interface.description, gateway: gateway,
                        table: kernel.table + 1 + UInt32(number),
                        protocol: RouteProtocol(rawValue: kernel.routeProtocol)))
            }
        }
    }

    private func ask(_ number: Int) {
        let servers = accesses[number].settings.dns.isEmpty ? NameLookup.systemServers() : accesses[number].settings.dns
        if servers != accesses[number].servers {
            accesses[number].servers = servers
            changed()
        }
        let access = accesses[number]
        accesses[number].queries &+= 1
        answers.asks(access.id)
        do throws(NameLookup.Failure) {
            accesses[number].lookup = try NameLookup(
                name, family, servers: servers, interface: access.settings.interface.description,
                sources: access.wans.values.compactMap(\.address), loop: loop)
            // Without a route it has failed already.
            finish(number)
        } catch {
            failed(number, error)
        }
    }

    private func finish(_ number: Int) {
        guard let lookup = accesses[number].lookup else { return }
        lookup.process()
        guard let result = lookup.result else { return }
        accesses[number].lookup = nil
        switch result {
        case .failure(let failure): failed(number, failure)
        case .success(let found):
            let usable = found.filter { isUsable($0.address) }
            guard let timeToLive = usable.map(\.timeToLive).min() else { return failed(number, .noUsableAddress) }
            log(
                .info, "resolved", name,
                [
                    "leg": accesses[number].label,
                    "addresses": usable.map(\.address.description).joined(separator: " "),
                    "ttl": timeToLive.components.seconds,
                ])
            answers.answered(
                accesses[number].id, usable.map(\.address), timeToLive: timeToLive, now: Clock.now())
        }
    }

    private func failed(_ number: Int, _ failure: NameLookup.Failure) {
        accesses[number].failures[failure, default: 0] &+= 1
        log(
            .warning, "not-resolved", name,
            [
                "leg": accesses[number].label, "why": failure.rawValue,
                "servers": accesses[number].servers.map(\.description).joined(separator: " "),
            ])
        answers.failed(accesses[number].id, now: Clock.now())
    }

    /// An address that an aggregator can have: a server that says otherwise must not turn the tunnel on this host.
    private func isUsable(_ address: IPAddress) -> Bool {
        let canonical = kernel.canonical(address.family)
        return address.isUnicast && !address.isLinkLocal && address != canonical.local && address != canonical.remote
            && !accesses.contains { $0.wans.values.contains { $0.address == address } }
    }

    // MARK: Status

    var json: JSONObject {
        var object = JSONObject()
        object.add("name", name)
        object.add("addresses", addresses.map(\.description))
        var states = JSONObject()
        for access in accesses {
            var state = JSONObject()
            state.add("servers", access.servers.map(\.description))
            state.add("queries", access.queries)
            var failures = JSONObject()
            for failure in NameLookup.Failure.allCases {
                if let count = access.failures[failure] { failures.add(failure.rawValue, count) }
            }
            state.add("failures", failures)
            states.add(access.label, state)
        }
        object.add("legs", states)
        return object
    }
}
