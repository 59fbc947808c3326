import Addresses

/// What a server has leased.
public struct Lease: Hashable, Sendable {
    public let client: ClientIdentity
    /// Of whose pools it is; at a DHCPv4 relay the identifier of the server that granted it.
    public let group: String
    /// An IPv4 address as /32, or a delegated IPv6 prefix.
    public let resource: IPPrefix
    public internal(set) var expiry: LeaseTime
}

public enum LeaseEndReason: String, Hashable, Sendable, CaseIterable {
    case released
    case expired
    /// The client found the address in use (RFC 2131 §3.1); nobody is given it until the lease's `expiry`.
    case declined
    /// The caller ended it, or the client is now to have another resource.
    case withdrawn
}

/// For accounting, logs, and the file that leases are kept in: see ``line(_:)``.
public enum LeaseEvent: Hashable, Sendable {
    case granted(Lease)
    case renewed(Lease)
    case ended(Lease, LeaseEndReason)

    public var lease: Lease {
        switch self {
        case .granted(let lease), .renewed(let lease), .ended(let lease, _): lease
        }
    }

    /// The event as a line of the lease file, without a line break: what comes later holds. A server that is to keep
    /// its word over a crash has it on disk before it sends the answer that follows the event.
    public func line(_ clock: WallClock) -> String {
        switch self {
        case .granted(let lease), .renewed(let lease): lease.line(.lease, clock)
        case .ended(let lease, let reason): lease.line(reason == .declined ? .declined : .held, clock)
        }
    }
}

extension Lease {
    enum LineKind: String {
        case lease
        /// It ended and is kept for the client's return.
        case held
        /// The client will not have it, and for a while nobody else.
        case declined
    }

    /// "KIND CLIENT GROUP RESOURCE EXPIRY". EXPIRY is Unix time in seconds, rounded up so that no lease ends before its
    /// client thinks so, or "never".
    func line(_ kind: LineKind, _ clock: WallClock) -> String {
        let group = group.isEmpty ? "-" : String(escaping: Array(group.utf8))
        return "\(kind.rawValue) \(client) \(group) \(resource) \(clock.text(expiry, roundingUp: true))"
    }

    /// nil for anything that ``line(_:_:)`` does not write.
    static func parse(_ line: some StringProtocol, _ clock: WallClock) -> (LineKind, Lease)? {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 5, let kind = LineKind(rawValue: String(words[0])),
            let client = String(words[1]).unescaped.flatMap({ ClientIdentity(bytes: $0) }),
            let groupBytes = words[2] == "-" ? [] : String(words[2]).unescaped,
            let group = String(validating: groupBytes, as: UTF8.self),
            let resource = IPPrefix(String(words[3])), resource == resource.masked,
            let expiry = clock.time(words[4])
        else { return nil }
        return (kind, Lease(client: client, group: group, resource: resource, expiry: expiry))
    }
}
