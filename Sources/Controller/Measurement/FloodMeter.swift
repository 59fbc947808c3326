import GREBonding
import NFTables
import Observation

/// Control messages that the kernel kept from the daemon because there were too many: ``OuterTable/controlRules()``.
struct FloodMeter {
    static let interval = Duration.seconds(30)

    /// Those that have the counter.
    var tables: [TableName] = []
    private var counted: [TableName: UInt64] = [:]
    private(set) var next: Instant

    init(now: Instant) { next = now + Self.interval }

    /// Takes what a table has counted by now.
    /// - Returns: how many came since the last time; a table that was made anew counts from 0
    mutating func take(_ packets: UInt64, of table: TableName) -> UInt64 {
        let before = counted.updateValue(packets, forKey: table) ?? 0
        return packets >= before ? packets - before : packets
    }

    mutating func isDone(_ now: Instant) { next = now + Self.interval }
}

extension Common {
    /// Counts them as discarded, `flood`.
    /// - Returns: when it wants to be called again
    @discardableResult
    func sampleFlood(_ now: Instant, isDue: Bool = false) -> Instant {
        guard isDue || flood.next <= now else { return flood.next }
        flood.isDone(now)
        for table in flood.tables {
            guard let packets = counter(OuterTable.floodCounter, in: table) else { continue }
            let more = flood.take(packets, of: table)
            if more > 0 { count(OuterTable.floodCounter, more) }
        }
        return flood.next
    }
}
