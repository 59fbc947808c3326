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
    ///   - devices: the MTU of devices that were asked for just now
    /// - Returns: nil where there is no way to it
    static func read(
        _ exchange: Exchange, to destination: IPAddress, from source: IPAddress, link: UInt32? = nil,
        _ devices: inout [UInt32: UInt32]
    ) -> UInt32? {
        guard let route = try? exchange.route(to: destination, from: source, outputLink: link) else { return nil }
        // For IPv6 the route's own MTU stays behind when the link gets a smaller one.
        let number = route.nextHops.first?.link
        let device = number.flatMap { number in
            devices[number] ?? ((try? exchange.link(.index(number))) ?? nil)?.mtu
        }
        if let number { devices[number] = device }
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

/// When the paths of bonds are to be read again: where they are narrower than their links now and then, and after what
/// routers say of them.
struct PathWatch {
    private var bonds: [IPAddress: Set<UInt32>] = [:]
    private var addresses: [UInt32: [IPAddress]] = [:]
    private var narrow: Set<UInt32> = []
    private var nextNarrow: Instant?
    /// Bonds of whose paths a router, or whoever pretends to be one, has said something.
    private var doubted: Set<UInt32> = []
    /// In the order in which they had their say; those that have ended meanwhile are still in it.
    private var line: [UInt32] = []
    private var nextDoubted: Instant?
    /// The kernel forgets what it was told after ten minutes.
    static let interval = Duration.seconds(60)
    /// Anybody can send ICMP errors, and each would cost a look at the kernel's routes: so many bonds are looked at once
    /// in so long.
    static let pause = Duration.milliseconds(100)
    static let atOnce = 64

    init() {}

    var due: Instant? { [nextNarrow, nextDoubted].compactMap { $0 }.min() }

    /// After ICMP errors for what was sent to this address.
    mutating func doubt(_ address: IPAddress, now: Instant) {
        guard let here = bonds[address] else { return }
        for bond in here where doubted.insert(bond).inserted { line.append(bond) }
        if nextDoubted == nil { nextDoubted = now }
    }

    /// - Parameter isNarrow: its path has to be read again, as it may become wider unheard
    mutating func set(_ bond: UInt32, at new: [IPAddress], isNarrow: Bool, now: Instant) {
        for address in addresses[bond] ?? [] {
            bonds[address]?.remove(bond)
            if bonds[address]?.isEmpty == true { bonds[address] = nil }
        }
        for address in new { bonds[address, default: []].insert(bond) }
        addresses[bond] = new.isEmpty ? nil : new
        if isNarrow { narrow.insert(bond) } else { narrow.remove(bond) }
        if new.isEmpty { doubted.remove(bond) }
        if narrow.isEmpty { nextNarrow = nil } else if nextNarrow == nil { nextNarrow = now + Self.interval }
    }

    /// The bonds whose paths are to be read now.
    mutating func takeDue(_ now: Instant) -> Set<UInt32> {
        var found: Set<UInt32> = []
        if let time = nextDoubted, time <= now {
            found = Set(line.prefix(Self.atOnce)).intersection(doubted)
            line.removeFirst(min(Self.atOnce, line.count))
            doubted.subtract(found)
            // What comes meanwhile waits for the next time.
            nextDoubted = found.isEmpty && line.isEmpty ? nil : now + Self.pause
        }
        guard let time = nextNarrow, time <= now else { return found }
        nextNarrow = now + Self.interval
        return found.union(narrow)
    }
}
