import Addresses
import CLinux

/// How far an address or a route's target is away (`RT_SCOPE_*`).
public struct Scope: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let universe = Scope(rawValue: 0)
    public static let site = Scope(rawValue: 200)
    public static let link = Scope(rawValue: 253)
    public static let host = Scope(rawValue: 254)
    public static let nowhere = Scope(rawValue: 255)
}

/// An address of a network device: what identifies and configures it, so that what was added and what is read back
/// compare equal. Finite lifetimes count down and therefore differ.
public struct InterfaceAddress: Hashable, Sendable {
    /// `IFA_F_*`, those that can be asked for.
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Use it at once, without looking for a duplicate (IPv6).
        public static let noDAD = Flags(rawValue: 0x02)
        /// Use it while looking for a duplicate (RFC 4429).
        public static let optimistic = Flags(rawValue: 0x04)
        public static let homeAddress = Flags(rawValue: 0x10)
        /// Make temporary addresses of the same prefix (RFC 8981).
        public static let manageTemporary = Flags(rawValue: 0x100)
        /// Add no route for the prefix.
        public static let noPrefixRoute = Flags(rawValue: 0x200)
        public static let joinMulticast = Flags(rawValue: 0x400)

        static let configurable: UInt32 = 0x716
    }

    /// `IFA_F_*`, those that the kernel sets.
    public struct State: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// IPv4: another address of the same prefix was first. IPv6: a temporary address.
        public static let secondary = State(rawValue: 0x01)
        public static let duplicate = State(rawValue: 0x08)
        public static let deprecated = State(rawValue: 0x20)
        /// Not yet known to be unique.
        public static let tentative = State(rawValue: 0x40)
        public static let permanent = State(rawValue: 0x80)
        public static let stablePrivacy = State(rawValue: 0x800)
    }

    /// The device's index.
    public var link: UInt32
    /// The address itself, with the length of its prefix.
    public var address: IPPrefix
    /// The other end's address; the prefix then belongs to it.
    public var peer: IPAddress?
    public var scope: Scope
    public var flags: Flags
    /// Seconds; the maximum is for ever.
    public var preferredLifetime: UInt32 = .max
    public var validLifetime: UInt32 = .max
    /// `IFAPROT_*`: who added it, a number of one's own choosing. Kernel 5.18; older ones forget it.
    public var `protocol`: UInt8 = 0
    /// The metric of the prefix's route; 0 is the default.
    public var routePriority: UInt32 = 0

    /// - Parameter scope: by default what the address itself says, as IPv6 always has it
    public init(
        link: UInt32, address: IPPrefix, peer: IPAddress? = nil, scope: Scope? = nil, flags: Flags = [],
        protocol: UInt8 = 0
    ) {
        self.link = link
        self.address = address
        self.peer = peer
        self.scope = scope ?? Self.naturalScope(address.address)
        self.flags = flags
        self.protocol = `protocol`
    }

    private static func naturalScope(_ address: IPAddress) -> Scope {
        if address.isLoopback { return .host }
        guard case .v6(let a) = address else { return .universe }
        if a.isLinkLocal { return .link }
        return a.high >> 54 == 0xFEC0 >> 6 ? .site : .universe
    }
}

/// An address with what the kernel says about it.
public struct ObservedAddress: Hashable, Sendable {
    public var address: InterfaceAddress
    public var state: InterfaceAddress.State

    /// Reads an `RTM_NEWADDR` or `RTM_DELADDR` message; nil for any other.
    public init?(_ message: borrowing Message) {
        guard [RTM_NEWADDR, RTM_DELADDR].contains(Int(message.type)), let header = message.header(ifaddrmsg.self)
        else { return nil }
        let attributes = message.attributes(after: MemoryLayout<ifaddrmsg>.size, of: AddressSpace.self)
        let local = attributes.get(AddressSpace.local)
        let remote = attributes.get(AddressSpace.address)
        guard let own = local ?? remote, own.family == IPFamily(header.ifa_family),
            let prefix = IPPrefix(own, length: header.ifa_prefixlen)
        else { return nil }
        let flags = attributes.get(AddressSpace.flags) ?? UInt32(header.ifa_flags)
        address = InterfaceAddress(
            link: header.ifa_index, address: prefix, peer: remote == own ? nil : remote,
            scope: Scope(rawValue: header.ifa_scope),
            flags: InterfaceAddress.Flags(rawValue: flags & InterfaceAddress.Flags.configurable),
            protocol: attributes.get(AddressSpace.proto) ?? 0)
        if let lifetimes = attributes.get(AddressSpace.cacheInfo) {
            address.preferredLifetime = lifetimes.ifa_prefered
            address.validLifetime = lifetimes.ifa_valid
        }
        address.routePriority = attributes.get(AddressSpace.priority) ?? 0
        state = InterfaceAddress.State(rawValue: flags & ~InterfaceAddress.Flags.configurable)
    }
}

/// `IFA_*`
enum AddressSpace {
    static let address = Attribute<AddressSpace, IPAddress>(IFA_ADDRESS, "IFA_ADDRESS")
    static let local = Attribute<AddressSpace, IPAddress>(IFA_LOCAL, "IFA_LOCAL")
    static let cacheInfo = Attribute<AddressSpace, Structure<ifa_cacheinfo>>(IFA_CACHEINFO, "IFA_CACHEINFO")
    static let flags = Attribute<AddressSpace, UInt32>(IFA_FLAGS, "IFA_FLAGS")
    static let priority = Attribute<AddressSpace, UInt32>(IFA_RT_PRIORITY, "IFA_RT_PRIORITY")
    static let proto = Attribute<AddressSpace, UInt8>(IFA_PROTO, "IFA_PROTO")
}

extension IPFamily {
    /// `AF_INET` or `AF_INET6`; nil for any other.
    init?(_ family: some BinaryInteger) {
        switch Int32(truncatingIfNeeded: family) {
        case AF_INET: self = .v4
        case AF_INET6: self = .v6
        default: return nil
        }
    }

    var number: UInt8 { UInt8(self == .v4 ? AF_INET : AF_INET6) }
}

extension InterfaceAddress {
    /// An address that exists already is an error (`EEXIST`).
    public func add() -> Request { request("add", RTM_NEWADDR, [.create, .exclusive]) }

    /// Adds the address, or changes the flags and lifetimes of the one that is there.
    public func replace() -> Request { request("replace", RTM_NEWADDR, [.create, .replace]) }

    /// IPv4: secondary addresses of the prefix go with it unless `promote_secondaries` is set.
    public func delete() -> Request { request("delete", RTM_DELADDR, []) }

    private func request(_ verb: String, _ type: Int, _ requestFlags: MessageFlags) -> Request {
        var header = ifaddrmsg()
        header.ifa_family = address.address.family.number
        header.ifa_prefixlen = address.length
        header.ifa_scope = scope.rawValue
        header.ifa_flags = UInt8(truncatingIfNeeded: flags.rawValue)
        header.ifa_index = link
        let object = "address \(address) on link \(link)"
        return Request(
            Operation(verb, object), type: UInt16(type), flags: requestFlags, header: header, AddressSpace.self
        ) {
            $0.put(AddressSpace.local, address.address)
            $0.put(AddressSpace.address, peer ?? address.address)
            guard type == RTM_NEWADDR else { return }
            $0.put(AddressSpace.flags, flags.rawValue)
            if preferredLifetime != .max || validLifetime != .max {
                var lifetimes = ifa_cacheinfo()
                lifetimes.ifa_prefered = preferredLifetime
                lifetimes.ifa_valid = validLifetime
                $0.put(AddressSpace.cacheInfo, lifetimes)
            }
            if routePriority != 0 { $0.put(AddressSpace.priority, routePriority) }
            if `protocol` != 0 { $0.put(AddressSpace.proto, `protocol`) }
        }
    }
}

extension Exchange {
    /// - Parameters:
    ///   - family: nil lists both
    ///   - link: nil lists those of all devices
    public func addresses(_ family: IPFamily? = nil, link: UInt32? = nil) throws(KernelError) -> [ObservedAddress] {
        var header = ifaddrmsg()
        header.ifa_family = family?.number ?? UInt8(AF_UNSPEC)
        header.ifa_index = link ?? 0
        let request = Request(
            Operation("list", "addresses"), type: UInt16(RTM_GETADDR), flags: .dump, header: header, AddressSpace.self
        ) { _ in }
        return try dump(request) { ObservedAddress($0) }
    }
}
