import Addresses
import Configuration
import Formatting
import GREBonding
import NFTables
import NetlinkKit

/// One thing that must be in the kernel. Devices are named, not numbered: numbers are found when it is applied. An
/// aggregation point holds a hundred thousand of them, most of them elements: what is large and rare is kept apart.
enum KernelObject: Hashable, Sendable {
    indirect case link(name: String, LinkSettings)
    /// A setting of a device that is not ours; what was there before comes back at the end.
    case reversePathFilter(link: String, ReversePathFilter)
    case address(link: String, IPPrefix, LeasedAddress? = nil)
    case route(RouteToDevice)
    indirect case rule(Rule)
    case policy(SecurityPolicy)
    indirect case state(SecurityState)
    case ruleset(Ruleset)
    indirect case colouring(link: String, Colouring)
    case element(SharedSet, Element)
    /// All that a set holds: replaced as one.
    indirect case contents(NamedSet, [Element])

    /// What makes it this object: two with the same identity cannot be there at once.
    enum Identity: Hashable, Sendable {
        case link(String)
        case reversePathFilter(String)
        case address(String, IPPrefix)
        case route(table: UInt32, IPPrefix)
        case rule(Rule)
        case policy(TrafficSelector, SecurityPolicy.Direction)
        case state(spi: UInt32)
        case ruleset(TableName)
        case colouring(String)
        case element(TableName, String, [Value])
        case contents(TableName, String)
    }

    var identity: Identity {
        switch self {
        case .link(let name, _): .link(name)
        case .reversePathFilter(let link, _): .reversePathFilter(link)
        case .address(let link, let prefix, _): .address(link, prefix)
        case .route(let route): .route(table: route.table, route.destination)
        case .rule(let rule): .rule(rule)
        case .policy(let policy): .policy(policy.selector, policy.direction)
        case .state(let state): .state(spi: state.spi)
        case .ruleset(let ruleset): .ruleset(ruleset.table.id)
        case .colouring(let link, _): .colouring(link)
        case .element(let shared, let element): .element(shared.set.table, shared.set.name, element.key)
        case .contents(let set, _): .contents(set.table, set.name)
        }
    }

    /// Order of creation; removal goes the other way. A leg is opened for receiving before anything is sent on it, and
    /// before either what has to protect it is there.
    var rank: Int {
        switch self {
        case .policy: 0
        case .state: 1
        case .link: 2
        case .reversePathFilter: 3
        case .address: 4
        case .route: 5
        case .ruleset: 6
        case .element, .contents: 7
        case .colouring: 8
        case .rule: 9
        }
    }
}

/// A set that thousands of bonds have elements in: each knows the same one.
final class SharedSet: Hashable, Sendable {
    let set: NamedSet

    init(_ set: NamedSet) { self.set = set }

    static func == (a: SharedSet, b: SharedSet) -> Bool { a === b || a.set == b.set }
    func hash(into hasher: inout Hasher) { hasher.combine(set) }
}

/// What is special about an address that is leased, on a device of others.
struct LeasedAddress: Hashable, Sendable {
    /// Until then it is for new connections, too.
    var preferredUntil: Instant
    var validUntil: Instant
    /// By which a later run knows it.
    var `protocol`: UInt8
}

/// A route over one device, or one that ends here.
struct RouteToDevice: Hashable, Sendable {
    var destination: IPPrefix
    var link: String
    var gateway: IPAddress?
    var table: UInt32
    var `protocol`: RouteProtocol
    var preferredSource: IPAddress?
    /// `unreachable` has no device.
    var type = RouteType.unicast
    /// The metric.
    var priority: UInt32 = 0

    /// What nothing more specific leads to is answered by ICMP errors. Its metric keeps it apart from routes of others.
    static func unreachable(_ destination: IPPrefix, protocol: RouteProtocol) -> RouteToDevice {
        var route = RouteToDevice(destination, link: "", protocol: `protocol`)
        route.type = .unreachable
        route.priority = 1 << 30
        return route
    }

    init(
        _ destination: IPPrefix, link: String, gateway: IPAddress? = nil, table: UInt32 = Route.mainTable,
        protocol: RouteProtocol, preferredSource: IPAddress? = nil
    ) {
        self.destination = destination.masked
        self.link = link
        self.gateway = gateway
        self.table = table
        self.protocol = `protocol`
        self.preferredSource = preferredSource
    }

    func route(_ index: UInt32) -> Route {
        let hops = [NextHop(gateway: gateway, link: index, isOnLink: gateway != nil)]
        return Route(
            to: destination, type: type, nextHops: type == .unicast ? hops : [], table: table, protocol: `protocol`,
            priority: priority, preferredSource: preferredSource)
    }
}

/// The chains, rules, sets and counters of one table. Elements that come and go with bonds are objects of their own.
struct Ruleset: Hashable, Sendable {
    var table: Table
    var sets: [NamedSet] = []
    var counters: [String] = []
    var chains: [Chain] = []
    var rules: [ChainRule] = []
    /// What sets hold from the beginning.
    var elements: [SetContents] = []

    init(_ table: Table) { self.table = table }

    /// Replaces whatever the table holds in one step.
    func write(to transaction: inout Transaction) {
        transaction.deleteIfPresent(table.id)
        transaction.add(table)
        for set in sets { transaction.add(set) }
        for name in counters { transaction.add(StatefulObject(table.id, name, .counter(Counter()))) }
        for chain in chains { transaction.add(chain) }
        for contents in elements { transaction.add(contents.elements, to: contents.set) }
        for rule in rules { transaction.add(rule) }
    }
}

struct SetContents: Hashable, Sendable {
    var set: NamedSet
    var elements: [Element]
}

/// What the queue before both legs has to know of the second one.
struct SecondLeg: Hashable, Sendable {
    /// Bytes a second that it carries; 0: not known, no limit.
    var rate: UInt64 = 0
    /// The same where all is given to it: a search that begins low, and drains, would cost what nothing carries meanwhile.
    var rateAlone: UInt64 = 0
    /// Nanoseconds by which its packets arrive later.
    var delay: UInt64 = 0
    /// Whether what it adds is worth its use at present.
    var isUsed = true
    /// The count of bytes given to it that may not be exceeded for now; nil: there is no such limit.
    var end: UInt64?

    init() {}

    /// - Parameters:
    ///   - rate: nil: it is not measured, and what is configured holds
    ///   - delay: by which its packets arrive later
    init(_ rate: LegRate?, configured: BitRate?, delay: Duration) {
        self.delay = UInt64(max(0, delay.nanoseconds))
        guard let rate else {
            self.rate = configured.map(Self.ceiling) ?? 0
            rateAlone = self.rate
            return
        }
        self.rate = rate.rate
        rateAlone = rate.settings.ceiling ?? 0
        isUsed = rate.isWorthUsing
        end = rate.end
    }

    /// For the status, as far as it is known.
    var json: JSONObject {
        var object = JSONObject()
        object.add("used", isUsed)
        object.add("rate_kbit", rate / 125)
        object.add("later_us", delay / 1000)
        return object
    }

    /// What is used of a configured rate, so that the leg's own queue stays empty: bytes a second.
    static func ceiling(_ rate: BitRate) -> UInt64 { rate.bytesPerSecond / 100 * 98 }
}

/// The program on a bond's device that chooses a leg for each packet (RFC 8157 §4.3).
struct Colouring: Hashable, Sendable {
    /// Packet mark of the leg that conforming packets take.
    var primary: UInt32
    /// Packet mark for the rest; the same as `primary` where all take one leg.
    var secondary: UInt32
    var mask: UInt32
    /// Committed rate in bytes a second, and CBS + EBS in bytes.
    var rate: UInt64
    var burst: UInt32
    /// Bytes that each packet grows by before it is on the link.
    var overhead: UInt16
    /// Packets that come with a leg's mark keep to that leg while it is in use.
    var pins = false
    /// One queue before both legs instead of `police`.
    var queues = false
    /// Which legs may be used: bit 0 the first, bit 1 the second; their marks; what is known of the second one, and what
    /// packets grow by on it.
    var legs: UInt32 = 0
    var marks: [UInt32] = [0, 0]
    var second = SecondLeg()
    var secondaryOverhead: UInt16 = 0
    /// What each leg may carry at most, in bytes a second; 0: no limit.
    var limits: [UInt64] = [0, 0]
    var sharing = Sharing.overflow

    /// How two legs share; the numbers are the first one's share of 65536, 1…65535.
    enum Sharing: Hashable, Sendable {
        case overflow
        case packets(UInt32)
        case flows(UInt32)
    }
}
