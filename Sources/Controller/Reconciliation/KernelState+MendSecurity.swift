import NetlinkKit

// What protects the legs: compared, and put right before anything else is.
extension KernelState {
    /// States that an IKE daemon makes are none of ours: the policies are.
    /// - Returns: whether all of it succeeded
    func mendSecurity() -> Bool {
        let objects = objects(of: .security)
        guard !objects.isEmpty else { return true }
        var succeeded = true
        let policiesRead = attempt {
            let present = try security.allPolicies()
            for case .policy(let wanted) in objects {
                if !attempt({ try mend(wanted, present) }) { succeeded = false }
            }
        }
        let statesRead = attempt {
            let present = try security.allStates()
            for case .state(let wanted) in objects where !security.hasEnded(wanted.id) {
                // What one is refused for need not be so for the next.
                if !attempt({ try mend(wanted, present[wanted.id]) }) { succeeded = false }
            }
        }
        return succeeded && policiesRead && statesRead
    }

    private func mend(_ wanted: SecurityPolicy, _ present: [ObservedSecurityPolicy]) throws(KernelError) {
        let found = present.first { $0.selector == wanted.selector && $0.direction == wanted.direction }
        guard found?.policy != wanted else { return }
        if let found {
            found.drift(from: wanted).forEach(note)
        } else {
            note(.gone(.policy, "\(wanted)"))
        }
        try security.replace(wanted)
    }

    private func mend(_ wanted: SecurityState, _ found: ObservedSecurityState?) throws(KernelError) {
        let drift = found?.drift(from: wanted, passed: security.passed(wanted.spi)) ?? [.gone(.state, "\(wanted.id)")]
        guard !drift.isEmpty else { return }
        drift.forEach(note)
        try security.putBack(wanted)
    }
}

extension ObservedSecurityPolicy {
    func drift(from wanted: SecurityPolicy) -> [Drift] {
        var comparison = Comparison(.policy, "\(wanted)")
        if let policy {
            comparison.field("priority", policy.priority, wanted.priority)
            comparison.field("reqid", policy.requestID, wanted.requestID)
        } else {
            comparison.differs("protection", "another", "ours")
        }
        return comparison.drift
    }
}

extension ObservedSecurityState {
    /// - Parameter passed: numbers that it had before and must not have again
    func drift(from wanted: SecurityState, passed: ReplayState?) -> [Drift] {
        var comparison = Comparison(.state, "\(wanted.id)")
        comparison.field("source", source, wanted.source)
        comparison.field("reqid", requestID, wanted.requestID)
        comparison.field("if_id", interfaceID, wanted.interfaceID)
        // Keys are told to nobody.
        if transform != wanted.transform { comparison.differs("keys", "others", "ours") }
        if !isTransport { comparison.differs("mode", "another", "transport") }
        comparison.field("replay-window", replay?.window ?? 0, wanted.replay.window)
        if let passed, let replay {
            if replay.sent < passed.sent { comparison.differs("sent", "\(replay.sent)", "\(passed.sent) or more") }
            if replay.received < passed.received {
                comparison.differs("received", "\(replay.received)", "\(passed.received) or more")
            }
        }
        comparison.field("soft bytes", lifetime.softBytes, wanted.lifetime.softBytes)
        comparison.field("hard bytes", lifetime.hardBytes, wanted.lifetime.hardBytes)
        comparison.field("soft packets", lifetime.softPackets, wanted.lifetime.softPackets)
        comparison.field("hard packets", lifetime.hardPackets, wanted.lifetime.hardPackets)
        if let selector { comparison.differs("selector", "\(selector)", "none") }
        // A device that cannot do the work leaves it to the kernel.
        if let offload, offload.isInbound != wanted.offload?.isInbound {
            comparison.differs("offload", "another", "ours")
        }
        if hasMore { comparison.differs("flags", "more", "ours") }
        return comparison.drift
    }
}
