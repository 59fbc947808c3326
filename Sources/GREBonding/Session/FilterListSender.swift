/// The packages of a filter list that the gateway has not yet taken, one under way at a time: RFC 8157 §5.6.2.
struct FilterListSender: Hashable, Sendable {
    /// Commit_Count of the next list.
    private(set) var nextCommitCount: UInt32
    private(set) var commitCount: UInt32?
    private var waiting: ArraySlice<FilterListPackage> = []
    /// ACKs that may still come for packages before: an ACK names its list, not its package, so as many are not
    /// taken for the answer to the package that is under way.
    private var expected = 0
    /// Attempts are three seconds apart, and neither a package nor its ACK is on its way for longer than four.
    private static let mostExpected = 2

    init(nextCommitCount: UInt32) { self.nextCommitCount = nextCommitCount }

    /// The package that is to be under way; nil when the gateway has all of them.
    var current: FilterListPackage? { waiting.first }

    mutating func replace(by items: [FilterItem]) throws(FilterListError) {
        waiting = try FilterListPackage.split(items, commitCount: nextCommitCount)[...]
        commitCount = nextCommitCount
        nextCommitCount &+= 1
        expected = 0
    }

    /// Whether an ACK of this list is rather one for an earlier package.
    mutating func isLate() -> Bool {
        guard expected > 0 else { return false }
        expected -= 1
        return true
    }

    /// The package under way was taken after so many attempts. True when it was the last one.
    mutating func taken(attempts: Int) -> Bool {
        waiting = waiting.dropFirst()
        expected = min(expected + max(0, attempts - 1), Self.mostExpected)
        return waiting.isEmpty
    }

    mutating func giveUp() { waiting = [] }
}
