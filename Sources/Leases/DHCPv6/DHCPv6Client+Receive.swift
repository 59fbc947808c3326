import Addresses

extension DHCPv6Client {
    package mutating func receive(
        _ message: DHCPv6Message, _ now: LeaseTime, _ effects: inout [Effect]
    ) -> DiscardReason? {
        guard message.type == .advertise || message.type == .reply else { return .unexpectedType }
        guard attempts > 0, message.transactionID == transactionID, message.client == settings.identifier else {
            return .unsolicited
        }
        guard let id = message.server else { return .incomplete }
        switch (message.type, state) {
        case (.advertise, .soliciting): return advertised(message, id, now, &effects)
        case (.reply, .soliciting):
            guard settings.rapidCommit, message.rapidCommit else { return .unsolicited }
        case (.reply, .requesting), (.reply, .releasing):
            guard server?.id == id else { return .otherServer }
        case (.reply, .renewing):
            guard lease?.server == id else { return .otherServer }
        case (.reply, .rebinding), (.reply, .rebooting): break
        default: return .unsolicited
        }
        if state == .releasing {
            enter(.stopped, wake: nil)
            return nil
        }
        return replied(message, id, now, &effects)
    }

    private mutating func learn(_ message: DHCPv6Message) {
        if let seconds = message.maximumSolicitTimeout { solicitMaximum = .seconds(Int64(seconds)) }
        if state == .soliciting { timing.maximum = solicitMaximum }
    }

    /// RFC 8415 §18.2.9. Advertisements are gathered for one timeout unless one has the highest preference; what comes
    /// after that is taken at once.
    private mutating func advertised(
        _ message: DHCPv6Message, _ id: DUID, _ now: LeaseTime, _ effects: inout [Effect]
    ) -> DiscardReason? {
        learn(message)
        if isFailure(message.status) { return .exhausted }
        guard let ia = message.ias.first(where: { $0.iaid == settings.iaid }) else { return .incomplete }
        if isFailure(ia.status) { return .exhausted }
        let prefixes = ia.prefixes.filter { $0.validLifetime > 0 }
            .compactMap { DelegatedPrefix($0, start: now)?.prefix }
        guard !prefixes.isEmpty else { return .unusable }
        let preference = Int(message.preference ?? 0)
        if server.map({ $0.preference < preference }) ?? true {
            server = (id, preference, Array(prefixes.prefix(DHCPv6Lease.greatestPrefixCount)))
        }
        if preference == 255 || attempts > 1 { exchange(.requesting, .request, now, &effects) }
        return nil
    }

    /// RFC 8415 §18.2.10.1.
    private mutating func replied(
        _ message: DHCPv6Message, _ id: DUID, _ now: LeaseTime, _ effects: inout [Effect]
    ) -> DiscardReason? {
        learn(message)
        let ia = message.ias.first { $0.iaid == settings.iaid }
        // The message stays in the air: the next try is due by the usual timeout.
        if let status = message.status, [.unspecFail, .useMulticast].contains(status.code) { return .unusable }
        if isNoPrefix(message.status) || isNoPrefix(ia?.status) {
            // A server that is asked to renew what it has not would say NoBinding: this is an end to every use.
            drop(.refused, &effects)
            solicitAgain(now)
            return nil
        }
        guard let ia else { return .incomplete }
        if ia.status?.code == .noBinding {
            guard state != .requesting, state != .soliciting else { return .unusable }
            let known = lease?.prefixes.map(\.prefix) ?? remembered.map { [$0.resource] } ?? []
            server = (id, 0, known)
            exchange(.requesting, .request, now, &effects)
            return nil
        }
        guard !isFailure(ia.status), ia.t1 <= ia.t2 || ia.t2 == 0 else { return .unusable }
        let isUpdate = state == .renewing || state == .rebinding
        let old = lease
        guard let new = DHCPv6Lease(message, ia, server: id, start: asked, now: now, old: isUpdate ? old : nil) else {
            // Lifetimes of 0 take the lease away; an answer of nothing at all is as good as none.
            guard ia.prefixes.contains(where: { $0.validLifetime == 0 }) else { return .unusable }
            drop(.refused, &effects)
            remembered = nil
            solicitAgain(now)
            return nil
        }
        lease = new
        remembered = new.remembered
        refusals = 0
        server = nil
        let soon = now.adding(nanoseconds: .seconds(1))
        enter(.bound, wake: max(min(new.renewal, new.rebinding), soon))
        effects.append(.configure(new))
        let isSame = old?.remembered.resource == new.remembered.resource
        if let old, !isSame { effects.append(.event(.lost(old.remembered.resource, .refused))) }
        effects.append(.event(isSame ? .renewed(new.remembered) : .obtained(new.remembered)))
        return nil
    }

    private func isNoPrefix(_ status: DHCPv6Status?) -> Bool { status?.code == .noPrefixAvail }

    private func isFailure(_ status: DHCPv6Status?) -> Bool { status.map { $0.code != .success } ?? false }
}
