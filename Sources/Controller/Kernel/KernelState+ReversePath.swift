import Glibc
import NetlinkKit

extension KernelState {
    /// Interfaces whose reverse path filter would drop a leg's packets once their source is rewritten.
    /// - Parameter isBond: tells devices of bonds, which no leg's packets come by
    func strictInterfaces(_ isBond: (String) -> Bool) throws(KernelError) -> [String] {
        try route.reversePathFilters().devices(with: .strict).compactMap(Self.presentName)
            .filter { $0 != "lo" && $0 != CanonicalDevice.name && !isBond($0) }
    }

    /// As the kernel has it now, where ``name(of:)`` is what was remembered; nil: it has gone meanwhile.
    private static func presentName(of index: UInt32) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { buffer in
            guard let name = buffer.baseAddress, if_indextoname(index, name) != nil else { return nil }
            return String(cString: name)
        }
    }
}
