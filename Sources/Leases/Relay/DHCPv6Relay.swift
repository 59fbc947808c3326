import Addresses
import ProtocolSupport

/// A DHCPv6 relay agent for links of one client each: RFC 8415 §19. The Interface-ID that a server must send back
/// tells whose link an answer is for. What servers grant is remembered until it ends, so that there are routes:
/// RFC 8987.
public struct DHCPv6Relay: RelayAgent {
    public struct Settings: Hashable, Sendable {
        /// The link-address: a global or unique local address that tells servers what clients are to be given.
        public var link: IPv6Address
        /// Where one is a multicast address, answers are taken from anybody.
        public var servers: [IPv6Address]
        public var serverUse = RelayServerUse.all
        /// Whether servers are told the client's name as a Subscriber-ID, too (RFC 3993, RFC 4580).
        public var tellsSubscriber = false
        /// Addresses of this host and of what it talks to: no answer that grants one of them goes on, nor one that
        /// grants a prefix that holds it.
        public var reserved: [IPAddress] = []
        /// How many leases are remembered, over all and for one client.
        public var capacity = 131_072
        public var leasesPerClient = 8

        public init(link: IPv6Address, servers: [IPv6Address] = [DHCPv6Relay.allServers]) {
            self.link = link
            self.servers = servers
        }
    }

    /// ff05::1:3, All_DHCP_Servers.
    public static let allServers = IPv6Address(high: 0xFF05_0000_0000_0000, low: 0x0001_0003)
    /// RFC 4580 §2.
    static let subscriberID: UInt16 = 38
    /// A larger message would not fit into a datagram with what is added.
    private static let greatestLength = 65_000

    public let settings: Settings
    package var table: RelayTable
    private var servers: RelayServers<IPv6Address>

    public init(_ settings: Settings) {
        self.settings = settings
        servers = RelayServers(settings.servers, settings.serverUse)
        table = RelayTable(capacity: settings.capacity, leasesPerClient: settings.leasesPerClient)
    }

    /// Why the message does not go on; nil when it does. Types that are not known go on: RFC 8415 §19.
    package mutating func request(
        _ bytes: [UInt8], from source: IPAddress, _ client: ClientIdentity, _ now: LeaseTime,
        _ effects: inout [RelayEffect]
    ) -> DiscardReason? {
        guard (4...Self.greatestLength).contains(bytes.count), case .v6(let source) = source else {
            return .malformed
        }
        switch DHCPv6Message.MessageType(rawValue: bytes[0]) {
        case .advertise, .reply, .reconfigure: return .unexpectedType
        default: break
        }
        var relayed = DHCPv6RelayMessage(.relayForward, link: settings.link, peer: source, message: bytes)
        relayed.interfaceID = client.bytes
        if settings.tellsSubscriber { relayed.others.append(DHCPv6Option(Self.subscriberID, client.bytes)) }
        switch DHCPv6RelayMessage.MessageType(rawValue: bytes[0]) {
        case .relayReply: return .unexpectedType
        case .relayForward:
            guard let nested = try? DHCPv6RelayMessage(parsing: bytes) else { return .malformed }
            guard nested.hopCount < DHCPv6RelayMessage.maximumHopCount else { return .tooManyHops }
            relayed.hopCount = nested.hopCount + 1
            if !source.isLinkLocal { relayed.link = .any }
        case nil: break
        }
        guard note(bytes, client, &effects) else { return .noLease }
        let payload = relayed.serialized()
        for server in servers.next(now) {
            effects.append(.forward(RelayedDatagram(payload: payload, destination: .v6(server), port: 547)))
        }
        return nil
    }

    /// A client uses what it releases no longer, whatever the server says (RFC 8415 §18.2.7). False when it releases
    /// what is not its own: the server might know it by a name that is another's.
    private mutating func note(_ bytes: [UInt8], _ client: ClientIdentity, _ effects: inout [RelayEffect]) -> Bool {
        let inner = try? DHCPv6RelayMessage.innermost(bytes)
        let gives = [DHCPv6Message.MessageType.release, .decline].contains { $0.rawValue == inner?.first }
        guard let inner, let message = try? DHCPv6Message(parsing: inner),
            let named = try? message.leasedResources()
        else { return !gives }
        guard gives else {
            table.noteRequest(message.transactionID, of: client)
            return true
        }
        table.cancelRequests(of: client)
        if named.contains(where: { table.isTaken($0.resource, from: client) }) { return false }
        for (resource, _) in named where table.isOwner(client, of: resource) {
            table.end(resource, message.type == .release ? .released : .declined, &effects)
        }
        return true
    }

    package mutating func answer(
        _ bytes: [UInt8], from source: IPAddress, _ now: LeaseTime, _ effects: inout [RelayEffect]
    ) {
        guard settings.servers.contains(where: { .v6($0) == source || $0.isMulticast }) else {
            return effects.append(.discarded(.otherServer, nil))
        }
        guard let relayed = try? DHCPv6RelayMessage(parsing: bytes), let type = relayed.message.first,
            let inner = try? DHCPv6RelayMessage.innermost(relayed.message)
        else { return effects.append(.discarded(.malformed, nil)) }
        guard let client = relayed.interfaceID.flatMap({ ClientIdentity(bytes: $0) }) else {
            return effects.append(.discarded(.incomplete, nil))
        }
        guard relayed.type == .relayReply, type != DHCPv6RelayMessage.MessageType.relayForward.rawValue else {
            return effects.append(.discarded(.unexpectedType, client))
        }
        if case .v6(let server) = source { servers.answered(server) }
        if inner.first == DHCPv6Message.MessageType.reply.rawValue {
            guard let message = try? DHCPv6Message(parsing: inner), let named = try? message.leasedResources() else {
                return effects.append(.discarded(.malformed, client))
            }
            guard named.isEmpty || table.isAnswer(message.transactionID, to: client) else {
                return effects.append(.discarded(.unsolicited, client))
            }
            var grants: [IPPrefix: LeaseTime] = [:]
            for (resource, valid) in named where DelegatedPrefix.isRoutable(resource) {
                if valid > 0 {
                    grants[resource] = now.adding(seconds: valid)
                } else if table.isOwner(client, of: resource) {
                    table.end(resource, .withdrawn, &effects)
                }
            }
            guard !grants.keys.contains(where: { settings.reserved.contains(where: $0.contains) }) else {
                return effects.append(.discarded(.unusable, client))
            }
            guard !grants.keys.contains(where: { table.isTaken($0, from: client) }) else {
                return effects.append(.discarded(.taken, client))
            }
            guard table.grant(grants, to: client, &effects) else {
                // The client must not use what there is no route to.
                return effects.append(.discarded(.exhausted, client))
            }
        }
        let isNested = type == DHCPv6RelayMessage.MessageType.relayReply.rawValue
        let datagram = RelayedDatagram(
            payload: relayed.message, destination: .v6(relayed.peer), port: isNested ? 547 : 546)
        effects.append(.send(datagram, to: client))
    }
}

extension DHCPv6Message {
    /// The prefixes and addresses in the message's IA_PDs and IA_NAs (RFC 8415 §21.4, §21.6), with their valid
    /// lifetimes in seconds. Of an address IA_PD knows nothing, so these are read here.
    func leasedResources() throws(WireError) -> [(resource: IPPrefix, valid: UInt32)] {
        let (iaNA, iaAddress): (UInt16, UInt16) = (3, 5)
        var list = ias.flatMap(\.prefixes).map { ($0.prefix, $0.validLifetime) }
        for ia in others where ia.code == iaNA {
            // IAID, T1 and T2 come first.
            for option in try DHCPv6Option.list(Array(ia.value.dropFirst(12))) where option.code == iaAddress {
                let value = option.value
                var reader = ByteReader(value.span.bytes)
                guard let address = reader.ipv6(), reader.uint32() != nil, let valid = reader.uint32() else {
                    throw WireError(.badOption, option: iaAddress)
                }
                list.append((IPPrefix(host: .v6(address)), valid))
            }
        }
        return list
    }
}
