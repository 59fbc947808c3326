import Addresses

/// The DHCPv4 server of an aggregator: RFC 2131 §4.3. It is the only one on its clients' links, so a lease that it
/// forgot is granted again when its client renews it and the address is free, and refused otherwise.
public struct DHCPv4Server: LeaseServer {
    public struct Settings: Hashable, Sendable {
        /// The server's own address, as clients are to know it.
        public var identifier: IPv4Address
        public var leases: LeaseTable.Settings
        /// Seconds; T1 is a half of it and T2 seven eighths.
        public var leaseTime: UInt32 = 86_400
        /// 0…32.
        public var subnetMaskLength: UInt8 = 32
        public var routers: [IPv4Address] = []
        public var nameServers: [IPv4Address] = []
        /// ASCII, at most 253 bytes; nil: none is told.
        public var domainName: String?
        /// Bytes.
        public var interfaceMTU: UInt16?
        public var classlessRoutes: [ClasslessRoute] = []

        public init(identifier: IPv4Address, leases: LeaseTable.Settings) {
            self.identifier = identifier
            self.leases = leases
        }
    }

    public struct Answer: Hashable, Sendable {
        public var message: DHCPv4Message
        /// Bytes of UDP payload that the client takes: RFC 2132 §9.10.
        public var maximumLength: Int
        /// Where the datagram goes, UDP port 68; the source is the server's identifier, port 67.
        public var destination: IPv4Address
    }

    public typealias Effect = ServerEffect<Answer>

    public typealias Input = ServerInput<DHCPv4Message>

    static let broadcast = IPv4Address(rawValue: .max)
    /// Datagrams are kept small enough for any access network.
    static let greatestLength = 1172

    public let settings: Settings
    package var book: LeaseBook

    public init(_ settings: Settings) {
        self.settings = settings
        book = LeaseBook(settings.leases)
    }

    package mutating func receive(
        _ message: DHCPv4Message, _ client: ClientIdentity, _ group: String, _ now: LeaseTime,
        _ effects: inout [Effect]
    ) {
        func discard(_ reason: DiscardReason) { effects.append(.discarded(reason, client)) }
        guard message.operation == .request, let type = message.messageType else { return discard(.unexpectedType) }
        guard message.relayAddress == .any else { return discard(.relayed) }
        switch type {
        case .discover:
            let wish = message.requestedAddress.map { IPPrefix(host: .v4($0)) }
            guard case .v4(let address) = book.offer(client, group, wish: wish, now, &effects)?.address else {
                return discard(.exhausted)
            }
            effects.append(.send(answer(.offer, to: message, address), to: client))
        case .request: request(message, client, group, now, &effects)
        case .release, .decline:
            guard message.serverIdentifier ?? settings.identifier == settings.identifier else {
                return discard(.otherServer)
            }
            let address = type == .release ? message.clientAddress : message.requestedAddress
            guard let address, lease(of: client)?.resource == IPPrefix(host: .v4(address)) else {
                return discard(.noLease)
            }
            book.end(client, type == .release ? .released : .declined, now, &effects)
        case .inform: effects.append(.send(answer(.ack, to: message, nil), to: client))
        case .offer, .ack, .nak: discard(.unexpectedType)
        }
    }

    /// RFC 2131 §4.3.2: the answer to an offer, a restart, a renewal and a rebinding differ only in where the address
    /// stands.
    private mutating func request(
        _ message: DHCPv4Message, _ client: ClientIdentity, _ group: String, _ now: LeaseTime,
        _ effects: inout [Effect]
    ) {
        if let chosen = message.serverIdentifier, chosen != settings.identifier {
            // An offer that was not taken goes back; a lease stays until it ends.
            if lease(of: client) == nil { book.end(client, .released, now, &effects) }
            return effects.append(.discarded(.otherServer, client))
        }
        let renewed = message.clientAddress == .any ? nil : message.clientAddress
        guard let address = message.requestedAddress ?? renewed else {
            return effects.append(.discarded(.incomplete, client))
        }
        let resource = IPPrefix(host: .v4(address))
        // INIT-REBOOT. Of a client that is not known only an address of another network is refused.
        if message.serverIdentifier == nil, message.clientAddress == .any, !book.table.knows(client),
            book.table.isValid(resource, client, group)
        {
            return effects.append(.discarded(.noLease, client))
        }
        guard book.offer(client, group, wish: resource, now, &effects) == resource else {
            return effects.append(.send(refusal(of: message), to: client))
        }
        book.commit(client, until: now.adding(seconds: settings.leaseTime), &effects)
        effects.append(.send(answer(.ack, to: message, address), to: client))
    }

    /// An OFFER or ACK; without an address the ACK to an INFORM.
    private func answer(
        _ type: DHCPv4Message.MessageType, to request: DHCPv4Message, _ address: IPv4Address?
    ) -> Answer {
        var message = reply(type, to: request)
        message.clientAddress = type == .ack ? request.clientAddress : .any
        if let address {
            message.yourAddress = address
            message.leaseTime = settings.leaseTime
            if settings.leaseTime != .max {
                message.renewalTime = settings.leaseTime / 2
                message.rebindingTime = UInt32(UInt64(settings.leaseTime) * 7 / 8)
            }
        }
        let wanted = request.parameterRequestList
        func wants(_ code: UInt8) -> Bool { wanted?.contains(code) ?? true }
        typealias Code = DHCPv4Message.Code
        // The mask comes before the routers: RFC 2132 §3.3.
        if wants(Code.subnetMask) { message.subnetMaskLength = settings.subnetMaskLength }
        if wants(Code.routers), !settings.routers.isEmpty { message.routers = settings.routers }
        if wants(Code.nameServers), !settings.nameServers.isEmpty { message.nameServers = settings.nameServers }
        if wants(Code.domainName) { message.domainName = settings.domainName.map { Array($0.utf8.prefix(253)) } }
        if wants(Code.interfaceMTU) { message.interfaceMTU = settings.interfaceMTU }
        if wants(Code.classlessRoutes), !settings.classlessRoutes.isEmpty {
            message.classlessRoutes = settings.classlessRoutes
        }
        finish(&message, request)
        let isBroadcast = request.flags & DHCPv4Message.broadcastFlag != 0
        let target = request.clientAddress != .any ? request.clientAddress : isBroadcast ? Self.broadcast : address
        return sent(message, request, target ?? Self.broadcast)
    }

    private func refusal(of request: DHCPv4Message) -> Answer {
        var message = reply(.nak, to: request)
        message[DHCPv4Message.Code.message] = Array("not yours".utf8)
        finish(&message, request)
        return sent(message, request, Self.broadcast)
    }

    private func reply(_ type: DHCPv4Message.MessageType, to request: DHCPv4Message) -> DHCPv4Message {
        var message = DHCPv4Message(
            .reply, transactionID: request.transactionID, hardwareAddress: request.hardwareAddress)
        message.hardwareType = request.hardwareType
        message.flags = request.flags
        message.messageType = type
        message.serverIdentifier = settings.identifier
        return message
    }

    /// What is sent back as it came: RFC 6842 §3, RFC 3046 §2.2 (the relay's comes last).
    private func finish(_ message: inout DHCPv4Message, _ request: DHCPv4Message) {
        message.clientIdentifier = request.clientIdentifier
        message[DHCPv4Message.Code.relayAgentInformation] = request[DHCPv4Message.Code.relayAgentInformation]
    }

    private func sent(_ message: DHCPv4Message, _ request: DHCPv4Message, _ destination: IPv4Address) -> Answer {
        let asked = request.maximumMessageSize.map { Int($0) - 28 } ?? DHCPv4Message.standardLength
        return Answer(message: message, maximumLength: min(asked, Self.greatestLength), destination: destination)
    }
}
