/// Verdicts that the kernel refused, for each to be given again a few times. Pure.
struct RefusedVerdicts {
    /// How often a packet may be refused and get its verdict again.
    static let limit = 8
    /// How many verdicts wait to be given again, and of how many packets refusals are remembered.
    static let room = 4096

    private var waiting: [UInt32] = []
    private var counts: [UInt32: Int] = [:]

    mutating func add(_ id: UInt32, _ error: Errno) {
        guard error.mayPass, waiting.count < Self.room, counts[id, default: 0] < Self.limit else { return }
        if counts.count >= Self.room { counts = [:] }
        counts[id, default: 0] += 1
        waiting.append(id)
    }

    mutating func take() -> [UInt32] {
        if waiting.isEmpty { return [] }
        defer { waiting = [] }
        return waiting
    }
}
