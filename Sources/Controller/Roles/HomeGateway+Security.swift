import Addresses
import Configuration
import GREBonding

// What protects the legs (RFC 8157 §7).
extension HomeGateway {
    /// Before a leg's address is used for anything: from then on nothing of the bond leaves by it in the clear.
    func applySecurity() {
        guard let ipsec else { return }
        let keys = LegKeys(settings: ipsec.settings)
        let canonical = settings.kernel.canonical(family)
        var objects = LegPolicies.rewritten(from: IPPrefix(host: canonical.remote), to: canonical.local)
        let aggregators = Set(session.aggregators + [session.bond?.aggregator].compactMap { $0 })
        for leg in legs {
            guard let address = wans[leg.id]?.address else { continue }
            for aggregator in aggregators.sorted() {
                let number = ipsec.settings.requestID(leg.id)
                objects += LegPolicies.leg(from: IPPrefix(host: address), to: IPPrefix(host: aggregator), number)
                guard ipsec.settings.keys == .configured else { continue }
                for way in [LegKeys.Way.up, .down] {
                    objects.append(
                        .state(
                            keys.state(
                                of: settings.cin, leg.id, way, aggregator: aggregator, gateway: address,
                                requestID: number, isSent: way == .up)))
                }
            }
        }
        common.state.apply(objects, for: .security)
    }

    /// What a leg's packets grow by; nil: nothing protects them.
    var esp: ESPOverhead? { ESPOverhead(settings.ipsec) }
}
