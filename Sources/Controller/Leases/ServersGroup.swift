import CLinux
import Glibc

/// Membership of many devices in ff02::1:2, where DHCPv6 clients look for servers. The kernel lets one socket join a
/// few hundred times (`net.core.optmem_max`); a datagram that a device takes in reaches every socket of its port, so
/// further sockets that do nothing else make room for more.
final class ServersGroup {
    private var sockets: [(descriptor: Int32, isFull: Bool)] = []
    private var places: [UInt32: Int] = [:]

    deinit { for socket in sockets { close(socket.descriptor) } }

    func join(_ link: UInt32) throws(SystemError) {
        if places[link] != nil { return }
        if let place = sockets.firstIndex(where: { !$0.isFull }) {
            if request(20, link, sockets[place].descriptor) == 0 {
                places[link] = place
                return
            }
            guard errno == ENOBUFS || errno == ENOMEM else { throw SystemError(call: "IPV6_JOIN_GROUP", number: errno) }
            sockets[place].isFull = true
        }
        let descriptor = try SystemError.check(
            "socket", socket(AF_INET6, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        guard request(20, link, descriptor) == 0 else {
            let error = SystemError(call: "IPV6_JOIN_GROUP", number: errno)
            close(descriptor)
            throw error
        }
        places[link] = sockets.count
        sockets.append((descriptor, false))
    }

    func leave(_ link: UInt32) {
        guard let place = places.removeValue(forKey: link) else { return }
        // The device may be gone; its membership is the socket's all the same.
        _ = request(21, link, sockets[place].descriptor)
        sockets[place].isFull = false
    }

    /// IPV6_JOIN_GROUP (20) or IPV6_LEAVE_GROUP (21): the group's address, then the device.
    private func request(_ option: Int32, _ link: UInt32, _ descriptor: Int32) -> Int32 {
        var value: [UInt8] = [0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0, 0x02]
        withUnsafeBytes(of: link) { value += $0 }
        return setsockopt(descriptor, Int32(IPPROTO_IPV6), option, &value, socklen_t(value.count))
    }
}
