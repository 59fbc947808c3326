import CLibnftnl
import CLinux

/// Rewrites addresses and ports through connection tracking: `snat to 100.64.0.2`.
public struct Nat: Hashable, Sendable {
    public var kind: Kind
    /// The family of the addresses.
    public var family: Family
    public var address: Bounds?
    public var port: Bounds?
    public var flags: NatFlags

    public enum Kind: UInt32, Hashable, Sendable {
        case source = 0
        case destination
    }

    /// The registers with the lowest and the highest value to use; the same one where there is only one value.
    public struct Bounds: Hashable, Sendable {
        public var lower: Register
        public var upper: Register

        public init(_ lower: Register, _ upper: Register? = nil) {
            self.lower = lower
            self.upper = upper ?? lower
        }
    }

    public init(_ kind: Kind, _ family: Family, address: Bounds? = nil, port: Bounds? = nil, flags: NatFlags = []) {
        self.kind = kind
        self.family = family
        self.address = address
        self.port = port
        self.flags = flags
    }
}

/// How NAT chooses among what it may use (`NF_NAT_RANGE_*`).
public struct NatFlags: OptionSet, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let random = NatFlags(rawValue: 4)
    public static let persistent = NatFlags(rawValue: 8)
    public static let fullyRandom = NatFlags(rawValue: 16)

    /// The kernel adds what it derives from the registers (addresses or ports are given): not the caller's to say.
    static let derived: NatFlags = [NatFlags(rawValue: 1), NatFlags(rawValue: 2)]
}

extension Nat: ExpressionCoding {
    static let name = "nat"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_NAT_TYPE, kind.rawValue)
        handle.set(NFTNL_EXPR_NAT_FAMILY, UInt32(family.rawValue))
        if let address {
            handle.set(NFTNL_EXPR_NAT_REG_ADDR_MIN, address.lower)
            if address.upper != address.lower { handle.set(NFTNL_EXPR_NAT_REG_ADDR_MAX, address.upper) }
        }
        if let port {
            handle.set(NFTNL_EXPR_NAT_REG_PROTO_MIN, port.lower)
            if port.upper != port.lower { handle.set(NFTNL_EXPR_NAT_REG_PROTO_MAX, port.upper) }
        }
        if !flags.isEmpty { handle.set(NFTNL_EXPR_NAT_FLAGS, flags.rawValue) }
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let kind = reader.u32(NFTA_NAT_TYPE).flatMap(Kind.init(rawValue:)),
            let family = reader.u32(NFTA_NAT_FAMILY).flatMap(UInt8.init(exactly:))
        else { return nil }
        self.init(
            kind, Family(rawValue: family),
            address: Bounds(reader, NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_ADDR_MAX),
            port: Bounds(reader, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX),
            flags: NatFlags(rawValue: reader.u32(NFTA_NAT_FLAGS) ?? 0).subtracting(.derived))
    }
}

extension Nat.Bounds {
    init?(
        _ reader: borrowing ExpressionReader, _ lower: some RawRepresentable<UInt32>,
        _ upper: some RawRepresentable<UInt32>
    ) {
        guard let register = reader.register(lower) else { return nil }
        self.init(register, reader.register(upper))
    }
}
