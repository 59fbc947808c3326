import Addresses

/// A DHCPv4 relay agent for links of one client each: RFC 1542 §4, RFC 3046. The Circuit ID that a server must send
/// back tells whose link an answer is for. What servers grant is remembered until it ends, so that there are routes.
public struct DHCPv4Relay: RelayAgent {
    public struct Settings: Hashable, Sendable {
        /// The relay's address (giaddr), where servers send their answers.
        public var address: IPv4Address
        public var servers: [IPv4Address]
        /// An address of the network that clients get addresses from, where ``address`` is not of it: the Link
        /// Selection of RFC 3527.
        public var link: IPv4Address?
        /// Tells clients that ``address`` is the server's (option 54), so that they renew and release by way of the
        /// relay; servers are told their own. Not all servers do it themselves when asked (RFC 5107). Without it
        /// renewals go to the server directly; the relay does not see them and ends the lease while the client goes on.
        public var overridesServerIdentifier = true
        /// A message that was relayed more often than this before is dropped, at most 16: RFC 1542 §4.1.1.
        public var maximumHops: UInt8 = 4
        public var serverUse = RelayServerUse.all
        /// Whether servers are told the client's name as a Subscriber-ID, too (RFC 3993, RFC 4580).
        public var tellsSubscriber = false
        /// Addresses of this host and of what it talks to: no answer that grants one of them goes on, nor one that
        /// grants a prefix that holds it.
        public var reserved: [IPAddress] = []
        /// How many leases are remembered, over all and for one client.
        public var capacity = 131_072
        public var leasesPerClient = 8

        public init(address: IPv4Address, servers: [IPv4Address]) {
            self.address = address
            self.servers = servers
        }
    }

    /// Sub-options of option 82: RFC 3046 §3.1, RFC 3527 §3, RFC 3993 §2.
    enum Suboption {
        static let circuitID: UInt8 = 1
        static let linkSelection: UInt8 = 5
        static let subscriberID: UInt8 = 6
    }

    public let settings: Settings
    package var table: RelayTable
    private var servers: RelayServers<IPv4Address>

    public init(_ settings: Settings) {
        self.settings = settings
        servers = RelayServers(settings.servers, settings.serverUse)
        table = RelayTable(capacity: settings.capacity, leasesPerClient: settings.leasesPerClient)
    }

    /// Why the message does not go on; nil when it does.
    package mutating func request(
        _ bytes: [UInt8], from source: IPAddress, _ client: ClientIdentity, _ now: LeaseTime,
        _ effects: inout [RelayEffect]
    ) -> DiscardReason? {
        guard var message = try? DHCPv4Message(parsing: bytes) else { return .malformed }
        guard message.operation == .request else { return .unexpectedType }
        guard message.hops <= min(settings.maximumHops, 16) else { return .tooManyHops }
        // A client's link is not trusted to have relays of its own: RFC 3046 §2.1.
        guard message.relayAddress == .any, message[DHCPv4Message.Code.relayAgentInformation] == nil else {
            return .relayed
        }
        nameServer(in: &message, client)
        switch message.messageType {
        case .release:
            guard giveUp(message.clientAddress, .released, client, &effects) else { return .noLease }
        case .decline:
            guard giveUp(message.requestedAddress, .declined, client, &effects) else { return .noLease }
        default:
            let renewed = message.clientAddress == .any ? message.requestedAddress : message.clientAddress
            table.noteRequest(message.transactionID, for: renewed.map { IPPrefix(host: .v4($0)) }, of: client)
        }
        message.hops += 1
        message.relayAddress = settings.address
        var information = [RelayAgentSuboption(Suboption.circuitID, client.bytes)]
        if let link = settings.link { information.append(.init(Suboption.linkSelection, link.bytes)) }
        if settings.tellsSubscriber { information.append(.init(Suboption.subscriberID, client.bytes)) }
        message.relayAgentInformation = information
        let payload = message.serialized(maximumLength: .max)
        for server in servers.next(now) {
            effects.append(.forward(RelayedDatagram(payload: payload, destination: .v4(server), port: 67)))
        }
        return nil
    }

    /// Where the client names the relay it means the server whose offer or lease it speaks of.
    private func nameServer(in message: inout DHCPv4Message, _ client: ClientIdentity) {
        guard settings.overridesServerIdentifier, message.serverIdentifier == settings.address else { return }
        let address = message.requestedAddress ?? message.clientAddress
        let server = table.server(of: IPPrefix(host: .v4(address)), message.transactionID, for: client)
        if let identifier = server.flatMap({ IPv4Address($0) }) { message.serverIdentifier = identifier }
    }

    /// False when the address is somebody else's: the server might know it by a name that is another's.
    private mutating func giveUp(
        _ address: IPv4Address?, _ reason: LeaseEndReason, _ client: ClientIdentity, _ effects: inout [RelayEffect]
    ) -> Bool {
        table.cancelRequests(of: client)
        guard let resource = address.map({ IPPrefix(host: .v4($0)) }) else { return true }
        if table.isTaken(resource, from: client) { return false }
        table.end(resource, reason, &effects)
        return true
    }

    package mutating func answer(
        _ bytes: [UInt8], from source: IPAddress, _ now: LeaseTime, _ effects: inout [RelayEffect]
    ) {
        guard case .v4(let server) = source, settings.servers.contains(server) else {
            return effects.append(.discarded(.otherServer, nil))
        }
        guard var message = try? DHCPv4Message(parsing: bytes) else {
            return effects.append(.discarded(.malformed, nil))
        }
        let circuit = message.relayAgentInformation?.first { $0.code == Suboption.circuitID }
        guard let client = circuit.flatMap({ ClientIdentity(bytes: $0.value) }) else {
            return effects.append(.discarded(.incomplete, nil))
        }
        guard message.operation == .reply, message.relayAddress == settings.address else {
            return effects.append(.discarded(.unexpectedType, client))
        }
        servers.answered(server)
        let resource = IPPrefix(host: .v4(message.yourAddress))
        let identifier = message.serverIdentifier?.description ?? ""
        if message.messageType == .offer {
            table.noteOffer(resource, by: identifier, message.transactionID, to: client)
        }
        if message.messageType == .ack, let seconds = message.leaseTime, seconds > 0, message.yourAddress != .any {
            guard DHCPv4Lease.isUsable(message.yourAddress), !settings.reserved.contains(resource.address) else {
                return effects.append(.discarded(.unusable, client))
            }
            guard table.isAnswer(message.transactionID, to: client) else {
                return effects.append(.discarded(.unsolicited, client))
            }
            guard !table.isTaken(resource, from: client) else { return effects.append(.discarded(.taken, client)) }
            let grants = [resource: now.adding(seconds: seconds)]
            guard table.grant(grants, by: identifier, to: client, &effects) else {
                // The client must not use what there is no route to.
                return effects.append(.discarded(.exhausted, client))
            }
        }
        if message.messageType == .nak { table.refuse(message.transactionID, to: client, &effects) }
        message.relayAgentInformation = nil
        if settings.overridesServerIdentifier, message.serverIdentifier != nil {
            message.serverIdentifier = settings.address
        }
        // RFC 2131 §4.1 and RFC 1542 §4.1.2. A renewal has its address in both fields.
        let isBroadcast = message.flags & DHCPv4Message.broadcastFlag != 0 || message.messageType == .nak
        let address = message.yourAddress != .any ? message.yourAddress : message.clientAddress
        let destination = isBroadcast || address == .any ? DHCPv4Server.broadcast : address
        let payload = message.serialized(maximumLength: bytes.count)
        effects.append(
            .send(RelayedDatagram(payload: payload, destination: .v4(destination), port: 68), to: client))
    }
}
