import ProtocolSupport

// One request's way: from server to server until one answers.
extension RADIUSClient {
    /// Living servers come first, in their order, then those that are held to be dead: nothing is lost by a try.
    private func next(after pending: Pending, _ now: Duration) -> Int? {
        let left = servers.indices.prefix(64).filter { pending.asked & (1 << UInt64($0)) == 0 }
        return left.first { !isDead($0, now: now) } ?? left.first
    }

    mutating func askNext(_ ticket: Ticket, _ now: Duration, _ effects: inout [Effect]) {
        while var request = pending[ticket] {
            release(request.slot)
            request.slot = nil
            guard let server = next(after: request, now) else {
                forget(ticket)
                effects.append(.unanswered(ticket))
                return
            }
            request.asked |= 1 << UInt64(server)
            guard let slot = freeSlot(server), let bytes = encode(request.request, for: slot, now) else {
                pending[ticket] = request
                statistics[server].timeouts &+= 1
                continue
            }
            request.slot = slot
            request.bytes = bytes
            servers[server].inUse[slot.lane] += 1
            request.attempts = 1
            request.allowed = isDead(server, now: now) ? 1 : max(1, settings.tries)
            request.begun = now
            slots[slot] = ticket
            statistics[server].requests &+= 1
            deadlines.set(ticket, now + wait(1))
            pending[ticket] = request
            effects.append(.transmit(bytes, server: server, lane: slot.lane))
            return
        }
    }

    /// The wait doubles; a tenth of it is left to chance, so that many requests do not come together again.
    private mutating func wait(_ attempt: Int) -> Duration {
        let whole = settings.timeout * (1 << min(attempt - 1, 6))
        return whole - whole / 20 + whole / 10_000 * Int.random(in: 0...1000, using: &random)
    }

    mutating func expired(_ ticket: Ticket, _ now: Duration, _ effects: inout [Effect]) {
        guard var request = pending[ticket], let slot = request.slot else { return }
        // One that died meanwhile need not be waited for any longer.
        if request.attempts < request.allowed, !isDead(slot.server, now: now) {
            request.attempts += 1
            pending[ticket] = request
            statistics[slot.server].retransmissions &+= 1
            deadlines.set(ticket, now + wait(request.attempts))
            effects.append(.transmit(request.bytes, server: slot.server, lane: slot.lane))
            return
        }
        statistics[slot.server].timeouts &+= 1
        // Whether it answered anybody since is what tells a dead server from a lost packet or one that is picky.
        if (servers[slot.server].heard ?? .seconds(-1)) < request.begun {
            if !isDead(slot.server, now: now) { effects.append(.serverIsDead(slot.server)) }
            servers[slot.server].deadUntil = now + settings.deadTime
        }
        askNext(ticket, now, &effects)
    }

    private mutating func encode(_ request: ClientRequest, for slot: Slot, _ now: Duration) -> [UInt8]? {
        let secret = settings.servers[slot.server].secret.bytes
        var attributes = request.attributes
        if request.code == .accessRequest {
            let unique = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
            return authenticator.accessRequest(
                slot.identifier, attributes.items, password: request.password, authenticator: unique, secret: secret)
        }
        if let since = request.since {
            attributes.add(.acctDelayTime, UInt32(clamping: max(0, (now - since).components.seconds)))
        }
        return authenticator.request(
            RADIUSPacket(code: request.code, identifier: slot.identifier, attributes: attributes.items), secret: secret)
    }

    // MARK: Answers

    mutating func receive(_ bytes: [UInt8], _ server: Int, _ lane: Int, _ now: Duration, _ effects: inout [Effect]) {
        guard servers.indices.contains(server) else { return }
        func discard(_ reason: RADIUSDiscardReason) { effects.append(.discarded(reason, server: server)) }
        let received: ReceivedPacket
        do throws(PacketError) {
            received = try ReceivedPacket(parsing: bytes)
        } catch {
            return discard(RADIUSDiscardReason(error))
        }
        let slot = Slot(server: server, lane: lane, identifier: received.packet.identifier)
        guard let ticket = slots[slot], let request = pending[ticket] else { return discard(.unknownIdentifier) }
        guard received.packet.code.answers(request.request.code) else { return discard(.unexpectedCode) }
        let unique = Array(request.bytes[4..<20])
        let secret = settings.servers[server].secret.bytes
        guard authenticator.isResponse(received, to: unique, secret: secret) else { return discard(.badAuthenticator) }
        switch authenticator.hasMessageAuthenticator(received, request: unique, secret: secret) {
        case false?: return discard(.badMessageAuthenticator)
        case nil where request.request.code == .accessRequest && settings.servers[server].requiresMessageAuthenticator:
            return discard(.noMessageAuthenticator)
        case true?, nil: break
        }
        servers[server].heard = now
        statistics[server].answers &+= 1
        if servers[server].deadUntil != nil {
            servers[server].deadUntil = nil
            effects.append(.serverIsAlive(server))
        }
        forget(ticket)
        effects.append(
            .answered(
                ticket, AttributeList(received.packet.attributes, vendor: request.request.attributes.vendor),
                received.packet.code, server: server))
    }

    // MARK: Identifiers

    /// An identifier that waits for no answer. They take turns, so that a late answer meets no other request.
    private mutating func freeSlot(_ server: Int) -> Slot? {
        guard let lane = servers[server].inUse.firstIndex(where: { $0 < 256 }) else { return nil }
        for _ in 0..<256 {
            let identifier = servers[server].cursors[lane]
            servers[server].cursors[lane] &+= 1
            let slot = Slot(server: server, lane: lane, identifier: identifier)
            if slots[slot] == nil { return slot }
        }
        return nil
    }

    private mutating func release(_ slot: Slot?) {
        guard let slot, slots.removeValue(forKey: slot) != nil else { return }
        servers[slot.server].inUse[slot.lane] -= 1
    }

    mutating func forget(_ ticket: Ticket) {
        guard let request = pending.removeValue(forKey: ticket) else { return }
        release(request.slot)
        deadlines.remove(ticket)
    }
}
