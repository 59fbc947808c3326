import Addresses
import Configuration
import GREBonding
import NetlinkKit

/// How large packets may be. A bond has one sequence and one device, so one MTU: what fits the narrowest path of its
/// legs. (RFC 7676 §3 calls it GMTU.)
enum PathMTU {
    /// Bytes that every link carries of IPv6 (RFC 8200 §5). A device with less loses its IPv6 addresses.
    static let leastIPv6: UInt32 = 1280
    static let leastIPv4: UInt32 = 576

    /// Bytes of an outer packet that reach `destination`: what routers have said, else what the link takes.
    /// - Parameters:
    ///   - source: the leg's own address
    ///   - link: the leg's device where that is certain
    /// - Returns: nil where there is no way to it
    static func read(
        _ exchange: Exchange, to destination: IPAddress, from source: IPAddress, link: UInt32? = nil
    ) -> UInt32? {
        guard let route = try? exchange.route(to: destination, from: source, outputLink: link) else { return nil }
        // For IPv6 the route's own MTU stays behind when the link gets a smaller one.
        let device = route.nextHops.first.flatMap { (try? exchange.link(.index($0.link))) ?? nil }?.mtu
        return [route.mtu, device].compactMap { $0 }.min()
    }

    /// Bytes of an inner packet that fit all paths.
    /// - Parameters:
    ///   - paths: bytes of an outer packet
    ///   - esp: what protects the legs' packets
    static func inner(
        _ paths: some Sequence<UInt32>, outer: IPFamily, carriesIPv6: Bool, esp: ESPOverhead? = nil
    ) -> UInt32 {
        let header = Overhead.outer(outer) - Overhead.gre
        let behind = max(paths.min() ?? 1500, header) - header
        let inside = max(esp?.payload(in: behind) ?? behind, Overhead.gre) - Overhead.gre
        return max(inside, carriesIPv6 ? leastIPv6 : leastIPv4)
    }
}

/// Bonds whose paths are narrower than their links, and where each bond's gateway is.
struct PathWatch {
    private var bonds: [IPAddress: Set<UInt32>] = [:]
    private var addresses: [UInt32: [IPAddress]] = [:]
    private var narrow: Set<UInt32> = []
    private(set) var due: Instant?
    /// The kernel forgets what it was told after ten minutes.
    static let interval = Duration.seconds(60)

    init() {}

    /// The bonds whose gateway has this address.
    func bonds(at address: IPAddress) -> Set<UInt32> { bonds[address] ?? [] }

    /// - Parameter isNarrow: its path has to be read again, as it may become wider unheard
    mutating func set(_ bond: UInt32, at new: [IPAddress], isNarrow: Bool, now: Instant) {
        for address in addresses[bond] ?? [] {
            bonds[address]?.remove(bond)
            if bonds[address]?.isEmpty == true { bonds[address] = nil }
        }
        for address in new { bonds[address, default: []].insert(bond) }
        addresses[bond] = new.isEmpty ? nil : new
        if isNarrow { narrow.insert(bond) } else { narrow.remove(bond) }
        if narrow.isEmpty { due = nil } else if due == nil { due = now + Self.interval }
    }

    /// The bonds to be read again, if it is time.
    mutating func takeDue(_ now: Instant) -> Set<UInt32> {
        guard let time = due, time <= now else { return [] }
        due = now + Self.interval
        return narrow
    }
}
