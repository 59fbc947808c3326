import Configuration
import GREBonding
import Testing

@testable import Controller

/// Who may bond, and the error codes (RFC 8157 §5.3.1) for those who may not.
@Suite struct SubscriberListTests {
    private static let name = ClientIdentificationName("gateway-1")!

    private func list(_ service: SubscriberService) throws -> SubscriberList {
        var subscriber = SubscriberConfiguration(cin: Self.name)
        subscriber.service = service
        subscriber.rates.dslUpstream = BitRate("20 Mbit/s")
        return SubscriberList([subscriber])
    }

    @Test(arguments: [
        (SubscriberService.bonding, LegID.secondary, ErrorCode?.none), (.bonding, .primary, nil),
        (.lte, .secondary, nil), (.lte, .primary, .dslUserNotAllowed),
        (.suspended, .secondary, .userAliasNotAllowed), (.suspended, .primary, .userAliasNotAllowed),
    ])
    func serviceDecides(service: SubscriberService, leg: LegID, refusal: ErrorCode?) throws {
        let expected: AuthorizationResult =
            refusal.map { .denied($0) } ?? .granted(Authorization(dslUpstream: 20_000, dslDownstream: 0))
        #expect(try list(service).authorization(of: Self.name, leg: leg) == expected)
    }

    @Test func strangersAreRefused() throws {
        let stranger = try #require(ClientIdentificationName("gateway-2"))
        #expect(
            try list(.bonding).authorization(of: stranger, leg: .secondary)
                == .denied(.clientIdentificationNameNotPermitted))
    }
}
