import CLinux

/// Algorithms of an ESP state and their keys. A key is in no description and no message of an error.
public enum ESPTransform: Hashable, Sendable {
    /// AES-GCM with an ICV of 16 bytes (RFC 4106): a key of 16, 24 or 32 bytes, and behind it 4 bytes of salt.
    case aesGCM(key: [UInt8])
    /// AES-CBC (RFC 3602) with a key of 16, 24 or 32 bytes, and HMAC-SHA-256 with an ICV of 16 bytes and a key of 32
    /// (RFC 4868).
    case aesCBC(key: [UInt8], authentication: [UInt8])
}

extension ESPTransform {
    /// Bytes of the initialization vector in each packet.
    public var ivLength: UInt32 {
        switch self {
        case .aesGCM: 8
        case .aesCBC: 16
        }
    }

    /// Bytes to whose multiple the encrypted part is padded (RFC 4303 §2.4).
    public var blockSize: UInt32 {
        switch self {
        case .aesGCM: 4
        case .aesCBC: 16
        }
    }

    public static let icvLength: UInt32 = 16
}

extension ESPTransform: CustomStringConvertible {
    public var description: String {
        switch self {
        case .aesGCM(let key): "aes-gcm-\((max(4, key.count) - 4) * 8)"
        case .aesCBC(let key, _): "aes-cbc-\(key.count * 8) hmac-sha-256"
        }
    }
}

/// `xfrm_algo`, `xfrm_algo_auth`, `xfrm_algo_aead`: a name of 64 bytes, lengths in bits, the key.
struct Algorithm: AttributeValue {
    var name: String
    var key: [UInt8]
    /// Bits of the ICV; nil in a structure that has no such member.
    var icvBits: UInt32?

    init(_ name: String, _ key: [UInt8], icvBits: UInt32? = nil) {
        self.name = name
        self.key = key
        self.icvBits = icvBits
    }

    func append(to bytes: inout [UInt8]) {
        let text = Array(name.utf8.prefix(63))
        bytes += text + [UInt8](repeating: 0, count: 64 - text.count)
        bytes.appendBytes(of: UInt32(key.count * 8))
        if let icvBits { bytes.appendBytes(of: icvBits) }
        bytes += key
    }

    init?(payload: RawSpan) { self.init(payload, hasICV: false) }

    private init?(_ payload: RawSpan, hasICV: Bool) {
        guard let bits = payload.load(UInt32.self, at: 64) else { return nil }
        let start = hasICV ? 72 : 68
        guard payload.byteCount >= start, payload.byteCount - start >= Int(bits) / 8 else { return nil }
        name = payload.withUnsafeBytes { String(decoding: $0.prefix(64).prefix { $0 != 0 }, as: UTF8.self) }
        key = payload.withUnsafeBytes { [UInt8]($0[start..<(start + Int(bits) / 8)]) }
        icvBits = hasICV ? payload.load(UInt32.self, at: 68) : nil
    }

    /// One of the structures with the length of an ICV.
    static func withICV(_ bytes: [UInt8]?) -> Algorithm? {
        guard let bytes else { return nil }
        return Algorithm(bytes.span.bytes, hasICV: true)
    }
}

extension ESPTransform {
    private static let icvBits = icvLength * 8
    private static let (gcm, cbc, hmac) = ("rfc4106(gcm(aes))", "cbc(aes)", "hmac(sha256)")

    func write(to writer: inout AttributeWriter<StateSpace>) {
        switch self {
        case .aesGCM(let key):
            writer.put(StateSpace.aead, Algorithm(Self.gcm, key, icvBits: Self.icvBits))
        case .aesCBC(let key, let authentication):
            writer.put(StateSpace.encryption, Algorithm(Self.cbc, key))
            writer.put(StateSpace.authentication, Algorithm(Self.hmac, authentication, icvBits: Self.icvBits))
        }
    }

    /// nil where the state has other algorithms than these.
    static func read(_ attributes: borrowing AttributeReader<StateSpace>) -> ESPTransform? {
        if let found = Algorithm.withICV(attributes.get(StateSpace.aeadBytes)), found.name == gcm,
            found.icvBits == icvBits
        {
            return .aesGCM(key: found.key)
        }
        guard let encryption = attributes.get(StateSpace.encryption), encryption.name == cbc,
            let authentication = Algorithm.withICV(attributes.get(StateSpace.authenticationBytes)),
            authentication.name == hmac, authentication.icvBits == icvBits
        else { return nil }
        return .aesCBC(key: encryption.key, authentication: authentication.key)
    }
}

/// `XFRMA_*` of a state.
enum StateSpace {
    static let authentication = Attribute<StateSpace, Algorithm>(XFRMA_ALG_AUTH_TRUNC, "XFRMA_ALG_AUTH_TRUNC")
    static let authenticationBytes = Attribute<StateSpace, [UInt8]>(XFRMA_ALG_AUTH_TRUNC, "XFRMA_ALG_AUTH_TRUNC")
    static let encryption = Attribute<StateSpace, Algorithm>(XFRMA_ALG_CRYPT, "XFRMA_ALG_CRYPT")
    static let aead = Attribute<StateSpace, Algorithm>(XFRMA_ALG_AEAD, "XFRMA_ALG_AEAD")
    static let aeadBytes = Attribute<StateSpace, [UInt8]>(XFRMA_ALG_AEAD, "XFRMA_ALG_AEAD")
    static let replay = Attribute<StateSpace, ReplayState>(XFRMA_REPLAY_ESN_VAL, "XFRMA_REPLAY_ESN_VAL")
    static let replayThreshold = Attribute<StateSpace, UInt32>(XFRMA_REPLAY_THRESH, "XFRMA_REPLAY_THRESH")
    static let interfaceID = Attribute<StateSpace, UInt32>(XFRMA_IF_ID, "XFRMA_IF_ID")
    static let offload = Attribute<StateSpace, Structure<xfrm_user_offload>>(XFRMA_OFFLOAD_DEV, "XFRMA_OFFLOAD_DEV")
    static let mark = Attribute<StateSpace, SecurityMark>(XFRMA_MARK, "XFRMA_MARK")
    static let algorithms = Set(
        [XFRMA_ALG_AEAD, XFRMA_ALG_CRYPT, XFRMA_ALG_AUTH, XFRMA_ALG_AUTH_TRUNC].map { UInt16($0.rawValue) })
    /// What no state has that ``SecurityState`` describes.
    static let foreign = Set(
        [
            XFRMA_ALG_COMP, XFRMA_ENCAP, XFRMA_SEC_CTX, XFRMA_COADDR, XFRMA_TFCPAD, XFRMA_SA_EXTRA_FLAGS,
            XFRMA_SET_MARK, XFRMA_SET_MARK_MASK, XFRMA_MTIMER_THRESH,
        ].map { UInt16($0.rawValue) })
    static let source = Attribute<StateSpace, PlainStructure<xfrm_address_t>>(XFRMA_SRCADDR, "XFRMA_SRCADDR")
    static let state = Nest<StateSpace, StateSpace>(XFRMA_SA, "XFRMA_SA")
    static let stateBytes = Attribute<StateSpace, PlainStructure<xfrm_usersa_info>>(XFRMA_SA, "XFRMA_SA")
}

/// `xfrm_mark`
struct SecurityMark: AttributeValue {
    var value: UInt32
    var mask: UInt32

    func append(to bytes: inout [UInt8]) {
        bytes.appendBytes(of: value)
        bytes.appendBytes(of: mask)
    }

    init?(payload: RawSpan) {
        guard let value = payload.load(UInt32.self, at: 0), let mask = payload.load(UInt32.self, at: 4)
        else { return nil }
        self.value = value
        self.mask = mask
    }
}
