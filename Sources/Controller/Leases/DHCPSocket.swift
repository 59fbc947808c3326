import Addresses
import CLinux
import Glibc

/// A UDP socket for DHCP of one family that tells by which device a datagram came and sends by a device of the
/// caller's choice. One serves any number of bonds.
final class DHCPSocket {
    struct Datagram {
        var payload: [UInt8]
        var source: IPAddress
        /// The device it came by.
        var link: UInt32
    }

    let descriptor: Int32
    let family: IPFamily
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    /// - Parameters:
    ///   - port: 67 or 547 for servers and relays, 546 for clients
    ///   - interface: the only device to receive from and to send to; nil: any
    init(_ family: IPFamily, port: UInt16, interface: String? = nil) throws(SystemError) {
        self.family = family
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        descriptor = try SystemError.check("socket", socket(family == .v4 ? AF_INET : AF_INET6, type, 0))
        do throws(SystemError) {
            if let interface {
                try SystemError.check(
                    "SO_BINDTODEVICE",
                    setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, socklen_t(interface.utf8.count)))
            }
            // Room for the requests of thousands of gateways that come back together.
            try set(SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20, "SO_RCVBUFFORCE")
            if family == .v4 {
                try set(SOL_SOCKET, SO_BROADCAST, 1, "SO_BROADCAST")
                try set(Int32(IPPROTO_IP), Self.packetInfo.v4, 1, "IP_PKTINFO")
            } else {
                try set(Int32(IPPROTO_IPV6), 26, 1, "IPV6_V6ONLY")
                try set(Int32(IPPROTO_IPV6), 49, 1, "IPV6_RECVPKTINFO")
            }
            _ = try SocketAddress.withBytes(.any(family), port: port) { (address, length) throws(SystemError) in
                try SystemError.check("bind UDP port \(port)", bind(descriptor, address, length))
            }
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// IP_PKTINFO and IPV6_PKTINFO.
    private static let packetInfo = (v4: Int32(8), v6: Int32(50))

    /// The next datagram; nil when none is left.
    func receive() -> Datagram? {
        var address = sockaddr_storage()
        var control = [UInt8](repeating: 0, count: 128)
        while true {
            var count = 0
            var link: UInt32?
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
                            link = Self.link(UnsafeRawBufferPointer(rebasing: control.prefix(Int(header.msg_controllen))))
                        }
                    }
                }
            }
            if count < 0 {
                if errno == EAGAIN { return nil }
                // EHOSTUNREACH and the like: an ICMP error for something sent earlier. It has been taken now.
                if [EINTR, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EPROTO].contains(errno) { continue }
                return nil
            }
            guard let source = SocketAddress.address(address), let link else { continue }
            return Datagram(payload: Array(buffer[..<count]), source: source, link: link)
        }
    }

    /// Sends one datagram; false when the kernel refused it, `errno` says why.
    /// - Parameters:
    ///   - link: the device to send by; 0: by the routing table
    ///   - source: an address of this host; nil: the kernel's choice
    func send(
        _ payload: [UInt8], to destination: IPAddress, port: UInt16, link: UInt32, from source: IPAddress? = nil
    ) -> Bool {
        var control = Self.control(family, link, source)
        var payload = payload
        return SocketAddress.withBytes(destination, port: port, scope: link) { address, length in
            payload.withUnsafeMutableBytes { bytes in
                control.withUnsafeMutableBytes { control in
                    var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                    return withUnsafeMutablePointer(to: &part) { part in
                        var header = msghdr()
                        header.msg_name = UnsafeMutableRawPointer(mutating: address)
                        header.msg_namelen = length
                        header.msg_iov = part
                        header.msg_iovlen = 1
                        header.msg_control = control.baseAddress
                        header.msg_controllen = control.count
                        return sendmsg(descriptor, &header, 0) == bytes.count
                    }
                }
            }
        }
    }

    /// Messages that the kernel dropped because the receive buffer was full.
    var drops: UInt64 { SocketAddress.drops(descriptor) }

    private func set(_ level: Int32, _ option: Int32, _ value: Int32, _ name: String) throws(SystemError) {
        var value = value
        try SystemError.check(name, setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)))
    }

    /// The device in a control message: `in_pktinfo` begins with it, `in6_pktinfo` ends with it. It has a length of 8
    /// bytes, level and type of 4, and data, aligned to 8.
    private static func link(_ control: borrowing UnsafeRawBufferPointer) -> UInt32? {
        var offset = 0
        while control.count - offset >= 16 {
            let length = control.loadUnaligned(fromByteOffset: offset, as: UInt.self)
            guard length >= 16, length <= UInt(control.count - offset) else { return nil }
            let level = control.loadUnaligned(fromByteOffset: offset + 8, as: Int32.self)
            let type = control.loadUnaligned(fromByteOffset: offset + 12, as: Int32.self)
            switch (level, type) {
            case (0, packetInfo.v4) where length >= 28:
                return control.loadUnaligned(fromByteOffset: offset + 16, as: UInt32.self)
            case (41, packetInfo.v6) where length >= 36:
                return control.loadUnaligned(fromByteOffset: offset + 32, as: UInt32.self)
            default: offset += (Int(length) + 7) & ~7
            }
        }
        return nil
    }

    private static func control(_ family: IPFamily, _ link: UInt32, _ source: IPAddress?) -> [UInt8] {
        func native(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
        let source = source?.bytes ?? IPAddress.any(family).bytes
        return family == .v4
            ? native(UInt(28)) + native(Int32(0)) + native(packetInfo.v4) + native(link) + source + [0, 0, 0, 0]
                + [0, 0, 0, 0]
            : native(UInt(36)) + native(Int32(41)) + native(packetInfo.v6) + source + native(link) + [0, 0, 0, 0]
    }
}
