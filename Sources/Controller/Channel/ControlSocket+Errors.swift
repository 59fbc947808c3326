import Addresses
import CLinux
import Glibc

// What the kernel has heard of packets that did not arrive. It asks raw sockets whether they want to know, for all
// that was sent with their address, so that a leg's data packets are reported here too.
extension ControlSocket {
    /// IP_RECVERR, IPV6_RECVERR. For IPv6 it is also what makes the kernel keep a path MTU that it was told.
    func reportErrors() throws(SystemError) {
        if local.family == .v4 {
            try set(Int32(IPPROTO_IP), 11, 1, "IP_RECVERR")
        } else {
            try set(Int32(IPPROTO_IPV6), 25, 1, "IPV6_RECVERR")
        }
    }

    /// Destinations for which something was too big, since the call before: ICMP fragmentation needed (RFC 792), Packet
    /// Too Big (RFC 4443 §3.2), or the link's own MTU. At most 256 errors are read at once.
    func tooBig() -> Set<IPAddress> {
        var found: Set<IPAddress> = []
        var address = sockaddr_storage()
        var control = [UInt8](repeating: 0, count: 512)
        var scratch: UInt8 = 0
        for _ in 0..<256 {
            var count = 0
            var number: UInt32?
            withUnsafeMutablePointer(to: &address) { address in
                withUnsafeMutablePointer(to: &scratch) { scratch in
                    control.withUnsafeMutableBytes { control in
                        var part = iovec(iov_base: scratch, iov_len: 1)
                        withUnsafeMutablePointer(to: &part) { part in
                            var header = msghdr()
                            header.msg_name = UnsafeMutableRawPointer(address)
                            header.msg_namelen = socklen_t(MemoryLayout<sockaddr_storage>.size)
                            header.msg_iov = part
                            header.msg_iovlen = 1
                            header.msg_control = control.baseAddress
                            header.msg_controllen = control.count
                            count = recvmsg(descriptor, &header, Int32(MSG_ERRQUEUE))
                            number = Self.errorNumber(
                                UnsafeRawBufferPointer(rebasing: control.prefix(Int(header.msg_controllen))))
                        }
                    }
                }
            }
            if count < 0 {
                if errno == EINTR { continue }
                return found
            }
            if number == UInt32(EMSGSIZE), let destination = SocketAddress.address(address) {
                found.insert(destination)
            }
        }
        return found
    }

    /// `ee_errno` of the `sock_extended_err` among the control messages, each a length of 8 bytes, level and type of 4,
    /// and data, aligned to 8.
    private static func errorNumber(_ control: borrowing UnsafeRawBufferPointer) -> UInt32? {
        var offset = 0
        while control.count - offset >= 16 {
            let length = control.loadUnaligned(fromByteOffset: offset, as: UInt.self)
            guard length >= 16, length <= UInt(control.count - offset) else { return nil }
            let level = control.loadUnaligned(fromByteOffset: offset + 8, as: Int32.self)
            let type = control.loadUnaligned(fromByteOffset: offset + 12, as: Int32.self)
            if (level, type) == (0, 11) || (level, type) == (41, 25), length >= 20 {
                return control.loadUnaligned(fromByteOffset: offset + 16, as: UInt32.self)
            }
            offset += (Int(length) + 7) & ~7
        }
        return nil
    }
}
