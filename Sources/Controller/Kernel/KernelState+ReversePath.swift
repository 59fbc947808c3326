import Glibc
import NetlinkKit

extension KernelState {
    /// Interfaces whose reverse path filter would drop a leg's packets once their source is rewritten. The interface's
    /// own setting and that for all are combined: the larger one holds.
    func strictInterfaces() throws(KernelError) -> [String] {
        let all = Self.reversePathFilterOfAll()
        return try route.links().compactMap { link in
            guard link.name != "lo", link.name != CanonicalDevice.name,
                let own = link.ipv4?[.reversePathFilter], max(own, all) == 1
            else { return nil }
            return link.name
        }
    }

    private static func reversePathFilterOfAll() -> UInt32 {
        let file = open("/proc/sys/net/ipv4/conf/all/rp_filter", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        var digit: UInt8 = 0
        return read(file, &digit, 1) == 1 && (0x30...0x32).contains(digit) ? UInt32(digit - 0x30) : 0
    }
}
