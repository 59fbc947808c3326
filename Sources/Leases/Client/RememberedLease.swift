import Addresses

/// What a client keeps over a restart of itself: what it had, and until when.
public struct RememberedLease: Hashable, Sendable {
    /// An IPv4 address as /32, or an IPv6 prefix.
    public var resource: IPPrefix
    public var expiry: LeaseTime

    public init(resource: IPPrefix, expiry: LeaseTime) {
        self.resource = resource
        self.expiry = expiry
    }

    /// "RESOURCE EXPIRY" without a line break; EXPIRY is Unix time in seconds, rounded down, or "never".
    public func line(_ clock: WallClock) -> String {
        "\(resource) \(clock.text(expiry, roundingUp: false))"
    }

    /// nil for anything that ``line(_:)`` does not write.
    public init?(line: some StringProtocol, _ clock: WallClock) {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2, let resource = IPPrefix(String(words[0])), let expiry = clock.time(words[1]) else {
            return nil
        }
        self.init(resource: resource, expiry: expiry)
    }
}

public enum LeaseLossReason: String, Hashable, Sendable, CaseIterable {
    case expired
    /// The server said so.
    case refused
    /// It cannot be used on this host.
    case unusable
    /// The client was stopped or suspended.
    case stopped
}

/// What a client wants done, in this order.
public enum ClientEffect<Request: Hashable & Sendable, Configuration: Hashable & Sendable>: Hashable, Sendable {
    case send(Request)
    /// What the device is to have from now on; nil: nothing. Said again whenever a lifetime changes.
    case configure(Configuration?)
    case event(ClientEvent)
}

/// What happened, for logs and counters.
public enum ClientEvent: Hashable, Sendable {
    case obtained(RememberedLease)
    case renewed(RememberedLease)
    case lost(IPPrefix, LeaseLossReason)
    case discarded(DiscardReason)
}

extension Int64 {
    static func seconds(_ count: Int64) -> Int64 { count * 1_000_000_000 }
}
