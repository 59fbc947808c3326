public import Addresses

/// What a server asks of a session that lives: RFC 5176.
public struct DynamicRequest: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case disconnect
        /// Attributes that are to hold from now on.
        case change(AttributeList)
    }

    /// What names the session: all of it has to match.
    public struct Target: Hashable, Sendable {
        public var userName: String?
        public var acctSessionID: String?
        public var callingStationID: String?
        public var framedIPAddress: IPv4Address?
        public var framedIPv6Prefix: IPPrefix?
        public var delegatedIPv6Prefix: IPPrefix?

        public init() {}

        init(_ attributes: AttributeList) throws(AttributeError) {
            userName = try attributes.first(.userName)
            acctSessionID = try attributes.first(.acctSessionID)
            callingStationID = try attributes.first(.callingStationID)
            framedIPAddress = try attributes.first(.framedIPAddress)
            framedIPv6Prefix = try attributes.first(.framedIPv6Prefix)
            delegatedIPv6Prefix = try attributes.first(.delegatedIPv6Prefix)
        }
    }

    public var kind: Kind
    public var target: Target
}

/// Error-Cause, RFC 5176 §3.5.
public enum ErrorCause: UInt32, Error, Hashable, Sendable, CaseIterable {
    case unsupportedAttribute = 401
    case missingAttribute = 402
    case nasIdentificationMismatch = 403
    case invalidRequest = 404
    case unsupportedService = 405
    case invalidAttributeValue = 407
    case administrativelyProhibited = 501
    case sessionContextNotFound = 503
    case resourcesUnavailable = 506
    case multipleSessionSelectionUnsupported = 508
}

/// Takes the requests of RFC 5176, checks who sends them, and answers. Without input or output; what is asked is done
/// by the caller.
public struct DynamicAuthorization: Sendable {
    public struct Settings: Hashable, Sendable {
        /// Who may send, and the secret of each.
        public var sources: [IPAddress: SharedSecret]
        /// Who this is: requests for another one are refused.
        public var nasIdentifier: String
        public var nasAddresses: [IPAddress]
        public var vendor: UInt32
        public var requiresTimestamp = false

        public init(
            sources: [IPAddress: SharedSecret], nasIdentifier: String, nasAddresses: [IPAddress], vendor: UInt32
        ) {
            self.sources = sources
            self.nasIdentifier = nasIdentifier
            self.nasAddresses = nasAddresses
            self.vendor = vendor
        }
    }

    public enum Outcome: Hashable, Sendable {
        /// Answer with this.
        case reply([UInt8])
        /// Answer as the same request was answered before; it was not acted on again.
        case repeated([UInt8])
        case discarded(RADIUSDiscardReason)
    }

    public struct Statistics: Hashable, Sendable {
        public var disconnected: UInt64 = 0
        public var changed: UInt64 = 0
        /// Refused with an Error-Cause.
        public var refused: UInt64 = 0
    }

    private struct Known: Hashable {
        var source: IPAddress
        var port: UInt16
        var request: [UInt8]
    }

    /// How far a request's Event-Timestamp may be from the clock here: RFC 5176 §6.3.
    static let timeWindow: Int64 = 300
    /// How long and how many answers are kept for requests that come again.
    static let memory = Duration.seconds(30), memoryLimit = 256

    public let settings: Settings
    private let authenticator: Authenticator
    private var known: [Known: (answer: [UInt8], at: Duration)] = [:]
    private var order = FIFO<Known>()
    public private(set) var statistics = Statistics()
    var remembered: Int { known.count }

    public init(settings: Settings, authenticator: Authenticator) {
        self.settings = settings
        self.authenticator = authenticator
    }

    /// - Parameters:
    ///   - unixTime: seconds, of the wall clock
    ///   - perform: does what is asked, or says why not; called once at most
    public mutating func receive(
        _ bytes: [UInt8], from source: IPAddress, port: UInt16, now: Duration, unixTime: Int64,
        _ perform: (DynamicRequest) throws(ErrorCause) -> Void
    ) -> Outcome {
        guard let secret = settings.sources[source] else { return .discarded(.unknownSource) }
        let received: ReceivedPacket
        do throws(PacketError) {
            received = try ReceivedPacket(parsing: bytes)
        } catch {
            return .discarded(RADIUSDiscardReason(error))
        }
        let code = received.packet.code
        guard code == .disconnectRequest || code == .changeRequest else { return .discarded(.unexpectedCode) }
        guard authenticator.isRequest(received, secret: secret.bytes) else { return .discarded(.badAuthenticator) }
        let proof = authenticator.hasMessageAuthenticator(received, request: nil, secret: secret.bytes)
        guard proof != false else { return .discarded(.badMessageAuthenticator) }

        // The digest in it covers all of it, so that two with the same header are the same.
        let key = Known(source: source, port: port, request: Array(received.bytes[..<RADIUSPacket.headerLength]))
        if let before = known[key], now - before.at < Self.memory { return .repeated(before.answer) }
        let attributes = AttributeList(received.packet.attributes, vendor: settings.vendor)
        guard isFresh(attributes, unixTime) else { return .discarded(.stale) }

        var cause: ErrorCause?
        do throws(ErrorCause) {
            let request = try request(code, attributes)
            try perform(request)
        } catch {
            cause = error
        }
        guard let answer = answer(received, cause, secret.bytes, proof != nil) else { return .discarded(.unanswerable) }
        switch (cause, code) {
        case (nil, .disconnectRequest): statistics.disconnected &+= 1
        case (nil, _): statistics.changed &+= 1
        default: statistics.refused &+= 1
        }
        remember(key, answer, now)
        return .reply(answer)
    }

    // MARK: -

    private func isFresh(_ attributes: AttributeList, _ unixTime: Int64) -> Bool {
        guard let told = try? attributes.first(.eventTimestamp) else { return !settings.requiresTimestamp }
        return (-Self.timeWindow...Self.timeWindow).contains(unixTime &- Int64(told))
    }

    private func request(_ code: PacketCode, _ attributes: AttributeList) throws(ErrorCause) -> DynamicRequest {
        let target: DynamicRequest.Target
        let isMeant: Bool
        do throws(AttributeError) {
            isMeant = try names(self.settings, attributes)
            target = try DynamicRequest.Target(attributes)
        } catch {
            throw .invalidAttributeValue
        }
        guard isMeant else { throw .nasIdentificationMismatch }
        guard target != DynamicRequest.Target() else { throw .missingAttribute }
        let rest = AttributeList(attributes.items.filter { !Self.isAddressing($0.code) }, vendor: settings.vendor)
        // Authorize Only asks for an Access-Request, which this program makes at a Setup Request alone.
        guard !rest.items.contains(where: { $0.code == AttributeKey.serviceType.code(settings.vendor) }) else {
            throw .unsupportedService
        }
        if code == .disconnectRequest {
            guard rest.items.isEmpty else { throw .unsupportedAttribute }
            return DynamicRequest(kind: .disconnect, target: target)
        }
        guard !rest.items.isEmpty else { throw .missingAttribute }
        return DynamicRequest(kind: .change(rest), target: target)
    }

    /// Whether what names this program, if anything does, is right.
    private func names(_ settings: Settings, _ attributes: AttributeList) throws(AttributeError) -> Bool {
        let name = try attributes.first(.nasIdentifier)
        let addresses =
            try attributes.all(.nasIPAddress).map(IPAddress.v4) + attributes.all(.nasIPv6Address).map(IPAddress.v6)
        return (name == nil || name == settings.nasIdentifier)
            && addresses.allSatisfy(settings.nasAddresses.contains)
    }

    /// Who is meant, who asks, and what comes back as it is.
    private static func isAddressing(_ code: RADIUSAttribute.Code) -> Bool {
        guard case .standard(let type) = code else { return false }
        // The last ones are Acct-Terminate-Cause and Reply-Message, which a Disconnect-Request may carry as a hint.
        return [1, 4, 8, 31, 32, 33, 44, 55, 80, 95, 97, 123, 24, 25, 49, 18].contains(type)
    }

    private func answer(
        _ received: ReceivedPacket, _ cause: ErrorCause?, _ secret: [UInt8], _ withMessageAuthenticator: Bool
    ) -> [UInt8]? {
        let isDisconnect = received.packet.code == .disconnectRequest
        let code: PacketCode =
            switch (isDisconnect, cause) {
            case (true, nil): .disconnectACK
            case (true, _): .disconnectNAK
            case (false, nil): .changeACK
            case (false, _): .changeNAK
            }
        // What proxies put in goes back to them as it was and in its order (RFC 5176 §3.1).
        var attributes = AttributeList(
            received.packet.attributes.filter { $0.code == .standard(33) || $0.code == .standard(24) },
            vendor: settings.vendor)
        attributes.add(.errorCause, ifPresent: cause?.rawValue)
        return authenticator.response(
            RADIUSPacket(code: code, identifier: received.packet.identifier, attributes: attributes.items),
            to: received.packet.authenticator, secret: secret, withMessageAuthenticator: withMessageAuthenticator)
    }

    private mutating func remember(_ key: Known, _ answer: [UInt8], _ now: Duration) {
        if known.updateValue((answer, now), forKey: key) == nil { order.append(key) }
        while known.count > Self.memoryLimit, let oldest = order.removeFirst() { known[oldest] = nil }
    }
}
