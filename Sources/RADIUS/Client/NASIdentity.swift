public import Addresses

/// Who asks: what is in every request of this aggregation point.
public struct NASIdentity: Hashable, Sendable {
    /// 1 to 253 bytes.
    public var identifier: String
    /// At most one of each family.
    public var addresses: [IPAddress]
    /// The private enterprise number of this program's own attributes.
    public var vendor: UInt32

    public init(identifier: String, addresses: [IPAddress], vendor: UInt32) {
        self.identifier = identifier
        self.addresses = addresses
        self.vendor = vendor
    }

    /// Virtual (5), RFC 2865 §5.41; Framed (2), §5.6.
    private static let virtualPort: UInt32 = 5, framed: UInt32 = 2

    /// NAS-Identifier and NAS-IP-Address, NAS-IPv6-Address.
    public var attributes: AttributeList {
        var list = AttributeList(vendor: vendor)
        list.add(.nasIdentifier, identifier)
        for address in addresses {
            switch address {
            case .v4(let a): list.add(.nasIPAddress, a)
            case .v6(let a): list.add(.nasIPv6Address, a)
            }
        }
        return list
    }

    /// The same for a session.
    var sessionAttributes: AttributeList {
        var list = attributes
        list.add(.nasPortType, Self.virtualPort)
        list.add(.serviceType, Self.framed)
        return list
    }
}

/// May this leg be set up? One Setup Request of RFC 8157.
public struct AccessQuery: Hashable, Sendable {
    public var userName: String
    /// Who asks: the outer address of the gateway on the leg, and the address of ours that it came to.
    public var source: IPAddress
    public var destination: IPAddress
    public var leg: AccessLeg
    /// Acct-Session-Id of the bond that a further leg joins.
    public var session: String?

    public init(userName: String, source: IPAddress, destination: IPAddress, leg: AccessLeg, session: String?) {
        self.userName = userName
        self.source = source
        self.destination = destination
        self.leg = leg
        self.session = session
    }

    /// - Parameter password: what the server may check; a request has to have one (RFC 2865 §4.1)
    public func request(_ nas: NASIdentity, password: [UInt8]) -> ClientRequest {
        var list = nas.sessionAttributes
        list.add(.userName, userName)
        list.add(.nasPortID, leg.rawValue)
        list.add(.callingStationID, source.description)
        list.add(.calledStationID, destination.description)
        list.add(.acctSessionID, ifPresent: session)
        return ClientRequest(code: .accessRequest, attributes: list, password: password)
    }
}

/// A bond in accounting records.
public struct AccountedSession: Hashable, Sendable {
    /// Acct-Session-Id: the Unix time at which the bond began and its Session ID (RFC 8157 §5.1.2), in hexadecimal.
    public var name: String
    public var userName: String
    /// The gateway's outer address on the leg that began the bond.
    public var source: IPAddress?
    public var grant: AccessGrant

    public init(name: String, userName: String, source: IPAddress?, grant: AccessGrant) {
        self.name = name
        self.userName = userName
        self.source = source
        self.grant = grant
    }

    public static func name(begun unixTime: Int64, session: UInt32) -> String {
        hexadecimal(UInt32(truncatingIfNeeded: unixTime)) + hexadecimal(session)
    }

    private static func hexadecimal(_ number: UInt32) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }

    /// What every record of the session says.
    public func attributes(_ nas: NASIdentity) -> AttributeList {
        var list = nas.sessionAttributes
        list.add(.acctSessionID, name)
        list.add(.userName, userName)
        list.add(.callingStationID, ifPresent: source?.description)
        list.add(.framedIPAddress, ifPresent: grant.address)
        list.add(.framedIPv6Address, ifPresent: grant.address6)
        list.add(.delegatedIPv6Prefix, ifPresent: grant.delegatedPrefix)
        // RADIUS (1): the server said yes (RFC 2866 §5.6).
        list.add(.acctAuthentic, 1)
        for value in grant.classes { list.add(.class, value) }
        return list
    }
}
