import NetlinkKit

/// The kernel's IPsec states and policies, as far as they are ours. A state that is made anew goes on with the numbers
/// of the one before: a number that is used twice would betray a key or be refused by the other end (RFC 4303 §3.3.3).
final class SecurityKernel {
    /// What a state may have sent since its numbers were read last, ten seconds ago: full packets at 10 Gbit/s.
    static let margin: UInt64 = 1 << 24

    /// The number after which none that can have been sent since comes again. At the end of all numbers it is the last
    /// one, with which the kernel sends nothing more (RFC 4303 §3.3.3): none begins anew.
    static func beyond(_ sent: UInt64) -> UInt64 { sent > .max - margin ? .max : sent + margin }

    private var opened: Exchange?
    /// The number of its socket; nil: none was needed so far.
    private(set) var port: UInt32?
    /// By SPI, which keys and SPI are derived with: numbers of states that are not there now.
    private var carried: [UInt32: ReplayState] = [:]
    /// The numbers of those that are there, as they were read last.
    private var seen: [UInt32: ReplayState] = [:]
    /// The last numbers of those that a stranger took away, as the kernel told them.
    private var told: [UInt32: ReplayState] = [:]
    /// What has carried as much as it may: nobody took it away.
    private var ended: Set<SecurityStateID> = []

    private func exchange() throws(KernelError) -> Exchange {
        if let opened { return opened }
        let socket = try NetlinkSocket(.xfrm)
        port = socket.port
        let new = Exchange(socket)
        opened = new
        return new
    }

    /// Requests that were to change something.
    private(set) var changes: UInt64 = 0

    private func change(_ request: NetlinkKit.Request) throws(KernelError) {
        changes &+= 1
        let exchange = try exchange()
        var request = request
        request.port = port ?? 0
        try exchange.perform(request)
    }

    // MARK: Numbers

    /// Where a state goes on when it is made; what is known already and is further on stays.
    func carry(_ spi: UInt32, _ replay: ReplayState) {
        carried[spi] = carried[spi].map { $0.furthest(replay) } ?? replay
    }

    /// The numbers of a state of ours that is there.
    func saw(_ spi: UInt32, _ replay: ReplayState) { seen[spi] = seen[spi].map { $0.furthest(replay) } ?? replay }

    /// The last numbers of a state of ours that a stranger took away.
    func lost(_ spi: UInt32, _ replay: ReplayState) {
        // This may be heard when it has been put back, beyond all these.
        guard replay.sent >= seen[spi]?.sent ?? 0 else { return }
        told[spi] = told[spi].map { $0.furthest(replay) } ?? replay
    }

    /// Numbers that a state of ours has passed for certain.
    func passed(_ spi: UInt32) -> ReplayState? {
        guard let first = seen[spi] ?? told[spi] else { return nil }
        return told[spi].map(first.furthest) ?? first
    }

    /// Where a state goes on that is gone. Where the kernel did not tell its last numbers: beyond all that it can have
    /// sent.
    private func beyond(_ spi: UInt32) -> ReplayState? {
        guard var replay = passed(spi) else { return nil }
        if told[spi] == nil { replay.sent = Self.beyond(replay.sent) }
        return replay
    }

    func end(_ id: SecurityStateID) { ended.insert(id) }

    func hasEnded(_ id: SecurityStateID) -> Bool { ended.contains(id) }

    // MARK: Objects

    func add(_ state: SecurityState) throws(KernelError) {
        var state = state
        if let replay = carried[state.spi] {
            state.replay.sent = replay.sent
            state.replay.received = replay.received
            if replay.window == state.replay.window { state.replay.bitmap = replay.bitmap }
        }
        try addOffloaded(state)
        carried[state.spi] = nil
        told[state.spi] = nil
        seen[state.spi] = state.replay
        ended.remove(state.id)
    }

    /// With the device's help where it gives it. Drivers refuse what they cannot do, many of them extended sequence
    /// numbers, and then the kernel refuses the state.
    private func addOffloaded(_ state: SecurityState) throws(KernelError) {
        do throws(KernelError) {
            return try change(state.add())
        } catch {
            guard state.offload != nil, [.invalid, .notSupported, .noSpace].contains(error.errno) else {
                throw error
            }
            var state = state
            state.offload = nil
            try change(state.add())
            onOffloadRefused(state.id, error)
        }
    }

    /// Told of a state that the kernel does the work of because its device refuses.
    var onOffloadRefused: (SecurityStateID, KernelError) -> Void = { _, _ in }

    /// Makes a state that a stranger took away or changed.
    func putBack(_ state: SecurityState) throws(KernelError) {
        let next = beyond(state.spi)
        try remove(state.id)
        if let next { carry(state.spi, next) }
        try add(state)
    }

    func add(_ policy: SecurityPolicy) throws(KernelError) { try change(policy.add()) }

    func replace(_ policy: SecurityPolicy) throws(KernelError) { try change(policy.replace()) }

    /// Keeps its numbers.
    func remove(_ id: SecurityStateID) throws(KernelError) {
        let exchange = try exchange()
        ended.remove(id)
        defer { (seen[id.spi], told[id.spi]) = (nil, nil) }
        guard let present = try exchange.securityState(id) else {
            if let next = beyond(id.spi) { carry(id.spi, next) }
            return
        }
        try change(id.delete())
        if let replay = present.replay { carry(id.spi, replay) }
    }

    func remove(_ policy: SecurityPolicy) throws(KernelError) { try change(policy.delete()) }

    /// nil also where the kernel does not tell.
    func state(_ id: SecurityStateID) -> ObservedSecurityState? { (try? exchange().securityState(id)) ?? nil }

    func has(_ id: SecurityStateID) -> Bool { state(id) != nil }

    /// Those with these numbers, whoever made them.
    func states(_ requestIDs: ClosedRange<UInt32>) throws(KernelError) -> [ObservedSecurityState] {
        // One without a number only stands for what an IKE daemon was asked for.
        try exchange().securityStates().filter { requestIDs.contains($0.requestID) && $0.id.spi != 0 }
    }

    /// All, by what the kernel finds them by where packets are not marked.
    func allStates() throws(KernelError) -> [SecurityStateID: ObservedSecurityState] {
        let found = try exchange().securityStates().filter { $0.mark == 0 }
        return Dictionary(found.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Whether there is IPsec in this kernel.
    var isAvailable: Bool { (try? exchange()) != nil }

    func everyState() throws(KernelError) -> [ObservedSecurityState] { try exchange().securityStates() }

    func everyPolicy() throws(KernelError) -> [SecurityPolicy] { try exchange().securityPolicies() }

    func allPolicies() throws(KernelError) -> [ObservedSecurityPolicy] { try exchange().observedSecurityPolicies() }
}

extension ReplayState {
    /// The later numbers of two, each way.
    func furthest(_ other: ReplayState) -> ReplayState {
        var both = self
        both.sent = max(sent, other.sent)
        if other.received > received {
            both.received = other.received
            both.bitmap = other.bitmap
            both.window = other.window
        }
        return both
    }
}
