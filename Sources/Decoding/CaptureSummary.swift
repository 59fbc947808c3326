/// How many packets of each kind a capture holds.
public struct CaptureSummary: Sendable {
    public private(set) var packets = 0
    /// Control messages, damaged ones included.
    public private(set) var controlMessages = 0
    public private(set) var damaged = 0
    /// Control messages that are whole but have something that the standard does not allow or know.
    public private(set) var withWarnings = 0
    public private(set) var data = 0
    public private(set) var laterFragments = 0
    public private(set) var other = 0
    public private(set) var unreadable = 0

    public init() {}

    public mutating func count(_ packet: Packet) {
        packets += 1
        switch packet {
        case .control(let packet):
            controlMessages += 1
            if packet.isDamaged {
                damaged += 1
            } else if !packet.problems.isEmpty {
                withWarnings += 1
            }
        case .data: data += 1
        case .laterFragment: laterFragments += 1
        case .other: other += 1
        case .unreadable: unreadable += 1
        }
    }
}

extension CaptureSummary: CustomStringConvertible {
    /// One line. Kinds of which there is nothing are left out, except control messages.
    public var description: String {
        let control = "\(controlMessages) control messages (\(damaged) damaged, \(withWarnings) with warnings)"
        let kinds = [
            (data, "GRE data"), (laterFragments, "later fragments of GRE packets"), (other, "not GRE"),
            (unreadable, "unreadable"),
        ]
        let others = kinds.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return "\(packets) packets: " + ([control] + others).joined(separator: ", ")
    }
}
