import Addresses
import Configuration
import GREBonding
import NetlinkKit
import RADIUS

/// The states of legs whose keys are configured: both ends derive the same ones from what both know. Each direction of
/// each leg has keys of its own.
struct LegKeys {
    var settings: IPsecConfiguration

    enum Way: UInt8 {
        /// From the gateway to the aggregator.
        case up = 0
        case down = 1
    }

    /// - Parameters:
    ///   - aggregator: the end of the leg that both ends know from the beginning
    ///   - gateway: unspecified: any, which only what is received may have
    ///   - requestID: of the policies that ask for it
    ///   - isSent: whether this host sends with it
    func state(
        of client: ClientIdentificationName, _ leg: LegID, _ way: Way, aggregator: IPAddress, gateway: IPAddress,
        requestID: UInt32, isSent: Bool
    ) -> SecurityState {
        let lengths = settings.cipher == .aesGCM ? (key: 36, authentication: 0) : (key: 32, authentication: 32)
        let info = Array("spillway esp 1".utf8) + [leg.rawValue, way.rawValue] + aggregator.bytes + client.bytes
        var bytes = HKDF.derive(
            settings.secret?.bytes ?? [], salt: Array(settings.salt.utf8), info: info,
            count: 4 + lengths.key + lengths.authentication)[...]
        // Away from the numbers that IKE daemons choose, and from those that are reserved.
        let spi = bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF | 0x1000
        bytes = bytes.dropFirst(4)
        let key = Array(bytes.prefix(lengths.key))
        let transform: ESPTransform =
            settings.cipher == .aesGCM
            ? .aesGCM(key: key) : .aesCBC(key: key, authentication: Array(bytes.dropFirst(lengths.key)))
        let (source, destination) = way == .up ? (gateway, aggregator) : (aggregator, gateway)
        var state = SecurityState(
            from: source, to: destination, spi: spi, requestID: requestID, transform,
            replay: ReplayState(window: settings.replayWindow))
        if let volume = settings.volume {
            state.lifetime = .init(softBytes: volume.bytes / 5 * 4, hardBytes: volume.bytes)
        }
        state.lifetime.softPackets = Self.ours
        // The kernel finds the device by the route.
        if settings.offload == .auto { state.offload = .init(link: 0, isInbound: !isSent) }
        return state
    }

    /// A limit that no state reaches: what has it was made here, and not by an IKE daemon or by hand.
    static let ours = UInt64.max - 5300

    static func made(_ state: ObservedSecurityState) -> Bool {
        state.isTransport && state.lifetime.softPackets == ours
    }

    /// Tells one set of keys from another and nothing about them.
    var fingerprint: String {
        let name = Array("spillway fingerprint \(settings.cipher.rawValue)".utf8)
        return HKDF.derive(settings.secret?.bytes ?? [], salt: Array(settings.salt.utf8), info: name, count: 16)
            .map { $0 < 16 ? "0\(String($0, radix: 16))" : String($0, radix: 16) }.joined()
    }
}

extension IPsecConfiguration {
    /// A gateway's legs have one number each: both end at one address, and the kernel would take one leg's state for
    /// the other's where that has none.
    func requestID(_ leg: LegID) -> UInt32 { requestID + UInt32(leg.rawValue) }

    /// Where packets wait that come before their keys; nil: keys do not come while packets do.
    var earlyQueue: UInt16? { keys == .ike ? queue : nil }

    var requestIDs: ClosedRange<UInt32> { requestID(.primary)...requestID(.secondary) }
}
