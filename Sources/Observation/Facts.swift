/// What the daemon is doing, as its metrics, its page and `spillway top` tell it: taken from what it knows already,
/// without a question to the kernel.
public struct Facts: Sendable {
    public enum Role: String, Sendable {
        case gateway = "hg"
        case aggregationPoint = "haap"
    }

    public var role: Role
    public var version: String
    /// Seconds since the daemon began.
    public var uptime: Int64
    /// Seconds since 1970-01-01T00:00Z when it began.
    public var startTime: Int64
    /// The state in a few words.
    public var summary = ""
    public var bonds = Bonds()
    /// DSL, then LTE: a gateway's own, or those of all bonds together.
    public var legs: [Leg] = []
    /// The gateway's own, up or not.
    public var bond: Bond?
    /// At an aggregation point, at most as many as were asked for, the first ones the most so.
    public var busiest: [Bond] = []
    public var unhealthiest: [Bond] = []
    /// Every bond, where metrics of each are wanted.
    public var each: [Bond] = []
    public var resequencer = Resequencer()
    public var queue = Queue()
    public var hooks = Hooks()
    /// nil where legs are in the clear.
    public var ipsec: IPsec?
    public var isDraining = false
    /// Newest first.
    public var events: [PastEvent] = []
    public var eventCounts: [(kind: EventKind, count: UInt64)] = []
    public var legLosses: [(leg: String, why: String, count: UInt64)] = []
    public var discarded: [(why: String, count: UInt64)] = []
    public var controlDrops: UInt64 = 0
    public var kernelRefusals: UInt64 = 0
    /// What others changed of the daemon's objects in the kernel, by kind of object.
    public var drift: [(kind: String, count: UInt64)] = []
    public var http: [(status: Int, count: UInt64)] = []
    public var process = Process()

    public init(role: Role, version: String, uptime: Int64, startTime: Int64) {
        self.role = role
        self.version = version
        self.uptime = uptime
        self.startTime = startTime
    }

    public struct Bonds: Hashable, Sendable {
        public var configured = 0
        public var up = 0
        /// Bonds that use both legs, DSL alone, LTE alone.
        public var both = 0, onlyDSL = 0, onlyLTE = 0

        public init() {}
    }

    /// Bit/s of outer packets.
    public struct Rate: Hashable, Sendable {
        public var down: UInt64
        public var up: UInt64

        public init(down: UInt64 = 0, up: UInt64 = 0) {
            self.down = down
            self.up = up
        }

        public static func + (a: Self, b: Self) -> Self { Self(down: a.down &+ b.down, up: a.up &+ b.up) }
    }

    /// Outer packets and their bytes since the daemon began.
    public struct Traffic: Hashable, Sendable {
        public var receivedPackets: UInt64 = 0, receivedBytes: UInt64 = 0
        public var sentPackets: UInt64 = 0, sentBytes: UInt64 = 0

        public init() {}
    }

    public struct Leg: Hashable, Sendable {
        /// "dsl", "lte"
        public var name: String
        public var configured = 0
        public var up = 0
        /// A gateway's: the session's word for it.
        public var state = ""
        /// Why it is in that state, and for how many seconds.
        public var why: String?
        public var since: Int64?
        public var interface: String?
        public var address: String?
        /// Measured last; towards the gateway and from it.
        public var rate = Rate()
        /// As configured or told; 0: not known.
        public var capacity = Rate()
        public var traffic = Traffic()
        /// Microseconds: of the last Hello, smoothed, and those before, oldest first.
        public var roundTrip: Int64?
        public var smoothedRoundTrip: Int64?
        public var roundTrips: [UInt32] = []
        public var hellosSent: UInt64 = 0
        public var hellosAnswered: UInt64 = 0

        public init(_ name: String) { self.name = name }
    }

    public struct Bond: Hashable, Sendable {
        /// Client Identification Name.
        public var name: String
        public var session: UInt32 = 0
        public var device: String?
        public var isUp = false
        /// "overflow dsl>lte", "only dsl"
        public var distribution = ""
        /// "active", "idle"
        public var helloState = ""
        /// What is wrong with it, in a few words.
        public var trouble: String?
        /// Bit/s at which DSL is filled in this end's direction, and what goes beside the bond.
        public var committed: UInt64 = 0
        public var bypass = Rate()
        public var legs: [Leg] = []

        public init(name: String) { self.name = name }

        public var rate: Rate { legs.reduce(Rate()) { $0 + $1.rate } }

        /// LTE's share of what flows this way, in percent; nil while nothing does.
        public func overflow(_ direction: KeyPath<Rate, UInt64>) -> Int? { Facts.overflow(legs, direction) }
    }

    public struct Resequencer: Hashable, Sendable {
        public var inOrder: UInt64 = 0, held: UInt64 = 0, late: UInt64 = 0
        public var passedOver: UInt64 = 0, timedOut: UInt64 = 0, resynchronized: UInt64 = 0
        /// Packets held now.
        public var depth = 0
        /// Nanoseconds.
        public var longestWait: Int64 = 0

        public init() {}
    }

    /// States of the legs, and packets that were refused.
    public struct IPsec: Hashable, Sendable {
        public var states: UInt64 = 0, missing: UInt64 = 0
        public var replayed: UInt64 = 0, forged: UInt64 = 0
        /// Without protection, or with another than a leg's.
        public var clear: UInt64 = 0

        public init() {}
    }

    public struct Queue: Hashable, Sendable {
        public var packets: UInt64 = 0, unsequenced: UInt64 = 0, overruns: UInt64 = 0, refused: UInt64 = 0

        public init() {}
    }

    public struct Hooks: Hashable, Sendable {
        public var started: UInt64 = 0
        /// Could not be started, or ended with another status than 0.
        public var failed: UInt64 = 0
        /// Took longer than they may.
        public var killed: UInt64 = 0
        /// Events for which there was no room in the queue.
        public var dropped: UInt64 = 0
        /// Events that wait.
        public var waiting = 0

        public init() {}
    }

    public struct PastEvent: Hashable, Sendable {
        public var event: Event
        /// RFC 3339, UTC.
        public var time: String
        /// Seconds ago.
        public var age: Int64

        public init(_ event: Event, time: String, age: Int64) {
            self.event = event
            self.time = time
            self.age = age
        }
    }

    public struct Process: Hashable, Sendable {
        /// Milliseconds of processor time.
        public var processorTime: Int64 = 0
        /// Bytes.
        public var residentMemory: Int64 = 0
        public var openDescriptors = 0

        public init() {}
    }

    /// LTE's share of what flows this way, in percent; nil while nothing does.
    public func overflow(_ direction: KeyPath<Rate, UInt64>) -> Int? { Self.overflow(legs, direction) }

    static func overflow(_ legs: [Leg], _ direction: KeyPath<Rate, UInt64>) -> Int? {
        let all = legs.reduce(0) { $0 &+ $1.rate[keyPath: direction] }
        guard all > 0, let lte = legs.first(where: { $0.name == "lte" }) else { return nil }
        return Int(lte.rate[keyPath: direction] &* 100 / all)
    }
}
