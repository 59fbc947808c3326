import Addresses

/// The delegating router of an aggregator: the server side of prefix delegation, RFC 8415 §18.3. A client has one
/// prefix, in whichever of its IA_PDs it names first.
public struct DHCPv6Server: LeaseServer {
    public struct Settings: Hashable, Sendable {
        public var identifier: DUID
        public var leases: LeaseTable.Settings
        /// Seconds; T1 is a half of the preferred lifetime and T2 four fifths.
        public var preferredLifetime: UInt32 = 86_400
        public var validLifetime: UInt32 = 172_800
        public var nameServers: [IPv6Address] = []
        /// 255 has clients take the first offer at once, which is right where there is one server (RFC 8415 §21.8).
        public var preference: UInt8 = 255
        /// Whether a Solicit that asks for it is answered by a lease (RFC 8415 §18.3.1).
        public var allowsRapidCommit = true
        /// Seconds, 60…86400: how rarely clients are to ask for what there is not (RFC 8415 §21.24).
        public var maximumSolicitTimeout: UInt32?

        public init(identifier: DUID, leases: LeaseTable.Settings) {
            self.identifier = identifier
            self.leases = leases
        }
    }

    /// Goes to the source of the request, UDP port 546.
    public typealias Effect = ServerEffect<DHCPv6Message>

    public typealias Input = ServerInput<DHCPv6Message>

    public let settings: Settings
    package var book: LeaseBook

    public init(_ settings: Settings) {
        self.settings = settings
        book = LeaseBook(settings.leases)
    }

    package mutating func receive(
        _ message: DHCPv6Message, _ client: ClientIdentity, _ group: String, _ now: LeaseTime,
        _ effects: inout [Effect]
    ) {
        func discard(_ reason: DiscardReason) { effects.append(.discarded(reason, client)) }
        // RFC 8415 §16: who must name whom.
        switch message.type {
        case .solicit, .rebind:
            guard message.server == nil else { return discard(.otherServer) }
            guard message.client != nil else { return discard(.incomplete) }
        case .request, .renew, .release:
            guard message.server == settings.identifier else { return discard(.otherServer) }
            guard message.client != nil else { return discard(.incomplete) }
        case .informationRequest:
            guard message.server ?? settings.identifier == settings.identifier else { return discard(.otherServer) }
            guard message.ias.isEmpty else { return discard(.incomplete) }
        // Confirm and Decline are about addresses, of which there are none here.
        case .confirm, .decline, .advertise, .reply, .reconfigure: return discard(.unexpectedType)
        }
        var answer = DHCPv6Message(.reply, transactionID: message.transactionID)
        answer.client = message.client
        answer.server = settings.identifier
        switch message.type {
        case .solicit:
            let isRapid = message.rapidCommit && settings.allowsRapidCommit
            answer.type = isRapid ? .reply : .advertise
            answer.rapidCommit = isRapid
            if !isRapid { answer.preference = settings.preference }
            assign(message, &answer, client, group, commits: isRapid, adopts: true, now, &effects)
        case .request: assign(message, &answer, client, group, commits: true, adopts: true, now, &effects)
        case .renew, .rebind: assign(message, &answer, client, group, commits: true, adopts: false, now, &effects)
        case .release: release(message, &answer, client, now, &effects)
        default: break
        }
        if message.type != .release {
            func wants(_ code: UInt16) -> Bool { message.optionRequest?.contains(code) ?? false }
            if wants(DHCPv6Message.Code.nameServers), !settings.nameServers.isEmpty {
                answer.nameServers = settings.nameServers
            }
            if wants(DHCPv6Message.Code.maximumSolicitTimeout) {
                answer.maximumSolicitTimeout = settings.maximumSolicitTimeout
            }
        }
        effects.append(.send(answer, to: client))
    }

    /// Fills the IAs of an Advertise or Reply. When the binding is gone and `adopts` is false, only a prefix that the
    /// client still uses may be bound again (RFC 8415 §18.3.4, §18.3.5).
    private mutating func assign(
        _ request: DHCPv6Message, _ answer: inout DHCPv6Message, _ client: ClientIdentity, _ group: String,
        commits: Bool, adopts: Bool, _ now: LeaseTime, _ effects: inout [Effect]
    ) {
        for (index, asked) in request.ias.prefix(Self.greatestIACount).enumerated() {
            var ia = IAPD(iaid: asked.iaid)
            let used = asked.prefixes.prefix(Self.greatestIACount).map(\.prefix)
            // The first IA has the prefix; a wish for length alone ("::/56") matches no pool and does no harm.
            let offered = index > 0 ? nil : book.offer(client, group, wish: used.first, now, &effects)
            let isBound = offered != nil && lease(of: client)?.resource == offered
            if let offered, adopts || isBound || used.contains(offered) {
                if commits { book.commit(client, until: now.adding(seconds: settings.validLifetime), &effects) }
                ia.t1 = settings.preferredLifetime == .max ? .max : settings.preferredLifetime / 2
                ia.t2 =
                    settings.preferredLifetime == .max ? .max : UInt32(UInt64(settings.preferredLifetime) * 4 / 5)
                ia.prefixes += [
                    IAPrefix(
                        offered, preferredLifetime: min(settings.preferredLifetime, settings.validLifetime),
                        validLifetime: settings.validLifetime)
                ].compactMap { $0 }
                // What the client uses but may not: lifetimes of 0 end it.
                if !adopts {
                    ia.prefixes += used.filter { $0 != offered }
                        .compactMap { IAPrefix($0, preferredLifetime: 0, validLifetime: 0) }
                }
            } else {
                ia.status = DHCPv6Status(adopts ? .noPrefixAvail : .noBinding)
            }
            answer.ias.append(ia)
        }
    }

    /// A datagram could ask for thousands.
    private static let greatestIACount = 16

    private mutating func release(
        _ request: DHCPv6Message, _ answer: inout DHCPv6Message, _ client: ClientIdentity, _ now: LeaseTime,
        _ effects: inout [Effect]
    ) {
        answer.status = DHCPv6Status(.success)
        for asked in request.ias.prefix(Self.greatestIACount) {
            if let resource = lease(of: client)?.resource, asked.prefixes.contains(where: { $0.prefix == resource }) {
                book.end(client, .released, now, &effects)
            } else {
                var ia = IAPD(iaid: asked.iaid)
                ia.status = DHCPv6Status(.noBinding)
                answer.ias.append(ia)
            }
        }
    }
}
