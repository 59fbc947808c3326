import Addresses
import Configuration
import NetlinkKit

/// The way past the bond for one family: straight to what is behind the DSL line.
struct BypassPath: Hashable {
    /// nil where the link has one other end.
    var gateway: IPAddress?

    /// IFF_POINTOPOINT
    private static let pointToPoint: UInt32 = 0x10

    /// - Returns: nil where the link has no carrier, no address of the family, or no way on
    static func read(_ exchange: Exchange, _ leg: LegConfiguration, _ family: IPFamily, _ kernel: KernelConfiguration)
        throws(KernelError) -> BypassPath?
    {
        let configured = leg.gateway.flatMap { $0.family == family ? $0 : nil }
        let wan = try WAN.read(exchange, leg.interface.description, family, configured, kernel)
        guard let wan, wan.address != nil else { return nil }
        if let gateway = wan.gateway { return BypassPath(gateway: gateway) }
        let link = try exchange.link(.index(wan.index))
        return link.map { $0.flags & pointToPoint != 0 } == true ? BypassPath(gateway: nil) : nil
    }
}
