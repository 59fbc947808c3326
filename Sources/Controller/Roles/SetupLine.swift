import Addresses
import GREBonding

/// Setup Requests that wait for their turn. Each costs what a bond costs the kernel, milliseconds; what is said in bonds
/// goes first, so that a rush of new gateways, as after a start, ends nobody's bond.
struct SetupLine {
    struct Request: Hashable {
        var message: ControlMessage
        var source: IPAddress
        var destination: IPAddress
    }

    enum Outcome: Equatable {
        case waits
        /// The very same request waits already: its gateway has asked again.
        case waitsAlready
        case noRoom
    }

    /// More than this machine sets up before their gateways ask again.
    static let limit = 2048
    /// For so long requests have their turn in one round of events.
    static let turn = Duration.milliseconds(5)

    private var line: [Request] = []
    /// Of the next one.
    private var first = 0
    private var waiting: Set<Request> = []

    init() {}

    var isEmpty: Bool { waiting.isEmpty }

    mutating func add(_ request: Request) -> Outcome {
        if waiting.contains(request) { return .waitsAlready }
        guard waiting.count < Self.limit else { return .noRoom }
        waiting.insert(request)
        line.append(request)
        return .waits
    }

    mutating func next() -> Request? {
        guard first < line.count else { return nil }
        let request = line[first]
        first += 1
        waiting.remove(request)
        if first == line.count || first > Self.limit {
            line.removeFirst(first)
            first = 0
        }
        return request
    }
}
