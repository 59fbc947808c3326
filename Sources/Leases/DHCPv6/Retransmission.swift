/// When an unanswered message is sent again: RFC 8415 §15. Times are in nanoseconds.
struct Retransmission: Hashable, Sendable {
    /// IRT, MRT, MRD; 0 is no limit.
    var initial: Int64
    var maximum: Int64
    var duration: Int64 = 0
    /// MRC: messages in all; 0 is no limit.
    var count = 0
    /// The first timeout is not shorter than IRT, as a Solicit's must be (§18.2.1).
    var isSolicit = false

    static func solicit(maximum: Int64) -> Self { Self(initial: .seconds(1), maximum: maximum, isSolicit: true) }
    static let request = Self(initial: .seconds(1), maximum: .seconds(30), count: 10)
    /// Until T2 and until the end of the lease: both are the client's to watch.
    static let renew = Self(initial: .seconds(10), maximum: .seconds(600))
    static let rebind = Self(initial: .seconds(10), maximum: .seconds(600))
    /// A Rebind after a restart has the timing of a Confirm (§18.2.12, §18.2.3).
    static let confirm = Self(initial: .seconds(1), maximum: .seconds(4), duration: .seconds(10))
    static let release = Self(initial: .seconds(1), maximum: 0, count: 4)

    /// RT for the message that is sent now, after `previous`; 0 for the first.
    func timeout(after previous: Int64, using random: inout some RandomNumberGenerator) -> Int64 {
        func part(_ time: Int64, from low: Int64) -> Int64 {
            .random(in: low * (time / 10)...time / 10, using: &random)
        }
        if previous == 0 { return initial + part(initial, from: isSolicit ? 0 : -1) }
        let doubled = 2 * previous + part(previous, from: -1)
        return maximum > 0 && doubled > maximum ? maximum + part(maximum, from: -1) : doubled
    }
}
