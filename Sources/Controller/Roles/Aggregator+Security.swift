import Addresses
import Configuration
import GREBonding
import NetlinkKit

// What protects the legs (RFC 8157 §7).
extension Aggregator {
    /// One leg of one gateway at one address of ours.
    struct ProtectedLeg: Hashable {
        var client: ClientIdentificationName
        var leg: LegID
        var local: IPAddress
    }

    /// Where gateways whose keys are configured were before this run.
    func restoreSecurity() throws(SystemError) {
        guard let ipsec else { return }
        let destinations = try ipsec.restore()
        for leg in configuredLegs where !destinations.isEmpty {
            let state = sent(leg, to: .any(leg.local.family))
            if let address = destinations[state.spi], address.family == leg.local.family { gateways[leg] = address }
        }
    }

    /// A gateway's first message on a leg says where it is; only one who has its keys can have sent it.
    func protect(_ request: AuthorizationRequest) {
        guard ipsec?.settings.keys == .configured else { return }
        let leg = ProtectedLeg(client: request.client, leg: request.leg, local: request.destination)
        guard gateways[leg] != request.source, subscribers[request.client] != nil else { return }
        gateways[leg] = request.source
        applySecurity()
    }

    func applySecurity() {
        guard let ipsec else { return }
        let number = ipsec.settings.requestID
        var objects: [KernelObject] = []
        for local in settings.addresses + settings.anycast {
            let family = local.family
            objects += LegPolicies.leg(from: IPPrefix(host: local), to: .all(family), number)
        }
        for family in Set(settings.addresses.map(\.family)) {
            objects += LegPolicies.rewritten(
                from: BondNumbers.pool(family), to: settings.kernel.canonical(family).remote)
        }
        if ipsec.settings.keys == .configured {
            let keys = LegKeys(settings: ipsec.settings)
            objects += configuredLegs.map {
                .state(
                    keys.state(
                        of: $0.client, $0.leg, .up, aggregator: $0.local, gateway: .any($0.local.family),
                        requestID: number, isSent: false))
            }
            objects += gateways.map { .state(sent($0.key, to: $0.value)) }
        }
        common.state.apply(objects, for: .security)
    }

    /// Those that the settings name: nobody else has configured keys.
    private var configuredLegs: [ProtectedLeg] {
        settings.subscribers.flatMap { subscriber in
            [LegID.primary, .secondary].flatMap { leg in
                (settings.addresses + settings.anycast).map {
                    ProtectedLeg(client: subscriber.cin, leg: leg, local: $0)
                }
            }
        }
    }

    private func sent(_ leg: ProtectedLeg, to address: IPAddress) -> SecurityState {
        let ipsec = settings.ipsec ?? .init(keys: .configured)
        return LegKeys(settings: ipsec).state(
            of: leg.client, leg.leg, .down, aggregator: leg.local, gateway: address, requestID: ipsec.requestID,
            isSent: true)
    }

    /// What a leg's packets grow by; nil: nothing protects them.
    var esp: ESPOverhead? { ESPOverhead(settings.ipsec) }
}
