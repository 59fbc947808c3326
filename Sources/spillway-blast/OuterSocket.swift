import Addresses
import CLinux
import Glibc

/// One raw GRE socket for all gateways: their addresses are this machine's, each packet says its own.
final class OuterSocket {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// What is found in a packet: bytes of the buffer that is lent.
    struct Packet {
        var source: IPv4Address
        var destination: IPv4Address
    }

    let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    init() throws(Failure) {
        descriptor = socket(
            AF_INET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), Int32(IPPROTO_GRE))
        guard descriptor >= 0 else { throw Self.failure("a raw socket") }
        for (option, bytes) in [(SO_RCVBUFFORCE, 64 << 20), (SO_SNDBUFFORCE, 16 << 20)] as [(Int32, Int32)] {
            var value = bytes
            guard setsockopt(descriptor, SOL_SOCKET, option, &value, 4) == 0 else { throw Self.failure("a large buffer") }
        }
    }

    deinit { close(descriptor) }

    private static func failure(_ what: String) -> Failure { Failure(description: "\(what): \(String(cString: strerror(errno)))") }

    /// - Parameter bytes: from the GRE header on
    /// - Returns: false when the kernel refused it, `errno` says why
    func send(_ bytes: [UInt8], from source: IPv4Address, to destination: IPv4Address) -> Bool {
        // IP_PKTINFO with ipi_spec_dst as the source: a length of 8 bytes, level and type of 4, then three times 4.
        var control = [UInt8](repeating: 0, count: 32)
        control.withUnsafeMutableBytes {
            $0.storeBytes(of: UInt(28), as: UInt.self)
            $0.storeBytes(of: Int32(IPPROTO_IP), toByteOffset: 8, as: Int32.self)
            $0.storeBytes(of: Int32(8), toByteOffset: 12, as: Int32.self)
            $0.storeBytes(of: source.rawValue.bigEndian, toByteOffset: 20, as: UInt32.self)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = destination.rawValue.bigEndian
        return bytes.withUnsafeBytes { bytes in
            control.withUnsafeMutableBytes { control in
                withUnsafeMutablePointer(to: &address) { address in
                    var part = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                    return withUnsafeMutablePointer(to: &part) { part in
                        var header = msghdr()
                        header.msg_name = UnsafeMutableRawPointer(address)
                        header.msg_namelen = socklen_t(MemoryLayout<sockaddr_in>.size)
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

    /// Lends the next packet's bytes, from the GRE header on; false when none is left.
    func receive(_ body: (Packet, RawSpan) -> Void) -> Bool {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        // An error is one that an earlier packet met, and is taken now.
        if count < 0 { return errno != EAGAIN }
        let header = Int(buffer[0] & 0xF) * 4
        guard count > header, header >= 20, let source = IPv4Address(bytes: buffer[12..<16]),
            let destination = IPv4Address(bytes: buffer[16..<20])
        else { return true }
        let bytes = Array(buffer[header..<count])
        body(Packet(source: source, destination: destination), bytes.span.bytes)
        return true
    }

    /// Waits until something can be read, `milliseconds` at most.
    func wait(_ milliseconds: Int32) {
        var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        poll(&item, 1, milliseconds)
    }

    /// Packets that the kernel dropped because this program was too slow for them.
    var drops: UInt64 {
        var values = [UInt32](repeating: 0, count: 9)
        var length = socklen_t(36)
        return getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, &values, &length) == 0 ? UInt64(values[8]) : 0
    }
}
