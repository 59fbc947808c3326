import GREBonding
import Glibc
import NFTables
import NetlinkKit

// What the kernel refused to this program: it is held to be wanted, looked at a moment later as if a stranger had
// changed it, and made as far as it is not there. What could not be removed is removed then.
extension KernelState {
    /// The reason for a refusal may have passed by then.
    private static let pause = Duration.milliseconds(100)
    private static let patience = Duration.seconds(1)
    /// How often the end, and a start, ask for what could not be removed.
    static let attempts = 4
    /// How often the kernel has to say that there is no such thing.
    private static let denials = 3

    /// Takes note of a step that failed.
    func leave(_ step: Plan.Step, of owner: Owner) {
        finishSoon()
        switch step {
        case .create(let object), .change(_, let object): unfinished.add(object, of: owner)
        case .remove(let object) where step.isElement: unfinished.add(object, of: owner)
        case .remove(let object): leftovers[owner, default: []].append(object)
        }
    }

    private var isFinished: Bool { unfinished.isEmpty && leftovers.isEmpty && unswept == nil }

    /// The next round is due in a moment, unless one is already.
    func finishSoon() {
        if finishAt <= Clock.now() { finishAt = Clock.now() + Self.pause }
    }

    /// Asks again for what was refused.
    /// - Returns: when it wants to be called again; nil: nothing is left to do
    func finish(_ now: Instant) -> Instant? {
        if isFinished { return nil }
        guard finishAt <= now else { return finishAt }
        removeLeftovers()
        sweepAgain()
        let others = suspects
        suspects = unfinished
        isFinishing = true
        unfinished = look(now, slice: Self.patience)
        isFinishing = false
        unfinished.formUnion(suspects)
        suspects = others
        if isFinished {
            // What is refused next need not wait that long.
            finishAt = Instant(nanoseconds: 0)
            return nil
        }
        finishAt = Clock.now() + Self.patience
        return finishAt
    }

    /// What stands where other objects are about to be made goes first.
    func removeLeftovers(before objects: [KernelObject]) {
        if objects.isEmpty || leftovers.isEmpty && ended.isEmpty { return }
        let wanted = Set(objects.map(\.identity))
        if ended.contains(where: { wanted.contains($0.link.identity) }) { deleteEnded() }
        for (owner, left) in leftovers {
            let inTheWay = left.filter { wanted.contains($0.identity) }
            if inTheWay.isEmpty { continue }
            for object in inTheWay { _ = attempt { try remove(object) } }
            let others = left.filter { !wanted.contains($0.identity) }
            leftovers[owner] = others.isEmpty ? nil : others
        }
    }

    /// At the end: there is no later.
    func removeLeftovers(_ isMeant: (Owner) -> Bool) {
        tryAgain(Self.attempts, while: { leftovers.keys.contains(where: isMeant) }) { removeLeftovers(only: isMeant) }
    }

    /// The reason for a refusal may need a moment to pass.
    func tryAgain(_ times: Int, while isOpen: () -> Bool, _ body: () -> Void) {
        for number in 1...times {
            guard isOpen() else { return }
            if number > 1 { usleep(UInt32(Self.pause.nanoseconds / 1000)) }
            body()
        }
    }

    /// How anything is removed. That it is not there, gone with its device or by another hand, is what was wanted, if
    /// the kernel keeps saying so; what it refuses otherwise is asked for again later.
    func removing(_ isAbsence: (KernelError) -> Bool = \.isAbsence, _ remove: () throws -> Void) throws {
        for _ in 0..<Self.denials {
            do { return try remove() } catch let error as KernelError where isAbsence(error) {}
        }
    }

    /// The same of what nobody will ask for later but a sweep; whether it is gone.
    func isGone(_ isAbsence: (KernelError) -> Bool = \.isAbsence, _ remove: () throws -> Void) -> Bool {
        attempt { try removing(isAbsence, remove) }
    }

    /// A device as it is now; nil where the kernel keeps saying that there is none. Said once, it may be what a refusal
    /// looks like, and what is to be mended would be left as it is.
    func presentLink(_ name: String) throws(KernelError) -> Link? {
        for _ in 0..<Self.denials {
            if let found = try route.link(.name(name)) { return found }
        }
        return nil
    }

    @discardableResult
    func remove(_ request: NetlinkKit.Request) -> Bool { isGone { try route.perform(request) } }

    private func removeLeftovers(only isMeant: (Owner) -> Bool = { _ in true }) {
        for (owner, left) in leftovers where isMeant(owner) {
            var still: [KernelObject] = []
            for object in left where !attempt({ try remove(object) }) { still.append(object) }
            leftovers[owner] = still.isEmpty ? nil : still
        }
    }
}

extension Suspects {
    /// What is to be looked at when this object may not be as it is wanted, or be there although it is not.
    mutating func add(_ object: KernelObject, of owner: KernelState.Owner) {
        switch object {
        case .link, .reversePathFilter: add(owner, .links)
        case .address: add(owner, .addresses)
        case .colouring: add(owner, .colouring)
        case .route: routes.insert(object.identity)
        case .rule: rules = true
        case .policy, .state: security = true
        case .ruleset(let ruleset): tables.insert(ruleset.table.id)
        case .element(let shared, _): tables.insert(shared.set.table)
        case .contents(let set, _): tables.insert(set.table)
        }
    }
}

extension KernelError {
    /// Whether it says that what was to be removed is not there.
    var isAbsence: Bool {
        switch errno {
        case .noEntry?, .noDevice?, .noProcess?, .addressNotAvailable?: true
        default: false
        }
    }

    /// A rule is on no device that could be missing.
    var isAbsenceOfRule: Bool { errno == .noEntry }
}
