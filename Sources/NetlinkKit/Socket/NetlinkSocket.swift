import CLibmnl
import CLinux
import Glibc

/// A netlink socket in the network namespace of the thread that opens it. Not thread-safe.
public final class NetlinkSocket: NetlinkTransport {
    /// Which part of the kernel it speaks to (`NETLINK_*`).
    public enum Family: Int32, Sendable {
        /// Links, addresses, routes, rules, traffic control.
        case route = 0
        /// IPsec.
        case xfrm = 6
        /// nf_tables, NFQUEUE.
        case netfilter = 12
    }

    private let socket: OpaquePointer
    /// For epoll. Reading from it is this object's business.
    public let descriptor: Int32

    /// - Parameter receiveBuffer: bytes the kernel may queue; it is set beyond the system's limit where the
    ///   process has the capability, up to that limit otherwise
    public init(_ family: Family, receiveBuffer: Int32 = 4 << 20, sendBuffer: Int32 = 4 << 20) throws(KernelError) {
        let operation = Operation("open", "netlink socket")
        guard let socket = mnl_socket_open2(family.rawValue, Int32(SOCK_CLOEXEC.rawValue)) else {
            throw .socket(operation, .last)
        }
        self.socket = socket
        descriptor = mnl_socket_get_fd(socket)
        guard mnl_socket_bind(socket, 0, 0) == 0 else { throw .socket(operation, .last) }
        setOption(SOL_SOCKET, SO_RCVBUFFORCE, or: SO_RCVBUF, receiveBuffer)
        setOption(SOL_SOCKET, SO_SNDBUFFORCE, or: SO_SNDBUF, sendBuffer)
        // Capped acknowledgements do not repeat the request: it is still at hand here, and a large request would
        // otherwise fill the receive buffer with its own echo.
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK] {
            guard set(SOL_NETLINK, option, 1) else { throw .socket(operation, .last) }
        }
        if family == .route, !set(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1) {
            throw .unsupported(feature: "strict checking of netlink dump requests", minimumKernel: "4.20")
        }
    }

    deinit { mnl_socket_close(socket) }

    /// Joins a multicast group: notifications of that kind then arrive on this socket.
    public func join(_ group: UInt32) throws(KernelError) {
        guard set(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, Int32(truncatingIfNeeded: group)) else {
            throw .socket(Operation("join", "netlink group \(group)"), .last)
        }
    }

    /// Sets an integer option; false when the kernel refuses (see `errno`).
    func set(_ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
        withUnsafePointer(to: value) { setsockopt(descriptor, level, option, $0, socklen_t(MemoryLayout<Int32>.size)) }
            == 0
    }

    private func setOption(_ level: Int32, _ forced: Int32, or plain: Int32, _ value: Int32) {
        if !set(level, forced, value) { _ = set(level, plain, value) }
    }

    /// The number by which the kernel tells this socket from others; nil when it is not known.
    public var port: UInt32? {
        var address = sockaddr_nl()
        var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return result == 0 ? address.nl_pid : nil
    }

    public func send(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        while true {
            let sent = mnl_socket_sendto(socket, bytes.baseAddress, bytes.count)
            if sent == bytes.count { return }
            if sent >= 0 { throw .messageTooLong }
            let error = Errno.last
            if error != .interrupted { throw error }
        }
    }

    public func receive(into buffer: UnsafeMutableRawBufferPointer, timeout: Int32) throws(Errno) -> Datagram {
        var waited = false
        while true {
            var address = sockaddr_nl()
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            var header = msghdr()
            let count = withUnsafeMutablePointer(to: &address) { name in
                withUnsafeMutablePointer(to: &vector) { vector in
                    header.msg_name = UnsafeMutableRawPointer(name)
                    header.msg_namelen = socklen_t(MemoryLayout<sockaddr_nl>.size)
                    header.msg_iov = vector
                    header.msg_iovlen = 1
                    return recvmsg(descriptor, &header, Int32(MSG_DONTWAIT))
                }
            }
            if count >= 0 {
                let truncated = header.msg_flags & Int32(MSG_TRUNC) != 0
                return Datagram(count: count, truncated: truncated, sender: address.nl_pid)
            }
            let error = Errno.last
            if error == .interrupted { continue }
            guard error == .wouldBlock, timeout != 0, !waited else { throw error }
            waited = true
            try wait(timeout)
        }
    }

    private func wait(_ timeout: Int32) throws(Errno) {
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&poller, 1, timeout) < 0 {
            let error = Errno.last
            if error != .interrupted { throw error }
        }
    }
}
