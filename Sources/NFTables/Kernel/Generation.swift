import NetlinkKit

/// A state of the rule set, and who brought it about.
public struct Generation: Hashable, Sendable {
    /// Counts transactions, anybody's, of the network namespace; wraps around.
    public var id: UInt32
    /// The thread that committed it, or in answer to a question that asks (`NFTA_GEN_PROC_PID`).
    public var processID: UInt32?
    /// Its name, at most 15 bytes.
    public var processName: String?

    public init(id: UInt32, processID: UInt32? = nil, processName: String? = nil) {
        self.id = id
        self.processID = processID
        self.processName = processName
    }
}

extension Generation {
    init?(_ message: borrowing Message) {
        let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: GenerationSpace.self)
        guard let id = attributes.get(GenerationSpace.id) else { return nil }
        self.init(
            id: id, processID: attributes.get(GenerationSpace.processID),
            processName: attributes.get(GenerationSpace.processName))
    }
}
