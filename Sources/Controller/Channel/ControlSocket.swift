import Addresses
import CLinux
import GREBonding
import Glibc

/// A raw GRE socket for control messages, bound to one of this end's addresses.
///
/// Being bound is what keeps it cheap: data packets carry the bond's canonical addresses by the time the kernel looks
/// for raw sockets, so none of them is cloned for this one.
final class ControlSocket {
    struct Received {
        /// From the GRE header on.
        var bytes: [UInt8]
        var source: IPAddress
        var destination: IPAddress
        var at: Instant
    }

    let descriptor: Int32
    let local: IPAddress
    private var buffer = [UInt8](repeating: 0, count: 2048)
    /// Datagrams longer than any control message can be.
    private(set) var oversized: UInt64 = 0

    /// - Parameter interface: the only interface to receive from and send to; nil: any.
    init(local: IPAddress, interface: String? = nil) throws(SystemError) {
        self.local = local
        let family = local.family == .v4 ? AF_INET : AF_INET6
        descriptor = try SystemError.check(
            "socket",
            socket(
                family, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), Int32(IPPROTO_GRE)))
        do throws(SystemError) {
            if let interface {
                try SystemError.check(
                    "SO_BINDTODEVICE",
                    setsockopt(
                        descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, socklen_t(interface.utf8.count)))
            }
            try set(SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS")
            // Room for the setup requests of thousands of gateways that come back together.
            try set(SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20, "SO_RCVBUFFORCE")
            // A full queue of the leg must not make a Hello late twice over: control goes first.
            try set(SOL_SOCKET, SO_PRIORITY, 6, "SO_PRIORITY")
            try reportErrors()
            _ = try SocketAddress.withBytes(local) { (address, length) throws(SystemError) in
                try SystemError.check("bind", bind(descriptor, address, length))
            }
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Sends one control message; false when the kernel refused it, `errno` says why.
    func send(_ bytes: [UInt8], to destination: IPAddress) -> Bool {
        SocketAddress.withBytes(destination) { address, length in
            // The first attempt may only take the error that an earlier packet met.
            sendto(descriptor, bytes, bytes.count, 0, address, length) == bytes.count
                || sendto(descriptor, bytes, bytes.count, 0, address, length) == bytes.count
        }
    }

    /// The next message; nil when none is left. A failed destination is reported by the kernel here too, and skipped.
    func receive(now: Instant) -> Received? {
        var address = sockaddr_storage()
        var control = [UInt8](repeating: 0, count: 128)
        while true {
            var count = 0
            var stamp: timespec?
            var truncated = false
            withUnsafeMutablePointer(to: &address) { address in
                buffer.withUnsafeMutableBytes { bytes in
                    control.withUnsafeMutableBytes { control in
                        var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                        withUnsafeMutablePointer(to: &part) { part in
                            var header = msghdr()
                            header.msg_name = UnsafeMutableRawPointer(address)
                            header.msg_namelen = socklen_t(MemoryLayout<sockaddr_storage>.size)
                            header.msg_iov = part
                            header.msg_iovlen = 1
                            header.msg_control = control.baseAddress
                            header.msg_controllen = control.count
                            count = recvmsg(descriptor, &header, 0)
                            truncated = header.msg_flags & Int32(MSG_TRUNC) != 0
                            stamp = Self.timestamp(UnsafeRawBufferPointer(control).prefix(Int(header.msg_controllen)))
                        }
                    }
                }
            }
            if count < 0 {
                if errno == EAGAIN { return nil }
                if errno == EINTR { continue }
                // EHOSTUNREACH and the like: an ICMP error for something sent earlier. It has been taken now.
                if [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EPROTO, EPERM].contains(errno) { continue }
                return nil
            }
            if truncated {
                oversized &+= 1
                continue
            }
            guard let source = SocketAddress.address(address) else { continue }
            let at = stamp.map { Clock.instant(ofReceive: $0, now: now) } ?? now
            // An IPv4 raw socket delivers the outer header, an IPv6 one does not.
            var start = 0
            if source.family == .v4 {
                guard count >= 20 else { continue }
                start = Int(buffer[0] & 0xF) * 4
                guard start >= 20, start <= count else { continue }
            }
            return Received(bytes: Array(buffer[start..<count]), source: source, destination: local, at: at)
        }
    }

    /// Packets that the kernel dropped because the receive buffer was full.
    var drops: UInt64 { SocketAddress.drops(descriptor) }

    func set(_ level: Int32, _ option: Int32, _ value: Int32, _ name: String) throws(SystemError) {
        var value = value
        try SystemError.check(name, setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)))
    }

    /// The SCM_TIMESTAMPNS control message: a length of 8 bytes, level and type of 4 each, then the time.
    private static func timestamp(_ control: Slice<UnsafeRawBufferPointer>) -> timespec? {
        let bytes = UnsafeRawBufferPointer(rebasing: control)
        guard bytes.count >= 32, bytes.loadUnaligned(as: UInt.self) >= 32,
            bytes.loadUnaligned(fromByteOffset: 8, as: Int32.self) == SOL_SOCKET,
            bytes.loadUnaligned(fromByteOffset: 12, as: Int32.self) == SO_TIMESTAMPNS
        else { return nil }
        return bytes.loadUnaligned(fromByteOffset: 16, as: timespec.self)
    }
}

/// Socket addresses.
enum SocketAddress {
    /// - Parameter scope: the device of an IPv6 address that is link-local or multicast
    static func withBytes<R, E>(
        _ address: IPAddress, port: UInt16 = 0, scope: UInt32 = 0,
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(E) -> R
    ) throws(E) -> R {
        var storage = sockaddr_storage()
        let size: Int
        switch address {
        case .v4(let a):
            size = MemoryLayout<sockaddr_in>.size
            var value = sockaddr_in()
            value.sin_family = sa_family_t(AF_INET)
            value.sin_port = port.bigEndian
            value.sin_addr.s_addr = a.rawValue.bigEndian
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: value, as: sockaddr_in.self) }
        case .v6(let a):
            size = MemoryLayout<sockaddr_in6>.size
            var value = sockaddr_in6()
            value.sin6_family = sa_family_t(AF_INET6)
            value.sin6_port = port.bigEndian
            value.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &value.sin6_addr) { $0.copyBytes(from: a.bytes) }
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: value, as: sockaddr_in6.self) }
        }
        return try withUnsafePointer(to: &storage) { pointer throws(E) in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { rebound throws(E) in
                try body(rebound, socklen_t(size))
            }
        }
    }

    /// Datagrams that the kernel dropped because a socket's receive buffer was full.
    static func drops(_ descriptor: Int32) -> UInt64 {
        var values = [UInt32](repeating: 0, count: 9)
        var length = socklen_t(values.count * MemoryLayout<UInt32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, &values, &length) == 0 else { return 0 }
        return UInt64(values[8])
    }

    static func address(_ storage: sockaddr_storage) -> IPAddress? {
        withUnsafeBytes(of: storage) { bytes in
            switch Int32(storage.ss_family) {
            case AF_INET:
                IPv4Address(bytes: bytes[4..<8]).map(IPAddress.v4)
            case AF_INET6:
                IPv6Address(bytes: bytes[8..<24]).map(IPAddress.v6)
            default: nil
            }
        }
    }
}
