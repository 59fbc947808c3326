/// The least or greatest of the values of late: of one window up to two, so that what no longer holds is forgotten.
struct RecentExtreme: Hashable, Sendable {
    enum Kind: Hashable, Sendable { case least, greatest }

    let kind: Kind
    /// Nanoseconds.
    let window: Int64
    private var current: Int64?
    private var previous: Int64?
    private var began: Int64 = .min

    init(_ kind: Kind, window: Duration) {
        self.kind = kind
        self.window = window.nanoseconds
    }

    /// nil before the first value. The last values stay for as long as no others come.
    var value: Int64? {
        guard let current else { return previous }
        return previous.map { better($0, current) } ?? current
    }

    /// - Parameter now: nanoseconds
    mutating func add(_ value: Int64, at now: Int64) {
        let age = began == .min ? 0 : now.subtractingReportingOverflow(began).partialValue
        if began == .min || age < 0 {
            began = now
        } else if age >= window {
            previous = age < window &* 2 ? current : nil
            current = nil
            began = now
        }
        current = current.map { better($0, value) } ?? value
    }

    private func better(_ a: Int64, _ b: Int64) -> Int64 { kind == .least ? min(a, b) : max(a, b) }
}
