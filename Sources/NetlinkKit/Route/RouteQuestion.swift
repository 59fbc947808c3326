import Addresses
import CLinux

/// A packet as far as routing looks at it, to ask the kernel where it would go.
public struct RouteQuestion: Hashable, Sendable {
    public var destination: IPAddress
    public var source: IPAddress?
    /// The device that it comes by; nil: this host sends it.
    public var inputLink: UInt32?
    public var mark: UInt32 = 0
    /// The second byte of an IPv4 header, or the traffic class of an IPv6 one.
    public var tos: UInt8 = 0
    public var ipProtocol: UInt8?
    public var sourcePort: UInt16?
    public var destinationPort: UInt16?

    public init(to destination: IPAddress, from source: IPAddress? = nil) {
        self.destination = destination
        self.source = source
    }

    /// Protocols that the kernel lets a question name: those whose headers it can make up.
    fileprivate var namedProtocol: UInt8? {
        let known: Set<UInt8> = destination.family == .v4 ? [1, 6, 17] : [6, 17, 58]
        return ipProtocol.flatMap { known.contains($0) ? $0 : nil }
    }
}

extension Exchange {
    /// The entry of a routing table that a packet would meet, with its table; of several next hops all are there.
    ///
    /// A refusal is the answer, too: `ENETUNREACH`, `EHOSTUNREACH`, `EACCES` and `EINVAL` are what routes that lead
    /// nowhere say, `EXDEV` is the reverse path filter's word.
    public func route(_ question: RouteQuestion) throws(KernelError) -> Route {
        let family = question.destination.family
        var header = rtmsg()
        header.rtm_family = family.number
        header.rtm_dst_len = family.bits
        header.rtm_src_len = question.source == nil ? 0 : family.bits
        // What routing looks at of it; the kernel refuses other bits here.
        header.rtm_tos = question.tos & 0x1C
        // IPv6 always says the table, and refuses to be asked for it.
        header.rtm_flags = UInt32(family == .v4 ? RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH : RTM_F_FIB_MATCH)
        let request = Request(
            Operation("look up", "route to \(question.destination)"), type: UInt16(RTM_GETROUTE), flags: [],
            header: header, RouteSpace.self
        ) {
            $0.put(RouteSpace.destination, question.destination)
            $0.put(RouteSpace.source, ifPresent: question.source)
            $0.put(RouteSpace.inputLink, ifPresent: question.inputLink)
            if question.mark != 0 { $0.put(RouteSpace.mark, question.mark) }
            guard let number = question.namedProtocol else { return }
            $0.put(RouteSpace.ipProtocol, number)
            guard number == 6 || number == 17 else { return }
            if let port = question.sourcePort { $0.put(RouteSpace.sourcePort, port) }
            if let port = question.destinationPort { $0.put(RouteSpace.destinationPort, port) }
        }
        for bytes in try ask(request) {
            if let message = Message(bytes.span.bytes, at: 0), let route = Route(message) { return route }
        }
        throw .malformed(request.operation, "no route in it")
    }
}

extension Rule {
    /// Whether the kernel would take this rule for the packet.
    /// - Parameters:
    ///   - input: the name of the device that it comes by; nil: this host sends it, which is by `lo`
    public func matches(_ question: RouteQuestion, input: String?) -> Bool {
        guard family == question.destination.family else { return false }
        func holds(_ prefix: IPPrefix?, _ address: IPAddress?) -> Bool {
            guard let prefix else { return true }
            return address.map(prefix.contains) ?? (prefix.length == 0)
        }
        func holds(_ ports: ClosedRange<UInt16>?, _ port: UInt16?) -> Bool {
            guard let ports else { return true }
            return port.map(ports.contains) ?? false
        }
        let fits =
            holds(source, question.source) && holds(destination, question.destination)
            && inputLink.map { $0 == input ?? "lo" } ?? true && outputLink == nil
            && mark.map { question.mark & $0.mask == $0.value } ?? true && (tos == 0 || tos == question.tos & 0x1C)
            && ipProtocol.map { $0 == question.ipProtocol } ?? true && holds(sourcePorts, question.sourcePort)
            && holds(destinationPorts, question.destinationPort)
        return fits != isInverted
    }
}
