import Addresses

/// What a DHCPv4 client has been given.
public struct DHCPv4Lease: ClientLease {
    public let address: IPv4Address
    public let server: IPv4Address
    /// 0…32; 32 when the server did not say.
    public let subnetMaskLength: UInt8
    /// The routes to have; where there are classless routes the routers are not among them (RFC 3442).
    public let routes: [ClasslessRoute]
    public let nameServers: [IPv4Address]
    /// Letters, digits, "-" and "." only; nil where the server's is anything else.
    public let domainName: String?
    /// Bytes.
    public let interfaceMTU: UInt16?
    /// T1 and T2.
    public let renewal: LeaseTime
    public let rebinding: LeaseTime
    public let expiry: LeaseTime

    /// From an ACK to what was sent at `start`, from which all times count, so that no lease lasts longer here than at
    /// its server. nil when it holds no address and lease time that can be used.
    init?(_ message: DHCPv4Message, start: LeaseTime) {
        guard let server = message.serverIdentifier, let time = message.leaseTime, time > 0,
            Self.isUsable(message.yourAddress)
        else { return nil }
        address = message.yourAddress
        self.server = server
        subnetMaskLength = message.subnetMaskLength ?? 32
        let defaults = (message.routers ?? []).prefix(1).compactMap { ClasslessRoute(.all(.v4), via: $0) }
        routes = Array((message.classlessRoutes ?? defaults).prefix(64))
        nameServers = Array((message.nameServers ?? []).filter { IPAddress.v4($0).isUnicast }.prefix(8))
        domainName = message.domainName.flatMap(Self.name)
        interfaceMTU = message.interfaceMTU
        expiry = start.adding(seconds: time)
        if time == .max {
            renewal = .never
            rebinding = .never
            return
        }
        // RFC 2131 §4.4.5. Times in the wrong order are as good as none.
        let half = message.renewalTime ?? time / 2
        let late = message.rebindingTime ?? UInt32(UInt64(time) * 7 / 8)
        let isOrdered = half <= late && late <= time
        renewal = start.adding(seconds: isOrdered ? half : time / 2)
        rebinding = start.adding(seconds: isOrdered ? late : UInt32(UInt64(time) * 7 / 8))
    }

    init(
        address: IPv4Address, server: IPv4Address, subnetMaskLength: UInt8, nameServers: [IPv4Address],
        domainName: String?, interfaceMTU: UInt16?, times: (renewal: Int64, rebinding: Int64, expiry: Int64)
    ) {
        self.address = address
        self.server = server
        self.subnetMaskLength = subnetMaskLength
        routes = []
        self.nameServers = nameServers
        self.domainName = domainName
        self.interfaceMTU = interfaceMTU
        renewal = LeaseTime(nanoseconds: times.renewal)
        rebinding = LeaseTime(nanoseconds: times.rebinding)
        expiry = LeaseTime(nanoseconds: times.expiry)
    }

    public var remembered: RememberedLease {
        RememberedLease(resource: IPPrefix(host: .v4(address)), expiry: expiry)
    }

    /// Some servers count the zero that ends a C string.
    private static func name(_ bytes: [UInt8]) -> String? {
        let name = bytes.last == 0 ? bytes.dropLast() : bytes[...]
        let isPlain = name.allSatisfy {
            (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x2D || $0 == 0x2E
        }
        return isPlain && (1...253).contains(name.count) ? String(decoding: name, as: UTF8.self) : nil
    }

    static func isUsable(_ address: IPv4Address) -> Bool {
        IPAddress.v4(address).isUnicast && !address.isLinkLocal && address.rawValue >> 28 != 0xF
            && address.rawValue >> 24 != 0
    }
}
