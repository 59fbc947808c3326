public import Addresses

/// What an Access-Accept grants a subscriber, as far as this program knows how to give it. nil: the server does not
/// say.
public struct AccessGrant: Hashable, Sendable {
    /// In place of the name that was asked for, in accounting (RFC 2865 §5.1).
    public var userName: String?
    public var address: IPv4Address?
    public var address6: IPv6Address?
    /// Of the link, by a route, or delegated beside the first; host bits clear.
    public var routes: [IPPrefix] = []
    /// Delegated-IPv6-Prefix (RFC 4818).
    public var delegatedPrefix: IPPrefix?
    public var pool: String?
    public var filterList: String?
    /// kbit/s.
    public var dslUpstream: UInt32?
    public var dslDownstream: UInt32?
    public var lteDownstream: UInt32?
    /// Milliseconds, measurements, measurements.
    public var rttThreshold: UInt32?
    public var rttViolation: UInt32?
    public var rttCompliance: UInt32?
    /// Seconds that the bond stays without its LTE leg (RFC 8157 §5.2.8).
    public var idleTimeout: UInt32?
    public var pathMTU: UInt32?
    /// Seconds until the bond is ended.
    public var sessionTimeout: UInt32?
    /// Seconds between two accounting records.
    public var interimInterval: UInt32?
    /// In every accounting record, as they came (RFC 2865 §5.25).
    public var classes: [[UInt8]] = []

    /// Bytes of Class attributes that are kept: an accounting record has to hold them.
    static let classLimit = 2048
    static let routeLimit = 64

    public init() {}

    public init(_ attributes: AttributeList) throws(AttributeError) {
        userName = try attributes.first(.userName)
        address = try Self.usable(attributes.first(.framedIPAddress))
        address6 = try attributes.first(.framedIPv6Address)
        delegatedPrefix = try attributes.first(.delegatedIPv6Prefix)
        routes = try attributes.all(.framedIPv6Prefix) + attributes.all(.delegatedIPv6Prefix).dropFirst()
        for text in try attributes.all(.framedRoute) {
            guard let prefix = Self.route(text, .v4) else { throw AttributeError(name: "Framed-Route") }
            routes.append(prefix)
        }
        for text in try attributes.all(.framedIPv6Route) {
            guard let prefix = Self.route(text, .v6) else { throw AttributeError(name: "Framed-IPv6-Route") }
            routes.append(prefix)
        }
        guard routes.count <= Self.routeLimit else { throw AttributeError(name: "Framed-Route") }
        pool = try attributes.first(.framedPool)
        filterList = try attributes.first(.filterID)
        dslUpstream = try attributes.first(.dslUpstreamRate)
        dslDownstream = try attributes.first(.dslDownstreamRate)
        lteDownstream = try attributes.first(.lteDownstreamRate)
        rttThreshold = try attributes.first(.rttThreshold)
        rttViolation = try attributes.first(.rttViolation)
        rttCompliance = try attributes.first(.rttCompliance)
        idleTimeout = try attributes.first(.idleTimeout)
        pathMTU = try attributes.first(.pathMTU)
        sessionTimeout = try attributes.first(.sessionTimeout)
        interimInterval = try attributes.first(.acctInterimInterval)
        var left = Self.classLimit
        for value in try attributes.all(.class) {
            left -= value.count + 2
            if left < 0 { break }
            classes.append(value)
        }
    }

    /// The same as attributes, from which ``init(_:)`` makes it again; routes come back in another order, those of IPv6
    /// first. `nil` stays unsaid.
    public func attributes(vendor: UInt32) -> AttributeList {
        var list = AttributeList(vendor: vendor)
        list.add(.userName, ifPresent: userName)
        list.add(.framedIPAddress, ifPresent: address)
        list.add(.framedIPv6Address, ifPresent: address6)
        list.add(.delegatedIPv6Prefix, ifPresent: delegatedPrefix)
        for prefix in routes {
            if prefix.address.family == .v6 {
                list.add(.framedIPv6Prefix, prefix)
            } else {
                list.add(.framedRoute, "\(prefix)")
            }
        }
        list.add(.framedPool, ifPresent: pool)
        list.add(.filterID, ifPresent: filterList)
        for (key, value) in [
            (AttributeKey<UInt32>.dslUpstreamRate, dslUpstream), (.dslDownstreamRate, dslDownstream),
            (.lteDownstreamRate, lteDownstream), (.rttThreshold, rttThreshold), (.rttViolation, rttViolation),
            (.rttCompliance, rttCompliance), (.idleTimeout, idleTimeout), (.pathMTU, pathMTU),
            (.sessionTimeout, sessionTimeout), (.acctInterimInterval, interimInterval),
        ] {
            list.add(key, ifPresent: value)
        }
        for value in classes { list.add(.class, value) }
        return list
    }

    /// What a server changed since.
    public mutating func take(_ change: AccessChange) {
        dslUpstream = change.dslUpstream ?? dslUpstream
        dslDownstream = change.dslDownstream ?? dslDownstream
        lteDownstream = change.lteDownstream ?? lteDownstream
        filterList = change.filterList ?? filterList
        sessionTimeout = change.sessionTimeout ?? sessionTimeout
    }

    /// Two values say that somebody else chooses: the subscriber, or this end (RFC 2865 §5.8).
    private static func usable(_ address: IPv4Address?) -> IPv4Address? {
        address.flatMap { $0.rawValue >= 0xFFFF_FFFE ? nil : $0 }
    }

    /// "192.0.2.0/24 0.0.0.0 1": what follows the prefix is of no use here, as the subscriber is the next hop
    /// (RFC 2865 §5.22, RFC 3162 §2.5).
    static func route(_ text: String, _ family: IPFamily) -> IPPrefix? {
        guard let word = text.split(separator: " ").first, let prefix = IPPrefix(String(word)),
            prefix.address.family == family, prefix.masked == prefix
        else { return nil }
        return prefix
    }
}

/// What a Change-of-Authorization may change in a bond that lives.
public struct AccessChange: Hashable, Sendable {
    public var dslUpstream: UInt32?
    public var dslDownstream: UInt32?
    public var lteDownstream: UInt32?
    public var filterList: String?
    /// From now on.
    public var sessionTimeout: UInt32?

    /// Throws for anything else: an attribute without effect must not be acknowledged (RFC 5176 §3.6).
    public init(_ attributes: AttributeList) throws(ErrorCause) {
        let vendor = attributes.vendor
        let rates: [AttributeKey<UInt32>] = [.dslUpstreamRate, .dslDownstreamRate, .lteDownstreamRate, .sessionTimeout]
        let known = rates.map { $0.code(vendor) } + [AttributeKey.filterID.code(vendor)]
        guard attributes.items.allSatisfy({ known.contains($0.code) }) else { throw .unsupportedAttribute }
        do throws(AttributeError) {
            dslUpstream = try attributes.first(.dslUpstreamRate)
            dslDownstream = try attributes.first(.dslDownstreamRate)
            lteDownstream = try attributes.first(.lteDownstreamRate)
            filterList = try attributes.first(.filterID)
            sessionTimeout = try attributes.first(.sessionTimeout)
        } catch {
            throw .invalidAttributeValue
        }
    }
}
