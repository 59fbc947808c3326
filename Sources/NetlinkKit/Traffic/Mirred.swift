import CLinux

/// The `mirred` action: sends a packet, or a copy of it, to another device.
public struct Mirred: Hashable, Sendable {
    public enum Target: Int32, Sendable {
        case redirectEgress = 1
        case mirrorEgress, redirectIngress, mirrorIngress
    }

    public var target: Target
    /// The device's index.
    public var link: UInt32
    public var verdict: Verdict

    /// - Parameter verdict: by default what suits the target
    public init(_ target: Target, link: UInt32, verdict: Verdict? = nil) {
        self.target = target
        self.link = link
        self.verdict = verdict ?? (target == .redirectEgress || target == .redirectIngress ? .stolen : .pipe)
    }

    init?(_ attributes: borrowing AttributeReader<MirredSpace>) {
        guard let parameters = attributes.get(MirredSpace.parameters),
            let target = Target(rawValue: parameters.eaction)
        else { return nil }
        self.init(target, link: parameters.ifindex, verdict: Verdict(rawValue: parameters.action))
    }

    func write(_ writer: inout AttributeWriter<MirredSpace>, index: UInt32) {
        var parameters = tc_mirred()
        parameters.index = index
        parameters.action = verdict.rawValue
        parameters.eaction = target.rawValue
        parameters.ifindex = link
        writer.put(MirredSpace.parameters, parameters)
    }
}

/// `TCA_MIRRED_*`
enum MirredSpace {
    static let parameters = Attribute<MirredSpace, Structure<tc_mirred>>(TCA_MIRRED_PARMS, "TCA_MIRRED_PARMS")
}
