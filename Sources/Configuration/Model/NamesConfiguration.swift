public import Addresses

/// How a gateway learns the addresses of host names in filter lists (`[names]`).
public struct NamesConfiguration: Hashable, Sendable {
    /// `servers`: who is asked for the names, at most ``LegConfiguration/dnsServerLimit``. Empty: those of the DSL line
    /// (`dsl.dns`), or where it has none those of `/etc/resolv.conf`. Default: empty.
    public var servers: [IPAddress] = []
    /// `ttl_floor`: a shorter TTL is held to be this, 0…3600 s. Default: 60 s.
    public var timeToLiveFloor = Milliseconds.seconds(60)
    /// `ttl_ceiling`: a longer TTL is held to be this, 60…604800 s, not below `ttl_floor`. Default: 86400 s.
    public var timeToLiveCeiling = Milliseconds.seconds(86_400)
    /// `grace`: how long an address still belongs to its name when its TTL is over, 0…86400 s. Default: 120 s.
    public var grace = Milliseconds.seconds(120)
    /// `addresses`: of one name at a time, 1…4096. Default: 256.
    public var addresses: Int = 256
    /// `private`: believe answers with addresses of private networks (RFC 1918, RFC 6598, RFC 4193). Default: false.
    public var takesPrivate = false
    /// `queue`: the NFQUEUE that holds answers until their addresses are known to the kernel, 0…65535 and none of
    /// `[kernel]`'s. Default: 5316.
    public var queue: UInt16 = 5316

    public init() {}
}
