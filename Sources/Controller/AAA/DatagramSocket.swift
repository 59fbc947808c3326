import Addresses
import CLinux
import Glibc

/// A UDP socket for RADIUS. Connected, the kernel gives it nothing but what its server sent.
final class DatagramSocket {
    struct Datagram {
        var payload: [UInt8]
        var source: IPAddress
        var port: UInt16
    }

    let descriptor: Int32
    /// One byte more than a packet may have, so that a longer one is noticed.
    private var buffer = [UInt8](repeating: 0, count: 4097)

    /// - Parameter source: the address to send from; nil: the kernel chooses
    init(to server: IPAddress, port: UInt16, from source: IPAddress?) throws(SystemError) {
        descriptor = try Self.open(server.family)
        do throws(SystemError) {
            if let source { try Self.bind(descriptor, source, 0) }
            try SocketAddress.withBytes(server, port: port) { [descriptor] (address, length) throws(SystemError) in
                _ = try SystemError.check("connect to UDP \(server) port \(port)", connect(descriptor, address, length))
            }
        } catch {
            close(descriptor)
            throw error
        }
    }

    init(at local: IPAddress, port: UInt16) throws(SystemError) {
        descriptor = try Self.open(local.family)
        do throws(SystemError) { try Self.bind(descriptor, local, port) } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    private static func open(_ family: IPFamily) throws(SystemError) -> Int32 {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        return try SystemError.check("socket", socket(family == .v4 ? AF_INET : AF_INET6, type, 0))
    }

    private static func bind(_ descriptor: Int32, _ local: IPAddress, _ port: UInt16) throws(SystemError) {
        try SocketAddress.withBytes(local, port: port) { (address, length) throws(SystemError) in
            _ = try SystemError.check("bind UDP \(local) port \(port)", Glibc.bind(descriptor, address, length))
        }
    }

    /// To the server it is connected to. What the kernel refuses is repeated later like what the network loses.
    func send(_ bytes: [UInt8]) {
        // The first attempt may only take the error that an earlier packet met.
        if Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0 {
            _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }
    }

    func send(_ bytes: [UInt8], to destination: IPAddress, port: UInt16) {
        SocketAddress.withBytes(destination, port: port) { address, length in
            _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length)
        }
    }

    /// The next datagram; nil when none is left.
    func receive() -> Datagram? {
        var address = sockaddr_storage()
        for _ in 0..<16 {
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let count = withUnsafeMutablePointer(to: &address) { storage in
                storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                    recvfrom(descriptor, &buffer, buffer.count, 0, raw, &length)
                }
            }
            if count < 0 {
                // ECONNREFUSED and the like: an ICMP error, which anybody may have sent. Silence tells the same.
                if errno == EAGAIN { return nil }
                continue
            }
            guard let source = SocketAddress.address(address) else { continue }
            return Datagram(payload: Array(buffer[..<count]), source: source, port: SocketAddress.port(address))
        }
        return nil
    }
}

extension SocketAddress {
    /// 0 for an address that has none.
    static func port(_ storage: sockaddr_storage) -> UInt16 {
        guard [AF_INET, AF_INET6].contains(Int32(storage.ss_family)) else { return 0 }
        return withUnsafeBytes(of: storage) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    }
}
