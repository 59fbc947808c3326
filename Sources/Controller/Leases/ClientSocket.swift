import Addresses
import CLinux
import Glibc
import Leases

/// A packet socket on a bond's device for what a DHCPv4 client says and hears before and between its addresses. The
/// kernel's filter looks at each packet that the device brings and clones those for UDP port 68 only; the socket is open
/// for as long as the client waits for an answer, which is a few seconds of its life.
final class ClientSocket {
    let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 2048)

    init(link: UInt32) throws(SystemError) {
        // Without a protocol nothing comes before the filter is there.
        descriptor = try SystemError.check(
            "socket", socket(AF_PACKET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0))
        do throws(SystemError) {
            try attachFilter()
            var one: Int32 = 1
            // PACKET_AUXDATA: whether a checksum is there already.
            try SystemError.check(
                "PACKET_AUXDATA", setsockopt(descriptor, 263, 8, &one, socklen_t(MemoryLayout<Int32>.size)))
            var address = Self.address(link)
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
                }
            }
            try SystemError.check("bind to the bond's device", result)
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// False when the kernel refused it, `errno` says why.
    func send(_ datagram: DHCPv4Datagram) -> Bool {
        guard let packet = datagram.packet else { return false }
        // Without an address: that of an IPv6 tunnel would not fit into `sockaddr_ll`.
        return Glibc.send(descriptor, packet, packet.count, 0) == packet.count
    }

    /// The next datagram; nil when none is left. What is no good UDP datagram is skipped.
    func receive() -> DHCPv4Datagram? {
        var control = [UInt8](repeating: 0, count: 64)
        while true {
            var count = 0
            var isSummed = true
            buffer.withUnsafeMutableBytes { bytes in
                control.withUnsafeMutableBytes { control in
                    var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                    withUnsafeMutablePointer(to: &part) { part in
                        var header = msghdr()
                        header.msg_iov = part
                        header.msg_iovlen = 1
                        header.msg_control = control.baseAddress
                        header.msg_controllen = control.count
                        count = recvmsg(descriptor, &header, 0)
                        // `tpacket_auxdata` begins with its status; TP_STATUS_CSUMNOTREADY is 8.
                        if header.msg_controllen >= 20 {
                            isSummed = control.loadUnaligned(fromByteOffset: 16, as: UInt32.self) & 8 == 0
                        }
                    }
                }
            }
            if count < 0 {
                if errno == EINTR || errno == ENETDOWN { continue }
                return nil
            }
            if let datagram = DHCPv4Datagram(packet: Array(buffer[..<count]), isSummed: isSummed) { return datagram }
        }
    }

    private static let ipv4: UInt16 = 0x0800

    private static func address(_ link: UInt32) -> sockaddr_ll {
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = ipv4.bigEndian
        address.sll_ifindex = Int32(bitPattern: link)
        return address
    }

    /// UDP, no fragment, to port 68.
    private func attachFilter() throws(SystemError) {
        var words: [sock_filter] = [
            sock_filter(code: 0x30, jt: 0, jf: 0, k: 9),  // ldb [9]: the protocol
            sock_filter(code: 0x15, jt: 0, jf: 6, k: 17),  // jeq UDP
            sock_filter(code: 0x28, jt: 0, jf: 0, k: 6),  // ldh [6]: more fragments, offset
            sock_filter(code: 0x45, jt: 4, jf: 0, k: 0x3FFF),  // jset
            sock_filter(code: 0xB1, jt: 0, jf: 0, k: 0),  // ldxb 4 * ([0] & 0xf): the header's length
            sock_filter(code: 0x48, jt: 0, jf: 0, k: 2),  // ldh [x + 2]: the port
            sock_filter(code: 0x15, jt: 0, jf: 1, k: UInt32(DHCPv4Datagram.clientPort)),
            sock_filter(code: 0x06, jt: 0, jf: 0, k: 0xFFFF),  // take it
            sock_filter(code: 0x06, jt: 0, jf: 0, k: 0),  // leave it
        ]
        let result = words.withUnsafeMutableBufferPointer { words in
            var program = sock_fprog(len: UInt16(words.count), filter: words.baseAddress)
            return setsockopt(descriptor, SOL_SOCKET, 26, &program, socklen_t(MemoryLayout<sock_fprog>.size))
        }
        try SystemError.check("SO_ATTACH_FILTER", result)
    }
}
