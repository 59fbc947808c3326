public import Addresses
import CLinux

/// An ESP state in transport mode with extended sequence numbers (RFC 4303): what one direction of one leg is protected
/// with.
public struct SecurityState: Hashable, Sendable {
    /// Unspecified: any.
    public var source: IPAddress
    public var destination: IPAddress
    /// Above 255 (RFC 4303 §2.1), and with the destination unlike any other's.
    public var spi: UInt32
    /// By which policies find it.
    public var requestID: UInt32
    public var transform: ESPTransform
    public var replay: ReplayState
    /// After so many packets ``SecurityEvent/sequence(_:_:)`` tells how far it has come, or after a second. The kernel's
    /// own number is 2: whoever listens would be woken by every other packet.
    public var packetsBetweenNotices: UInt32 = 4096
    public var lifetime = Lifetime()
    /// What it decrypts is handed to the device with this number (`xfrm_interface`); 0: to nothing special.
    public var interfaceID: UInt32 = 0
    /// The device that is to do the work, where it can; the kernel does it where it cannot.
    public var offload: Offload?

    public struct Offload: Hashable, Sendable {
        /// The device's index.
        public var link: UInt32
        public var isInbound: Bool

        public init(link: UInt32, isInbound: Bool) {
            self.link = link
            self.isInbound = isInbound
        }
    }

    /// Bytes and numbers of packets; ``unlimited`` never comes. The kernel says when a soft one is reached, and ends the
    /// state at a hard one.
    public struct Lifetime: Hashable, Sendable {
        public static let unlimited = UInt64.max
        public var softBytes = Self.unlimited
        public var hardBytes = Self.unlimited
        public var softPackets = Self.unlimited
        public var hardPackets = Self.unlimited

        public init(softBytes: UInt64 = Self.unlimited, hardBytes: UInt64 = Self.unlimited) {
            self.softBytes = softBytes
            self.hardBytes = hardBytes
        }
    }

    public init(
        from source: IPAddress, to destination: IPAddress, spi: UInt32, requestID: UInt32, _ transform: ESPTransform,
        replay: ReplayState
    ) {
        self.source = source
        self.destination = destination
        self.spi = spi
        self.requestID = requestID
        self.transform = transform
        self.replay = replay
    }

    public var id: SecurityStateID { SecurityStateID(destination: destination, spi: spi) }
}

/// What the kernel finds an ESP state by.
public struct SecurityStateID: Hashable, Sendable {
    public var destination: IPAddress
    public var spi: UInt32

    public init(destination: IPAddress, spi: UInt32) {
        self.destination = destination
        self.spi = spi
    }
}

extension SecurityStateID: CustomStringConvertible {
    /// `0x1000 to 192.0.2.1`
    public var description: String { "0x\(String(spi, radix: 16)) to \(destination)" }
}

/// A state as the kernel has it, without its keys' algorithms where this module has no model for them.
public struct ObservedSecurityState: Hashable, Sendable {
    public var id: SecurityStateID
    public var source: IPAddress
    public var requestID: UInt32
    public var interfaceID: UInt32
    public var isTransport: Bool
    /// nil: others than ``ESPTransform`` has.
    public var transform: ESPTransform?
    /// Whether it has keys of any algorithm. What an IKE daemon has only reserved an SPI for has none yet; the kernel
    /// drops what arrives for it.
    public var isKeyed: Bool
    /// nil where it counts in 32 bits.
    public var replay: ReplayState?
    public var lifetime: SecurityState.Lifetime
    public var selector: TrafficSelector?
    public var offload: SecurityState.Offload?
    /// Whether it has something that ``SecurityState`` does not: flags, seconds it may live, UDP around it, marks.
    public var hasMore: Bool
    /// What packets have to be marked with to find it, as far as the mask lets them; 0: nothing.
    public var mark: UInt32
    /// So far.
    public var packets: UInt64
    public var bytes: UInt64
    /// Packets refused: received before or outside of the window; not authentic. With extended sequence numbers what is
    /// older than the window counts among the latter: it is taken for a number of 2³² later (RFC 4303 appendix A2).
    public var replayed: UInt32
    public var forged: UInt32
}

extension xfrm_usersa_info {
    fileprivate init(_ state: SecurityState) {
        self.init()
        id.daddr = xfrm_address_t(state.destination)
        id.spi = state.spi.bigEndian
        id.proto = UInt8(IPPROTO_ESP)
        saddr = xfrm_address_t(state.source)
        lft.soft_byte_limit = state.lifetime.softBytes
        lft.hard_byte_limit = state.lifetime.hardBytes
        lft.soft_packet_limit = state.lifetime.softPackets
        lft.hard_packet_limit = state.lifetime.hardPackets
        reqid = state.requestID
        family = UInt16(state.destination.family.number)
        mode = UInt8(XFRM_MODE_TRANSPORT)
        flags = UInt8(XFRM_STATE_ESN)
    }
}

extension SecurityState {
    /// A state with the same destination and SPI is an error (`EEXIST`).
    public func add() -> Request {
        Request(
            Operation("add", "IPsec state \(id)"), type: UInt16(XFRM_MSG_NEWSA), flags: [.create, .exclusive],
            fixed: PlainStructure(xfrm_usersa_info(self)).bytes, StateSpace.self
        ) {
            transform.write(to: &$0)
            $0.put(StateSpace.replay, replay)
            $0.put(StateSpace.replayThreshold, packetsBetweenNotices)
            if interfaceID != 0 { $0.put(StateSpace.interfaceID, interfaceID) }
            if let offload {
                var value = xfrm_user_offload()
                value.ifindex = Int32(bitPattern: offload.link)
                value.flags = UInt8((offload.isInbound ? XFRM_OFFLOAD_INBOUND : 0))
                $0.put(StateSpace.offload, value)
            }
        }
    }
}

extension SecurityStateID {
    public func delete() -> Request { request("delete", UInt16(XFRM_MSG_DELSA)) }

    fileprivate func request(_ verb: String, _ type: UInt16) -> Request {
        var header = xfrm_usersa_id()
        header.daddr = xfrm_address_t(destination)
        header.spi = spi.bigEndian
        header.family = UInt16(destination.family.number)
        header.proto = UInt8(IPPROTO_ESP)
        return Request(
            Operation(verb, "IPsec state \(self)"), type: type, flags: [], fixed: PlainStructure(header).bytes,
            StateSpace.self
        ) { _ in }
    }
}

extension ObservedSecurityState {
    /// Reads an `XFRM_MSG_NEWSA`, `XFRM_MSG_UPDSA` or `XFRM_MSG_DELSA` message about ESP; nil for any other.
    public init?(_ message: borrowing Message) {
        switch Int32(message.type) {
        case Int32(XFRM_MSG_NEWSA), Int32(XFRM_MSG_UPDSA):
            guard let info = message.plainHeader(xfrm_usersa_info.self) else { return nil }
            self.init(info, message.attributes(after: MemoryLayout<xfrm_usersa_info>.size, of: StateSpace.self))
        case Int32(XFRM_MSG_DELSA):
            // What went stands in an attribute, what else was known of it beside that.
            let attributes = message.attributes(after: MemoryLayout<xfrm_usersa_id>.size, of: StateSpace.self)
            guard let info = attributes.get(StateSpace.stateBytes)?.layout else { return nil }
            self.init(info, attributes)
        default: return nil
        }
    }

    init?(_ info: xfrm_usersa_info, _ attributes: borrowing AttributeReader<StateSpace>) {
        guard info.id.proto == UInt8(IPPROTO_ESP), let family = IPFamily(xfrm: info.family) else { return nil }
        id = SecurityStateID(destination: info.id.daddr.address(family), spi: UInt32(bigEndian: info.id.spi))
        source = info.saddr.address(family)
        requestID = info.reqid
        interfaceID = attributes.get(StateSpace.interfaceID) ?? 0
        isTransport = info.mode == UInt8(XFRM_MODE_TRANSPORT)
        transform = ESPTransform.read(attributes)
        var isKeyed = false
        attributes.forEach { type, _ in if StateSpace.algorithms.contains(type) { isKeyed = true } }
        self.isKeyed = isKeyed
        replay = attributes.get(StateSpace.replay)
        lifetime = SecurityState.Lifetime(softBytes: info.lft.soft_byte_limit, hardBytes: info.lft.hard_byte_limit)
        lifetime.softPackets = info.lft.soft_packet_limit
        lifetime.hardPackets = info.lft.hard_packet_limit
        mark = attributes.get(StateSpace.mark)?.value ?? 0
        var hasMore = info.flags != UInt8(XFRM_STATE_ESN) || info.lft.hasTimes
            || attributes.get(StateSpace.mark) != nil
        attributes.forEach { type, _ in if StateSpace.foreign.contains(type) { hasMore = true } }
        self.hasMore = hasMore
        selector = info.sel.selector
        if let selector, selector.source.length == 0, selector.destination.length == 0 { self.selector = nil }
        offload = attributes.get(StateSpace.offload).map {
            SecurityState.Offload(
                link: UInt32(bitPattern: $0.ifindex), isInbound: $0.flags & UInt8(XFRM_OFFLOAD_INBOUND) != 0)
        }
        packets = info.curlft.packets
        bytes = info.curlft.bytes
        replayed = info.stats.replay &+ info.stats.replay_window
        forged = info.stats.integrity_failed
    }
}

extension xfrm_lifetime_cfg {
    /// Whether something ends after a number of seconds.
    var hasTimes: Bool {
        soft_add_expires_seconds | hard_add_expires_seconds | soft_use_expires_seconds | hard_use_expires_seconds != 0
    }
}

extension Exchange {
    /// All ESP states of this network namespace, those of others among them.
    public func securityStates() throws(KernelError) -> [ObservedSecurityState] {
        // A dump takes no fixed structure.
        let request = Request(
            Operation("list", "IPsec states"), type: UInt16(XFRM_MSG_GETSA), flags: .dump, fixed: [], StateSpace.self
        ) { _ in }
        return try dump(request) { ObservedSecurityState($0) }
    }

    /// One state; nil when there is none.
    public func securityState(_ id: SecurityStateID) throws(KernelError) -> ObservedSecurityState? {
        do throws(KernelError) {
            for bytes in try ask(id.request("read", UInt16(XFRM_MSG_GETSA))) {
                if let message = Message(bytes.span.bytes, at: 0), let state = ObservedSecurityState(message) {
                    return state
                }
            }
            return nil
        } catch where error.errno == .noProcess {
            return nil
        }
    }
}
