import Addresses

// The attributes that this program sends or takes, by the names that dictionaries give them. docs/radius.md lists them.

extension AttributeKey where Value == String {
    public static var userName: Self { .init(text: .standard(1), "User-Name") }
    public static var filterID: Self { .init(text: .standard(11), "Filter-Id") }
    public static var replyMessage: Self { .init(text: .standard(18), "Reply-Message") }
    public static var framedRoute: Self { .init(text: .standard(22), "Framed-Route") }
    public static var calledStationID: Self { .init(text: .standard(30), "Called-Station-Id") }
    public static var callingStationID: Self { .init(text: .standard(31), "Calling-Station-Id") }
    public static var nasIdentifier: Self { .init(text: .standard(32), "NAS-Identifier") }
    public static var acctSessionID: Self { .init(text: .standard(44), "Acct-Session-Id") }
    public static var nasPortID: Self { .init(text: .standard(87), "NAS-Port-Id") }
    public static var framedPool: Self { .init(text: .standard(88), "Framed-Pool") }
    public static var framedIPv6Route: Self { .init(text: .standard(99), "Framed-IPv6-Route") }
}

extension AttributeKey where Value == UInt32 {
    public static var serviceType: Self { .init(integer: .standard(6), "Service-Type") }
    public static var sessionTimeout: Self { .init(integer: .standard(27), "Session-Timeout") }
    public static var idleTimeout: Self { .init(integer: .standard(28), "Idle-Timeout") }
    public static var acctStatusType: Self { .init(integer: .standard(40), "Acct-Status-Type") }
    public static var acctDelayTime: Self { .init(integer: .standard(41), "Acct-Delay-Time") }
    public static var acctInputOctets: Self { .init(integer: .standard(42), "Acct-Input-Octets") }
    public static var acctOutputOctets: Self { .init(integer: .standard(43), "Acct-Output-Octets") }
    public static var acctAuthentic: Self { .init(integer: .standard(45), "Acct-Authentic") }
    public static var acctSessionTime: Self { .init(integer: .standard(46), "Acct-Session-Time") }
    public static var acctInputPackets: Self { .init(integer: .standard(47), "Acct-Input-Packets") }
    public static var acctOutputPackets: Self { .init(integer: .standard(48), "Acct-Output-Packets") }
    public static var acctTerminateCause: Self { .init(integer: .standard(49), "Acct-Terminate-Cause") }
    public static var acctInputGigawords: Self { .init(integer: .standard(52), "Acct-Input-Gigawords") }
    public static var acctOutputGigawords: Self { .init(integer: .standard(53), "Acct-Output-Gigawords") }
    public static var eventTimestamp: Self { .init(integer: .standard(55), "Event-Timestamp") }
    public static var nasPortType: Self { .init(integer: .standard(61), "NAS-Port-Type") }
    public static var acctInterimInterval: Self { .init(integer: .standard(85), "Acct-Interim-Interval") }
    public static var errorCause: Self { .init(integer: .standard(101), "Error-Cause") }

    /// kbit/s.
    public static var dslUpstreamRate: Self { .init(integer: .own(1), "Spillway-DSL-Upstream-Rate", in: rates) }
    public static var dslDownstreamRate: Self { .init(integer: .own(2), "Spillway-DSL-Downstream-Rate", in: rates) }
    public static var lteDownstreamRate: Self { .init(integer: .own(3), "Spillway-LTE-Downstream-Rate", in: rates) }
    /// Milliseconds, RFC 8157 §5.2.4.
    public static var rttThreshold: Self { .init(integer: .own(4), "Spillway-RTT-Threshold", in: 0...1000) }
    /// Measurements, RFC 8157 §5.2.12, §5.2.13.
    public static var rttViolation: Self { .init(integer: .own(5), "Spillway-RTT-Violation", in: 1...25) }
    public static var rttCompliance: Self { .init(integer: .own(6), "Spillway-RTT-Compliance", in: 1...25) }
    /// Bytes of an outer packet.
    public static var pathMTU: Self { .init(integer: .own(7), "Spillway-Path-MTU", in: 576...9000) }
    /// RFC 8157 §5.3.1; in an Access-Reject.
    public static var errorCode: Self { .init(integer: .own(8), "Spillway-Error-Code", in: 1...12) }

    /// 1 kbit/s to 100 Gbit/s, as in the settings.
    private static var rates: ClosedRange<UInt32> { 1...100_000_000 }
}

extension AttributeKey where Value == [UInt8] {
    public static var userPassword: Self { .init(bytes: .standard(2), "User-Password") }
    public static var state: Self { .init(bytes: .standard(24), "State") }
    /// Sent back as it came (RFC 2865 §5.25).
    public static var `class`: Self { .init(bytes: .standard(25), "Class") }
    public static var proxyState: Self { .init(bytes: .standard(33), "Proxy-State") }
    public static var messageAuthenticator: Self { .init(bytes: .standard(80), "Message-Authenticator") }
}

extension AttributeKey where Value == IPv4Address {
    public static var nasIPAddress: Self { .init(ipv4: .standard(4), "NAS-IP-Address") }
    public static var framedIPAddress: Self { .init(ipv4: .standard(8), "Framed-IP-Address") }
}

extension AttributeKey where Value == IPv6Address {
    public static var nasIPv6Address: Self { .init(ipv6: .standard(95), "NAS-IPv6-Address") }
    public static var framedIPv6Address: Self { .init(ipv6: .standard(168), "Framed-IPv6-Address") }
}

extension AttributeKey where Value == IPPrefix {
    public static var framedIPv6Prefix: Self { .init(ipv6Prefix: .standard(97), "Framed-IPv6-Prefix") }
    public static var delegatedIPv6Prefix: Self { .init(ipv6Prefix: .standard(123), "Delegated-IPv6-Prefix") }
}
