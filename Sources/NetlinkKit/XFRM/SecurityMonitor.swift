import Addresses
import CLinux

/// A change of IPsec's states and policies that nobody on this socket asked for.
public enum SecurityEvent: Hashable, Sendable {
    /// A state has reached its limit; `isHard`: it is gone.
    case expired(ObservedSecurityState, isHard: Bool)
    case added(ObservedSecurityState)
    /// With what it had counted.
    case deleted(ObservedSecurityState)
    /// All states of ESP, or of any protocol, were deleted at once.
    case flushed
    /// How far a state's sequence has come, from time to time.
    case sequence(SecurityStateID, ReplayState)
    /// Policies came, went or became others.
    case policiesChanged
    /// Events were lost.
    case overrun
}

/// What happened, and to whose request.
public struct SecurityNotice: Hashable, Sendable {
    public var event: SecurityEvent
    /// The number of the socket that asked for it, see ``NetlinkSocket/port``; 0: the kernel by itself.
    public var port: UInt32

    public init(_ event: SecurityEvent, port: UInt32) {
        self.event = event
        self.port = port
    }
}

/// Watches IPsec's states and policies. For an event loop: wait until ``descriptor`` is readable, then ``receive()``.
public final class SecurityMonitor {
    private let socket: any NetlinkTransport
    /// For epoll.
    public let descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

    public convenience init() throws(KernelError) {
        let socket = try NetlinkSocket(.xfrm)
        for group in [XFRMNLGRP_EXPIRE, XFRMNLGRP_SA, XFRMNLGRP_POLICY, XFRMNLGRP_AEVENTS] { try socket.join(group.rawValue) }
        self.init(socket, descriptor: socket.descriptor)
    }

    init(_ socket: any NetlinkTransport, descriptor: Int32) {
        self.socket = socket
        self.descriptor = descriptor
    }

    deinit { buffer.deallocate() }

    /// The events that have arrived, in order, without waiting; at most about `limit`.
    public func receive(limit: Int = 4096) throws(KernelError) -> [SecurityNotice] {
        var events: [SecurityNotice] = []
        while events.count < limit {
            let datagram: Datagram
            do throws(Errno) {
                datagram = try socket.receive(into: buffer, timeout: 0)
            } catch where error == .wouldBlock {
                return events
            } catch where error == .noBuffers {
                events.append(SecurityNotice(.overrun, port: 0))
                continue
            } catch {
                throw .socket(Operation("watch", "IPsec states"), error)
            }
            if datagram.sender != 0 { continue }
            if datagram.truncated { events.append(SecurityNotice(.overrun, port: 0)) }
            let span = UnsafeRawBufferPointer(rebasing: buffer.prefix(datagram.count)).bytes
            var offset = 0
            while let message = Message(span, at: offset) {
                offset += (message.bytes.byteCount + 3) & ~3
                if let event = SecurityEvent(message) { events.append(SecurityNotice(event, port: message.portID)) }
            }
        }
        return events
    }
}

extension SecurityEvent {
    /// nil for messages that this module has no model for.
    init?(_ message: borrowing Message) {
        switch Int32(message.type) {
        case Int32(XFRM_MSG_NEWSA), Int32(XFRM_MSG_UPDSA):
            guard let state = ObservedSecurityState(message) else { return nil }
            self = .added(state)
        case Int32(XFRM_MSG_DELSA):
            guard let state = ObservedSecurityState(message) else { return nil }
            self = .deleted(state)
        case Int32(XFRM_MSG_FLUSHSA):
            guard let header = message.header(xfrm_usersa_flush.self),
                [0, UInt8(IPPROTO_ESP)].contains(header.proto)
            else { return nil }
            self = .flushed
        case Int32(XFRM_MSG_EXPIRE):
            guard let header = message.plainHeader(xfrm_user_expire.self) else { return nil }
            let attributes = message.attributes(after: MemoryLayout<xfrm_user_expire>.size, of: StateSpace.self)
            guard let state = ObservedSecurityState(header.state, attributes) else { return nil }
            self = .expired(state, isHard: header.hard != 0)
        case Int32(XFRM_MSG_NEWAE):
            guard let header = message.plainHeader(xfrm_aevent_id.self), header.sa_id.proto == UInt8(IPPROTO_ESP),
                let family = IPFamily(xfrm: header.sa_id.family)
            else { return nil }
            let attributes = message.attributes(after: MemoryLayout<xfrm_aevent_id>.size, of: StateSpace.self)
            guard let replay = attributes.get(StateSpace.replay) else { return nil }
            self = .sequence(
                SecurityStateID(
                    destination: header.sa_id.daddr.address(family), spi: UInt32(bigEndian: header.sa_id.spi)), replay)
        case Int32(XFRM_MSG_NEWPOLICY), Int32(XFRM_MSG_UPDPOLICY), Int32(XFRM_MSG_DELPOLICY),
            Int32(XFRM_MSG_FLUSHPOLICY), Int32(XFRM_MSG_POLEXPIRE):
            self = .policiesChanged
        default: return nil
        }
    }
}
