import Addresses
import CLinux

/// Which hardware address a neighbour has.
public struct Neighbour: Hashable, Sendable {
    /// `NUD_*`
    public struct State: RawRepresentable, Hashable, Sendable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        public static let none = State(rawValue: 0)
        public static let incomplete = State(rawValue: 0x01)
        public static let reachable = State(rawValue: 0x02)
        public static let stale = State(rawValue: 0x04)
        public static let delay = State(rawValue: 0x08)
        public static let probe = State(rawValue: 0x10)
        public static let failed = State(rawValue: 0x20)
        /// Needs no resolution.
        public static let noARP = State(rawValue: 0x40)
        public static let permanent = State(rawValue: 0x80)
    }

    /// The device's index.
    public var link: UInt32
    public var address: IPAddress
    /// nil while it is not known.
    public var hardwareAddress: [UInt8]?
    public var state: State
    /// Who added it. Kernel 5.0.
    public var `protocol`: RouteProtocol

    public init(
        link: UInt32, address: IPAddress, hardwareAddress: [UInt8]?, state: State = .permanent,
        protocol: RouteProtocol = .unspecified
    ) {
        self.link = link
        self.address = address
        self.hardwareAddress = hardwareAddress
        self.state = state
        self.protocol = `protocol`
    }
}

/// `NDA_*`
private enum NeighbourSpace {
    static let destination = Attribute<NeighbourSpace, IPAddress>(NDA_DST, "NDA_DST")
    static let hardwareAddress = Attribute<NeighbourSpace, [UInt8]>(NDA_LLADDR, "NDA_LLADDR")
    static let proto = Attribute<NeighbourSpace, UInt8>(NDA_PROTOCOL, "NDA_PROTOCOL")
    static let link = Attribute<NeighbourSpace, UInt32>(NDA_IFINDEX, "NDA_IFINDEX")
}

extension Neighbour {
    /// Reads an `RTM_NEWNEIGH` or `RTM_DELNEIGH` message of IPv4 or IPv6; nil for any other.
    public init?(_ message: borrowing Message) {
        guard [RTM_NEWNEIGH, RTM_DELNEIGH].contains(Int(message.type)), let header = message.header(ndmsg.self) else {
            return nil
        }
        let attributes = message.attributes(after: MemoryLayout<ndmsg>.size, of: NeighbourSpace.self)
        guard let address = attributes.get(NeighbourSpace.destination), address.family == IPFamily(header.ndm_family)
        else { return nil }
        self.init(
            link: UInt32(bitPattern: header.ndm_ifindex), address: address,
            hardwareAddress: attributes.get(NeighbourSpace.hardwareAddress),
            state: State(rawValue: header.ndm_state),
            protocol: RouteProtocol(rawValue: attributes.get(NeighbourSpace.proto) ?? 0))
    }

    /// Adds it; `EEXIST` if there is an entry for the address.
    public func add() -> Request { request("add", RTM_NEWNEIGH, [.create, .exclusive]) }

    /// Adds it in place of the entry for the address, if there is one.
    public func replace() -> Request { request("replace", RTM_NEWNEIGH, [.create, .replace]) }

    /// Deletes the entry for the address on that device; `ENOENT` if there is none.
    public func delete() -> Request { request("delete", RTM_DELNEIGH, []) }

    private func request(_ verb: String, _ type: Int, _ flags: MessageFlags) -> Request {
        var header = ndmsg()
        header.ndm_family = address.family.number
        header.ndm_ifindex = Int32(bitPattern: link)
        header.ndm_state = state.rawValue
        return Request(
            Operation(verb, "neighbour \(address) on link \(link)"), type: UInt16(type), flags: flags, header: header,
            NeighbourSpace.self
        ) {
            $0.put(NeighbourSpace.destination, address)
            $0.put(NeighbourSpace.hardwareAddress, ifPresent: hardwareAddress)
            if `protocol` != .unspecified { $0.put(NeighbourSpace.proto, `protocol`.rawValue) }
        }
    }
}

extension Exchange {
    /// - Parameters:
    ///   - family: nil lists both
    ///   - link: nil lists those of all devices
    public func neighbours(_ family: IPFamily? = nil, link: UInt32? = nil) throws(KernelError) -> [Neighbour] {
        var header = ndmsg()
        header.ndm_family = family?.number ?? UInt8(AF_UNSPEC)
        let request = Request(
            Operation("list", "neighbours"), type: UInt16(RTM_GETNEIGH), flags: .dump, header: header,
            NeighbourSpace.self
        ) { $0.put(NeighbourSpace.link, ifPresent: link) }
        return try dump(request) { Neighbour($0) }
    }
}
