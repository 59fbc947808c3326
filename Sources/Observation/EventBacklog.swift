import Formatting

/// The lines of one reader of the event stream that have not been taken yet. What does not fit is left out and counted:
/// a reader that is slow learns how much it missed.
public struct EventBacklog: Sendable {
    public let limit: Int
    /// Events that were left out since the last line.
    public private(set) var missed: UInt64 = 0

    /// - Parameter limit: bytes that the reader may leave untaken
    public init(limit: Int) { self.limit = limit }

    /// The lines to be sent for an event while `pending` bytes wait; none when there is no room for it.
    public mutating func admit(_ line: String, pending: Int) -> [String] {
        guard pending + line.utf8.count + 128 <= limit else {
            missed &+= 1
            return []
        }
        defer { missed = 0 }
        return missed == 0 ? [line] : [Self.gap(missed), line]
    }

    /// The line that says how many are missing, when all that was sent has been taken; nil: none.
    public mutating func caughtUp() -> String? {
        defer { missed = 0 }
        return missed == 0 ? nil : Self.gap(missed)
    }

    static func gap(_ missed: UInt64) -> String {
        var object = JSONObject()
        object.add("version", 1)
        object.add("event", "gap")
        object.add("missed", missed)
        return object.description
    }
}
