import CLinux

/// The `skbedit` action: changes what the kernel notes about a packet, not the packet.
public struct SkbEdit: Hashable, Sendable {
    /// The packet's mark, or the bits of it that `mask` names.
    public struct Mark: Hashable, Sendable {
        public var value: UInt32
        public var mask: UInt32

        public init(_ value: UInt32, mask: UInt32 = .max) {
            self.value = value
            self.mask = mask
        }
    }

    public var mark: Mark?
    public var priority: UInt32?
    public var queueMapping: UInt16?
    public var verdict: Verdict

    public init(
        mark: Mark? = nil, priority: UInt32? = nil, queueMapping: UInt16? = nil, verdict: Verdict = .pipe
    ) {
        self.mark = mark
        self.priority = priority
        self.queueMapping = queueMapping
        self.verdict = verdict
    }

    init?(_ attributes: borrowing AttributeReader<SkbEditSpace>) {
        guard let parameters = attributes.get(SkbEditSpace.parameters) else { return nil }
        verdict = Verdict(rawValue: parameters.action)
        mark = attributes.get(SkbEditSpace.mark).map { Mark($0) }
        if let mask = attributes.get(SkbEditSpace.mask) { mark?.mask = mask }
        priority = attributes.get(SkbEditSpace.priority)
        queueMapping = attributes.get(SkbEditSpace.queueMapping)
    }

    func write(_ writer: inout AttributeWriter<SkbEditSpace>, index: UInt32) {
        var parameters = tc_skbedit()
        parameters.index = index
        parameters.action = verdict.rawValue
        writer.put(SkbEditSpace.parameters, parameters)
        writer.put(SkbEditSpace.queueMapping, ifPresent: queueMapping)
        writer.put(SkbEditSpace.priority, ifPresent: priority)
        if let mark {
            writer.put(SkbEditSpace.mark, mark.value)
            if mark.mask != .max { writer.put(SkbEditSpace.mask, mark.mask) }
        }
    }
}

/// `TCA_SKBEDIT_*`
enum SkbEditSpace {
    static let parameters = Attribute<SkbEditSpace, Structure<tc_skbedit>>(TCA_SKBEDIT_PARMS, "TCA_SKBEDIT_PARMS")
    static let priority = Attribute<SkbEditSpace, UInt32>(TCA_SKBEDIT_PRIORITY, "TCA_SKBEDIT_PRIORITY")
    static let queueMapping = Attribute<SkbEditSpace, UInt16>(TCA_SKBEDIT_QUEUE_MAPPING, "TCA_SKBEDIT_QUEUE_MAPPING")
    static let mark = Attribute<SkbEditSpace, UInt32>(TCA_SKBEDIT_MARK, "TCA_SKBEDIT_MARK")
    static let mask = Attribute<SkbEditSpace, UInt32>(TCA_SKBEDIT_MASK, "TCA_SKBEDIT_MASK")
}
