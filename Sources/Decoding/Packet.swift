public import Addresses
public import GREBonding

/// One packet of a capture, as far as this protocol is concerned.
public enum Packet: Sendable {
    /// A control message, damaged or not.
    case control(ControlPacket)
    /// GRE with another protocol type, or too short to have one: what the tunnels carry, or other tunnels.
    case data
    /// A later part of a fragmented GRE packet, which does not say what it is a part of.
    case laterFragment
    /// Not GRE.
    case other
    /// The headers before GRE are cut off or contradict themselves.
    case unreadable

    /// Reads one packet. Any bytes may come.
    /// - Parameters:
    ///   - frame: what was captured, from the link-layer header on.
    ///   - length: how many bytes the packet had on the wire.
    public init(parsing frame: [UInt8], length: Int, _ linkType: LinkType) {
        do throws(Unreadable) {
            self = try Self.parse(frame, length: length, linkType)
        } catch {
            self = .unreadable
        }
    }

    private static func parse(_ frame: [UInt8], length: Int, _ linkType: LinkType) throws(Unreadable) -> Packet {
        let link = try LinkHeader(parsing: frame, linkType)
        guard let family = link.family else { return .other }
        let ip = try IPPacket(parsing: link.payload, family)
        guard ip.protocolNumber == 47 else { return .other }
        if let fragment = ip.fragment, fragment.offset > 0 { return .laterFragment }
        guard let inspection = MessageInspection(Array(ip.payload)) else { return .data }
        var problems: [Problem] = []
        if ip.fragment != nil {
            problems.append(Problem(.error, .fragmented, "the message is fragmented: this is its first part only"))
        }
        if ip.missing > 0 {
            problems.append(
                frame.count < length
                    ? Problem(.error, .capturedShort, "\(ip.missing) bytes of the message were not captured")
                    : Problem(.error, .packetShort, "the packet ends \(ip.missing) bytes before its IP header says"))
        }
        return .control(ControlPacket(link, linkType, ip, inspection, problems + inspection.problems))
    }
}

/// A control message and what carries it.
public struct ControlPacket: Sendable {
    public let linkType: LinkType
    /// VLAN identifiers (12 bits), outermost first.
    public let vlans: [UInt16]
    /// The session of PPPoE.
    public let pppoeSession: UInt16?
    /// The outer addresses.
    public let source: IPAddress
    public let destination: IPAddress
    public let message: MessageInspection
    /// In the order of their places as far as these are known.
    public let problems: [Problem]

    init(
        _ link: LinkHeader, _ linkType: LinkType, _ ip: IPPacket, _ message: MessageInspection, _ problems: [Problem]
    ) {
        self.linkType = linkType
        vlans = link.vlans
        pppoeSession = link.pppoeSession
        source = ip.source
        destination = ip.destination
        self.message = message
        self.problems = problems
    }

    /// Whether a receiver would not take the message, or it is not all there.
    public var isDamaged: Bool { problems.contains { $0.severity == .error } }
}
