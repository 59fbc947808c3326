/// The proofs that both ends know the secret. MD5 (RFC 1321) comes from outside: this module has no library below it.
public struct Authenticator: Sendable {
    /// 16 bytes.
    private let md5: @Sendable ([UInt8]) -> [UInt8]

    public init(md5: @escaping @Sendable ([UInt8]) -> [UInt8]) { self.md5 = md5 }

    private static let zeros = [UInt8](repeating: 0, count: 16)

    // MARK: Sending

    /// An Access-Request with a Message-Authenticator before all other attributes (RFC 3579 §3.2), and the password
    /// hidden (RFC 2865 §5.2). nil when it does not fit.
    /// - Parameter authenticator: 16 bytes that nobody can guess
    func accessRequest(
        _ identifier: UInt8, _ attributes: [RADIUSAttribute], password: [UInt8]?, authenticator: [UInt8],
        secret: [UInt8]
    ) -> [UInt8]? {
        var all = [RADIUSAttribute(.standard(RADIUSAttribute.messageAuthenticator), Self.zeros)] + attributes
        if let password {
            all.append(RADIUSAttribute(.standard(2), hidden(password, authenticator: authenticator, secret: secret)))
        }
        let packet = RADIUSPacket(
            code: .accessRequest, identifier: identifier, authenticator: authenticator, attributes: all)
        guard var bytes = packet.serialized() else { return nil }
        bytes.replaceSubrange(22..<38, with: hmac(bytes, secret))
        return bytes
    }

    /// An Accounting-Request (RFC 2866 §3), or a request of RFC 5176 §2.3: they prove themselves in the same way.
    public func request(_ packet: RADIUSPacket, secret: [UInt8]) -> [UInt8]? {
        var packet = packet
        packet.authenticator = Self.zeros
        guard var bytes = packet.serialized() else { return nil }
        bytes.replaceSubrange(4..<20, with: md5(bytes + secret))
        return bytes
    }

    /// An answer (RFC 2865 §3), with a Message-Authenticator if wanted.
    public func response(
        _ packet: RADIUSPacket, to request: [UInt8], secret: [UInt8], withMessageAuthenticator: Bool = false
    ) -> [UInt8]? {
        var packet = packet
        packet.authenticator = request
        if withMessageAuthenticator {
            packet.attributes.insert(
                RADIUSAttribute(.standard(RADIUSAttribute.messageAuthenticator), Self.zeros), at: 0)
        }
        guard var bytes = packet.serialized() else { return nil }
        if withMessageAuthenticator { bytes.replaceSubrange(22..<38, with: hmac(bytes, secret)) }
        bytes.replaceSubrange(4..<20, with: md5(bytes + secret))
        return bytes
    }

    // MARK: Receiving

    /// Whether it answers the request with this authenticator (RFC 2865 §3).
    func isResponse(_ received: ReceivedPacket, to request: [UInt8], secret: [UInt8]) -> Bool {
        Self.equal(md5(Self.replacing(received.bytes, with: request) + secret), received.packet.authenticator)
    }

    /// Whether a request of RFC 5176 (or an Accounting-Request) is from one who knows the secret.
    func isRequest(_ received: ReceivedPacket, secret: [UInt8]) -> Bool {
        isResponse(received, to: Self.zeros, secret: secret)
    }

    /// Whether the Message-Authenticator is right; nil: there is none.
    /// - Parameter request: the authenticator that it was computed with: the request's, or none in a request that
    ///   carries a digest there itself
    func hasMessageAuthenticator(_ received: ReceivedPacket, request: [UInt8]?, secret: [UInt8]) -> Bool? {
        guard let place = received.messageAuthenticator else { return nil }
        var bytes = Self.replacing(received.bytes, with: request ?? Self.zeros)
        bytes.replaceSubrange(place..<place + 16, with: Self.zeros)
        return Self.equal(hmac(bytes, secret), received.bytes[place..<place + 16])
    }

    // MARK: -

    /// RFC 2865 §5.2. The password is cut at 128 bytes.
    func hidden(_ password: [UInt8], authenticator: [UInt8], secret: [UInt8]) -> [UInt8] {
        var plain = Array(password.prefix(128))
        plain += [UInt8](repeating: 0, count: plain.isEmpty ? 16 : (16 - plain.count % 16) % 16)
        var result: [UInt8] = []
        var last = authenticator
        for start in stride(from: 0, to: plain.count, by: 16) {
            last = zip(plain[start..<start + 16], md5(secret + last)).map { $0 ^ $1 }
            result += last
        }
        return result
    }

    /// HMAC-MD5, RFC 2104.
    func hmac(_ message: [UInt8], _ key: [UInt8]) -> [UInt8] {
        var key = key.count > 64 ? md5(key) : key
        key += [UInt8](repeating: 0, count: 64 - key.count)
        return md5(key.map { $0 ^ 0x5C } + md5(key.map { $0 ^ 0x36 } + message))
    }

    private static func replacing(_ bytes: [UInt8], with authenticator: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes.replaceSubrange(4..<20, with: authenticator)
        return bytes
    }

    /// In a time that does not tell where they differ.
    private static func equal(_ a: some Collection<UInt8>, _ b: some Collection<UInt8>) -> Bool {
        a.count == b.count && zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
