/// How much may be given to a leg of which nothing is known: two packets, until an answer says that they did not wait
/// longer than a leg lets them that is worth its use. What one gets that is much too slow would be late by seconds
/// otherwise: packets that have their time of departure cannot be called back.
struct LegTrial: Hashable, Sendable {
    enum Verdict {
        /// It goes on with another window.
        case goesOn
        /// The leg carries about what a search begins with.
        case passed
        /// It carries less than is worth its use.
        case isTooSlow
    }

    /// Two full packets and their headers.
    private static let leastWindow: UInt64 = 4_000
    /// The window in time, at the rate that a search begins with.
    private static let time = Duration.milliseconds(64)
    /// Bytes that may be given between two answers.
    private let window: UInt64
    /// The leg's count of bytes at which the window began.
    private(set) var begun: UInt64 = 0
    /// When the window was first used, or a little before.
    private var firstUse: Instant?
    /// How often the leg was too slow: once a round trip may be long for another reason.
    private var slow = 0

    /// What the window takes at the rate.
    private let duration: Duration

    /// - Parameter rate: that a search begins with, bytes a second
    init(rate: UInt64) {
        window = max(Self.leastWindow, LegRate.carried(rate, Self.time))
        duration = .nanoseconds(Int64(Double(window) * 1e9 / Double(max(rate, LegRate.slowest))))
    }

    /// The leg's count of bytes that may not be exceeded.
    var end: UInt64 { begun &+ window }

    mutating func begin(at count: UInt64) {
        begun = count
        firstUse = nil
    }

    /// Whether so much of the window has left that it is time to ask.
    /// - Parameter since: when the leg's count was looked at before
    mutating func isUsed(at count: UInt64, since: Instant) -> Bool {
        guard count > begun else { return false }
        if firstUse == nil { firstUse = since }
        return count - begun >= window / 8 * 5
    }

    /// Whether what has left of the window left at once, so that an answer says something.
    func isBurst(_ now: Instant) -> Bool { firstUse.map { now - $0 <= duration + LegRate.interval * 5 / 4 } ?? false }

    /// Takes how long a probe waited in the leg's queue.
    /// - Parameters:
    ///   - isFull: the probe was sent just behind a window that left at once
    ///   - allowed: the wait that is borne
    mutating func answered(wait: Duration, isFull: Bool, allowed: Duration) -> Verdict {
        if wait > allowed { return tooSlow() }
        return isFull ? .passed : .goesOn
    }

    /// No answer came.
    mutating func lost() -> Verdict { tooSlow() }

    private mutating func tooSlow() -> Verdict {
        slow += 1
        return slow > 1 ? .isTooSlow : .goesOn
    }
}
