import Addresses
import Configuration
import GREBonding
import NFTables
import NetlinkKit

/// Asks the kernel, step by step, what becomes of a packet; nothing is taken from what this program asked it for.
struct FlowExplainer {
    let state: KernelState
    let kernel: KernelConfiguration
    let role: String

    /// - Parameters:
    ///   - hasLists: a gateway's lists (``PolicyTable``) decide; else an aggregation point's pins do (``PinTable``)
    ///   - describe: adds what only the session knows: whose bond a device is, and why a leg is not used
    func explain(
        _ asked: Flow, hasLists: Bool, describe: (inout Explanation.Bonded) -> Void
    ) throws -> Explanation {
        var flow = asked
        var question = RouteQuestion(to: flow.destination, from: flow.source)
        question.tos = flow.dscp << 2
        question.ipProtocol = flow.ipProtocol
        (question.sourcePort, question.destinationPort) = (flow.sourcePort, flow.destinationPort)
        var explanation = Explanation(role: role, flow: flow)
        let input = try origin(&flow)
        explanation.isOwn = input == nil
        explanation.flow = flow
        question.inputLink = input?.index
        explanation.connection = try connection(of: flow)
        var packet = packet(of: flow, input)
        if hasLists, input != nil {
            try decide(&packet, &explanation)
            question.mark = packet.mark
        }
        guard !explanation.isDropped else { return explanation }
        switch try lookUp(question) {
        case .refused(let number):
            explanation.refusal = Self.words(number)
            return explanation
        case .route(let route): explanation.routing = try routing(route, question, input: input?.name)
        }
        packet.output = explanation.routing?.interface
        try translate(packet, &explanation)
        if let name = packet.output, let link = try state.route.link(.name(name)), Self.isBond(link) {
            if !hasLists { try pin(&packet, &explanation) }
            var bonded = try bond(link, packet)
            describe(&bonded)
            explanation.bonded = bonded
        }
        return explanation
    }

    // MARK: Where it comes from

    /// The device that it comes by, and its Ethernet address; nil: this host sends it.
    private func origin(_ flow: inout Flow) throws -> Link? {
        let link: Link
        if let name = flow.interface {
            guard let found = try state.route.link(.name(name)) else {
                throw Flow.Problem(description: "there is no interface \(name)")
            }
            link = found
        } else {
            guard case .route(let back) = try lookUp(RouteQuestion(to: flow.source)) else {
                throw Flow.Problem(description: "no route leads to \(flow.source): say which interface it comes by")
            }
            guard back.type != .local, let hop = back.nextHops.first, let found = try state.route.link(.index(hop.link))
            else { return nil }
            link = found
            flow.interface = link.name
        }
        if flow.hardwareAddress == nil, Self.isEthernet(link) {
            flow.hardwareAddress = try state.route.neighbours(flow.source.family, link: link.index)
                .first { $0.address == flow.source && $0.hardwareAddress?.count == 6 }?.hardwareAddress
        }
        return link
    }

    private func packet(of flow: Flow, _ input: Link?) -> SamplePacket {
        var packet = SamplePacket(
            from: flow.source, to: flow.destination, ipProtocol: flow.ipProtocol, sourcePort: flow.sourcePort,
            destinationPort: flow.destinationPort, dscp: flow.dscp, hardwareAddress: flow.hardwareAddress)
        packet.input = input?.name
        packet.isOverEthernet = input.map(Self.isEthernet) ?? false
        return packet
    }

    private static func isEthernet(_ link: Link) -> Bool { link.address.count == 6 }

    /// ICMP's connections have an identifier that nobody has said.
    private func connection(of flow: Flow) throws(KernelError) -> TrackedConnection? {
        let hasPorts = SamplePacket.protocolsWithPorts.contains(flow.ipProtocol)
        guard flow.ipProtocol != 1, flow.ipProtocol != 58,
            !hasPorts || (flow.sourcePort != nil && flow.destinationPort != nil)
        else { return nil }
        return try state.connection(
            ConnectionTuple(
                from: flow.source, to: flow.destination, ipProtocol: flow.ipProtocol, sourcePort: flow.sourcePort ?? 0,
                destinationPort: flow.destinationPort ?? 0))
    }

    // MARK: Lists

    private func decide(
        _ packet: inout SamplePacket, _ explanation: inout Explanation
    ) throws(KernelError) {
        let fresh = packet
        if let connection = explanation.connection {
            packet.connectionMark = connection.mark
            packet.connectionStatus = connection.status
        }
        guard let walk = try state.tables.follow(packet, through: PolicyTable.name, from: "choose") else { return }
        explanation.policy = try decision(walk, PolicyTable.name)
        explanation.isDropped = walk.isDropped
        packet.mark = walk.packet.mark
        guard explanation.connection != nil else { return }
        explanation.renewed = try state.tables.follow(fresh, through: PolicyTable.name, from: "choose")
            .map { walk throws(KernelError) in try decision(walk, PolicyTable.name) }
    }

    /// The aggregation point's pins, if it has some.
    private func pin(_ packet: inout SamplePacket, _ explanation: inout Explanation) throws(KernelError) {
        guard let walk = try state.tables.follow(packet, through: PinTable.name, from: PinTable.chain) else { return }
        explanation.policy = try decision(walk, PinTable.name)
        packet.mark = walk.packet.mark
    }

    /// An empty set need not be asked.
    private func decision(_ walk: RuleWalk, _ table: TableName) throws(KernelError) -> PolicyDecision {
        var decision = PolicyDecision(walk) { PolicyTable.way(mark: $0, kernel.markMask) }
        guard !decision.notAsked.isEmpty else { return decision }
        var filled: [String] = []
        for set in try state.tables.sets(in: table) where decision.notAsked.contains(set.name) {
            if try !state.tables.elements(of: set).isEmpty { filled.append(set.name) }
        }
        decision.notAsked.removeAll { !filled.contains($0) }
        return decision
    }

    /// A connection that runs keeps its source; for another one the rules say.
    private func translate(_ packet: SamplePacket, _ explanation: inout Explanation) throws(KernelError) {
        if let seen = explanation.connection?.replyDestination {
            explanation.translation = seen == explanation.flow.source ? nil : seen
            return
        }
        for table in [PolicyTable.name, TableName(.ip, "spillway_nat")] {
            if table.family == .ip, packet.family == .v6 { continue }
            switch try state.tables.follow(packet, through: table, from: "translate")?.translation {
            case .to(let address)?: explanation.translation = address
            case .masquerade?:
                let link = packet.output.map { state.index(of: $0) } ?? 0
                explanation.translation = try state.route.addresses(packet.family, link: link)
                    .first { $0.address.link == link && $0.address.scope == .universe }?.address.address.address
            case nil: continue
            }
            return
        }
    }

    // MARK: Routing

    private enum Found {
        case route(Route)
        /// The kernel's answer is that there is none, and why.
        case refused(Errno)
    }

    private func lookUp(_ question: RouteQuestion) throws(KernelError) -> Found {
        do throws(KernelError) {
            return .route(try state.route.route(question))
        } catch {
            guard case .refused(let refusal) = error else { throw error }
            return .refused(refusal.errno)
        }
    }

    private func routing(
        _ route: Route, _ question: RouteQuestion, input: String?
    ) throws(KernelError) -> Explanation.Routing {
        let rule = try state.route.rules(question.destination.family).sorted { $0.priority < $1.priority }
            .first { $0.action == .lookup(table: route.table) && $0.matches(question, input: input) }
        var interface: String?
        if let hop = route.nextHops.first { interface = try state.route.link(.index(hop.link))?.name }
        return Explanation.Routing(
            route: route, rule: rule, interface: interface, isOurs: route.protocol.rawValue == kernel.routeProtocol)
    }

    private static func words(_ number: Errno) -> String {
        switch number.description {
        case "ENETUNREACH", "EHOSTUNREACH": "no route leads there, or this host does not forward"
        case "EACCES": "a route prohibits it"
        case "EINVAL": "a route discards it, or its addresses are impossible"
        case "EXDEV": "the reverse path filter drops it: its source does not belong to that interface"
        case let name: "routing refuses it: \(name)"
        }
    }

    // MARK: The bond

    private static func isBond(_ link: Link) -> Bool {
        link.group == SegmentTable.group && link.alias?.hasPrefix("spillway ") == true
    }

    private func mark(_ leg: LegID) -> UInt32 { OuterTable.mark(leg, kernel.markMask) }

    private func bond(_ link: Link, _ packet: SamplePacket) throws(KernelError) -> Explanation.Bonded {
        var bonded = Explanation.Bonded(device: link.name)
        let fate = FilterFate(
            try state.route.filters(link: link.index, parent: .egress).map(\.filter), mark: packet.mark)
        let legs = [LegID.primary, .secondary]
        if case .program(SchedulerProgram.name) = fate {
            bonded.choice = state.schedulerView(link.index).map {
                LegChoice($0.plan, $0.state, now: UInt64(Clock.monotonic()), mark: packet.mark)
            }
        } else {
            bonded.choice = LegChoice(fate) { mark in legs.first { self.mark($0) == mark & kernel.markMask } }
            let asked = packet.mark & kernel.markMask
            if let leg = bonded.choice?.leg, asked == mark(leg) { bonded.choice?.isPinned = true }
        }
        for leg in legs where bonded.choice?.legs.contains(leg) == true {
            if let wire = try wire(leg, link.kind) { bonded.wires.append(wire) }
        }
        return bonded
    }

    /// What the rules make of a packet of the bond with this leg's mark; nil: they drop it.
    private func wire(_ leg: LegID, _ kind: LinkKind) throws(KernelError) -> Explanation.Wire? {
        let ends: (IPAddress, IPAddress)
        switch kind {
        case .gre(let tunnel): ends = (.v4(tunnel.local), .v4(tunnel.remote))
        case .ip6gre(let tunnel): ends = (.v6(tunnel.local), .v6(tunnel.remote))
        default: return nil
        }
        var packet = SamplePacket(from: ends.0, to: ends.1, ipProtocol: 47)
        packet.mark = mark(leg)
        let table = TableName(packet.family == .v4 ? .ip : .ip6, "spillway")
        guard let walk = try state.tables.follow(packet, through: table, from: "send"), !walk.isDropped,
            let source = walk.packet.source, let destination = walk.packet.destination
        else { return nil }
        var wire = Explanation.Wire(leg: leg, source: source, destination: destination)
        var question = RouteQuestion(to: destination, from: source)
        question.mark = packet.mark
        question.ipProtocol = 47
        if case .route(let route) = try lookUp(question), let hop = route.nextHops.first {
            wire.interface = try state.route.link(.index(hop.link))?.name
            wire.gateway = hop.gateway
        }
        return wire
    }
}
