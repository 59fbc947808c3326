extension Facts {
    /// What a scrape gets.
    public func metrics() -> [UInt8] {
        var text = MetricsText()
        text.family(.build) { $0.add([("version", version), ("role", role.rawValue)], 1) }
        text.add(.startTime, startTime)
        addBonds(to: &text)
        addLegs(to: &text)
        addOrder(to: &text)
        addTroubles(to: &text)
        text.family(.processorTime) { $0.add([], process.processorTime, per: 1000) }
        text.add(.residentMemory, process.residentMemory)
        text.add(.openDescriptors, process.openDescriptors)
        if !each.isEmpty { addEach(to: &text) }
        return text.bytes
    }

    private func addBonds(to text: inout MetricsText) {
        text.add(.bondsConfigured, bonds.configured)
        text.add(.bondsUp, bonds.up)
        text.family(.bondsUsing) {
            $0.add([("legs", "both")], bonds.both)
            $0.add([("legs", "dsl")], bonds.onlyDSL)
            $0.add([("legs", "lte")], bonds.onlyLTE)
        }
        if role == .aggregationPoint { text.add(.draining, isDraining ? 1 : 0) }
        guard let bond else { return }
        text.add(.committed, bond.committed / 8)
        text.family(.bypass) {
            $0.add([("direction", "down")], bond.bypass.down / 8)
            $0.add([("direction", "up")], bond.bypass.up / 8)
        }
    }

    private func addLegs(to text: inout MetricsText) {
        func each(_ metric: Metric, _ value: (Leg) -> UInt64?) {
            text.family(metric) { samples in
                for leg in legs { if let value = value(leg) { samples.add([("link", leg.name)], value) } }
            }
        }
        each(.legsConfigured) { UInt64($0.configured) }
        each(.legsUp) { UInt64($0.up) }
        text.family(.legLosses) { samples in
            for loss in legLosses { samples.add([("link", loss.leg), ("reason", loss.why)], loss.count) }
        }
        each(.receivedBytes) { $0.traffic.receivedBytes }
        each(.receivedPackets) { $0.traffic.receivedPackets }
        each(.sentBytes) { $0.traffic.sentBytes }
        each(.sentPackets) { $0.traffic.sentPackets }
        guard role == .gateway else { return }
        text.family(.capacity) { samples in
            for leg in legs {
                if leg.capacity.down > 0 {
                    samples.add([("link", leg.name), ("direction", "down")], leg.capacity.down / 8)
                }
                if leg.capacity.up > 0 { samples.add([("link", leg.name), ("direction", "up")], leg.capacity.up / 8) }
            }
        }
        func seconds(_ metric: Metric, _ value: (Leg) -> Int64?) {
            text.family(metric) { samples in
                for leg in legs { if let us = value(leg) { samples.add([("link", leg.name)], us, per: 1_000_000) } }
            }
        }
        seconds(.roundTrip, \.roundTrip)
        seconds(.smoothedRoundTrip, \.smoothedRoundTrip)
        each(.hellosSent, \.hellosSent)
        each(.hellosAnswered, \.hellosAnswered)
    }

    private func addOrder(to text: inout MetricsText) {
        text.family(.resequencedPackets) {
            $0.add([("outcome", "in_order")], resequencer.inOrder)
            $0.add([("outcome", "held")], resequencer.held)
            $0.add([("outcome", "late")], resequencer.late)
        }
        text.family(.missingPackets) {
            $0.add([("reason", "passed_over")], resequencer.passedOver)
            $0.add([("reason", "timed_out")], resequencer.timedOut)
        }
        text.add(.resynchronized, resequencer.resynchronized)
        text.add(.depth, resequencer.depth)
        text.family(.longestWait) { $0.add([], resequencer.longestWait, per: 1_000_000_000) }
        text.add(.queuedPackets, queue.packets)
        text.family(.queueErrors) {
            $0.add([("reason", "unsequenced")], queue.unsequenced)
            $0.add([("reason", "overrun")], queue.overruns)
            $0.add([("reason", "refused_verdict")], queue.refused)
        }
    }

    private func addTroubles(to text: inout MetricsText) {
        text.family(.events) { for one in eventCounts { $0.add([("event", one.kind.rawValue)], one.count) } }
        text.family(.discarded) { for one in discarded { $0.add([("reason", one.why)], one.count) } }
        text.add(.controlDrops, controlDrops)
        text.add(.kernelRefusals, kernelRefusals)
        if let ipsec {
            text.family(.ipsecStates) {
                $0.add([("state", "present")], ipsec.states)
                $0.add([("state", "missing")], ipsec.missing)
            }
            text.family(.ipsecRefused) {
                $0.add([("reason", "replayed")], ipsec.replayed)
                $0.add([("reason", "forged")], ipsec.forged)
                $0.add([("reason", "in_the_clear")], ipsec.clear)
            }
        }
        text.family(.drift) { for one in drift { $0.add([("kind", one.kind)], one.count) } }
        text.family(.hooks) {
            $0.add([("outcome", "started")], hooks.started)
            $0.add([("outcome", "failed")], hooks.failed)
            $0.add([("outcome", "killed")], hooks.killed)
            $0.add([("outcome", "dropped")], hooks.dropped)
        }
        text.add(.hooksWaiting, hooks.waiting)
        text.family(.httpRequests) { for one in http { $0.add([("code", "\(one.status)")], one.count) } }
    }

    private func addEach(to text: inout MetricsText) {
        text.family(.bondUp) { for bond in each { $0.add([("bond", bond.name)], bond.isUp ? 1 : 0) } }
        func legs(_ metric: Metric, _ value: (Leg) -> UInt64) {
            text.family(metric) { samples in
                for bond in each {
                    for leg in bond.legs { samples.add([("bond", bond.name), ("link", leg.name)], value(leg)) }
                }
            }
        }
        legs(.bondLegUp) { UInt64($0.up) }
        legs(.bondReceivedBytes, \.traffic.receivedBytes)
        legs(.bondSentBytes, \.traffic.sentBytes)
        text.family(.bondCommitted) { for bond in each { $0.add([("bond", bond.name)], bond.committed / 8) } }
    }
}
