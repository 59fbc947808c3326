import NetlinkKit

/// The kernel's IPsec states and policies, as far as they are ours. A state that is made anew goes on with the numbers
/// of the one before: a number that is used twice would betray a key or be refused by the other end (RFC 4303 §3.3.3).
final class SecurityKernel {
    private var opened: Exchange?
    /// By SPI, which keys and SPI are derived with: numbers of states that are not there now.
    private var carried: [UInt32: ReplayState] = [:]

    private func exchange() throws(KernelError) -> Exchange {
        if let opened { return opened }
        let new = Exchange(try NetlinkSocket(.xfrm))
        opened = new
        return new
    }

    /// Where a state goes on when it is made; what is known already and is further on stays.
    func carry(_ spi: UInt32, _ replay: ReplayState) {
        guard let known = carried[spi] else {
            carried[spi] = replay
            return
        }
        carried[spi]?.sent = max(known.sent, replay.sent)
        if replay.received > known.received {
            carried[spi]?.received = replay.received
            carried[spi]?.bitmap = replay.bitmap
        }
    }

    func add(_ state: SecurityState) throws(KernelError) {
        var state = state
        if let replay = carried[state.spi] {
            state.replay.sent = replay.sent
            state.replay.received = replay.received
            if replay.window == state.replay.window { state.replay.bitmap = replay.bitmap }
        }
        try exchange().perform(state.add())
        carried[state.spi] = nil
    }

    func add(_ policy: SecurityPolicy) throws(KernelError) { try exchange().perform(policy.add()) }

    /// Keeps its numbers.
    func remove(_ id: SecurityStateID) throws(KernelError) {
        let exchange = try exchange()
        guard let present = try exchange.securityState(id) else { return }
        try exchange.perform(id.delete())
        if let replay = present.replay { carry(id.spi, replay) }
    }

    func remove(_ policy: SecurityPolicy) throws(KernelError) { try exchange().perform(policy.delete()) }

    func has(_ id: SecurityStateID) -> Bool { ((try? exchange().securityState(id)) ?? nil) != nil }

    /// Those with these numbers, whoever made them.
    func states(_ requestIDs: ClosedRange<UInt32>) throws(KernelError) -> [ObservedSecurityState] {
        // One without a number only stands for what an IKE daemon was asked for.
        try exchange().securityStates().filter { requestIDs.contains($0.requestID) && $0.id.spi != 0 }
    }

    /// Removes what a run before has left: our policies, and states where they are ours and not an IKE daemon's.
    func sweep(_ requestIDs: ClosedRange<UInt32>, ownsStates: Bool) {
        guard let exchange = try? exchange() else { return }
        if ownsStates { for state in (try? states(requestIDs)) ?? [] { try? remove(state.id) } }
        let left = ((try? exchange.securityPolicies()) ?? []).filter { LegPolicies.has($0, requestIDs) }
        _ = exchange.perform(left.map { $0.delete() })
    }
}
