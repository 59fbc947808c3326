import Addresses
import GREBonding

/// Setup Requests and Tear Downs that wait for their turn. Each costs what a bond costs the kernel, milliseconds; what else
/// is said in bonds goes first, so that a rush of gateways that come, as after a start, or go ends nobody else's bond.
struct SetupLine {
    struct Request: Hashable {
        var message: ControlMessage
        var source: IPAddress
        var destination: IPAddress
    }

    enum Outcome: Equatable {
        case waits
        /// The very same request waits already, or the end of that bond: its gateway has said so again.
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
    /// Keys of bonds that are to end. There are no more than bonds.
    private var ending: Set<UInt32> = []

    init() {}

    var isEmpty: Bool { first == line.count }

    /// - Parameter request: a Tear Down only if it ends a bond
    mutating func add(_ request: Request) -> Outcome {
        if request.message.type == .tearDown {
            guard ending.insert(request.message.key).inserted else { return .waitsAlready }
            line.append(request)
            return .waits
        }
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
        if request.message.type == .tearDown { ending.remove(request.message.key) } else { waiting.remove(request) }
        if first == line.count || first > Self.limit {
            line.removeFirst(first)
            first = 0
        }
        return request
    }
}
