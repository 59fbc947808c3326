import Addresses

extension DHCPv4Client {
    package mutating func receive(
        _ message: DHCPv4Message, _ now: LeaseTime, _ effects: inout [Effect]
    ) -> DiscardReason? {
        guard message.operation == .reply, let type = message.messageType else { return .unexpectedType }
        guard message.transactionID == transactionID,
            message.hardwareAddress == Array(settings.hardwareAddress.prefix(16))
        else { return .unsolicited }
        guard let server = message.serverIdentifier else { return .incomplete }
        switch type {
        case .offer:
            guard state == .selecting else { return .unsolicited }
            guard DHCPv4Lease.isUsable(message.yourAddress), message.leaseTime != 0 else { return .unusable }
            // The first one is taken: on a bond there is one server.
            enter(.requesting, wake: nil)
            offer = (message.yourAddress, server)
            request(now, &effects)
        case .ack: return acknowledged(message, server, now, &effects)
        case .nak:
            if let reason = unexpected(from: server) { return reason }
            drop(.refused, &effects)
            remembered = nil
            // A server that offers what it refuses is not to be asked without a pause.
            let wait = Int64.seconds(refusals == 0 ? 0 : 1 << min(6, Int64(refusals)))
            refusals = min(refusals + 1, 16)
            began = now
            enter(.initial, wake: now.adding(nanoseconds: wait + .random(in: 0 ... .seconds(1), using: &random)))
        case .discover, .request, .decline, .release, .inform: return .unexpectedType
        }
        return nil
    }

    private mutating func acknowledged(
        _ message: DHCPv4Message, _ server: IPv4Address, _ now: LeaseTime, _ effects: inout [Effect]
    ) -> DiscardReason? {
        if let reason = unexpected(from: server) { return reason }
        let expected = lease?.address ?? offer?.address ?? remembered.flatMap { address($0) }
        guard let new = DHCPv4Lease(message, start: asked), new.address == expected, new.expiry > now else {
            return .unusable
        }
        let isRenewal = lease != nil
        lease = new
        remembered = new.remembered
        refusals = 0
        enter(.bound, wake: new.renewal == .never ? nil : max(new.renewal, now.adding(nanoseconds: .seconds(1))))
        effects.append(.configure(new))
        effects.append(.event(isRenewal ? .renewed(new.remembered) : .obtained(new.remembered)))
        return nil
    }

    /// Whether an ACK or NAK of this server answers what was asked.
    private func unexpected(from server: IPv4Address) -> DiscardReason? {
        switch state {
        case .requesting: offer?.server == server ? nil : .otherServer
        case .renewing: lease?.server == server ? nil : .otherServer
        // Before the first request there is nothing to answer.
        case .rebooting: attempts > 0 ? nil : .unsolicited
        case .rebinding: nil
        case .stopped, .initial, .selecting, .bound: .unsolicited
        }
    }
}
