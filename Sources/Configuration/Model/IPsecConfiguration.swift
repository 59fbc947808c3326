public import RADIUS

/// ESP around all packets of the bond's legs, control messages among them (`[ipsec]`). RFC 8157 §7.
public struct IPsecConfiguration: Hashable, Sendable {
    /// Where keys come from. The raw values are those of the settings.
    public enum Keys: String, Hashable, Sendable, CaseIterable {
        /// From `secret`, the same at both ends; for labs.
        case configured
        /// An IKE daemon on this host makes them (RFC 7296).
        case ike
    }

    /// The raw values are those of the settings.
    public enum Cipher: String, Hashable, Sendable, CaseIterable {
        /// RFC 4106, with 256 bits.
        case aesGCM = "aes-gcm"
        /// RFC 3602, with 256 bits and HMAC-SHA-256 (RFC 4868).
        case aesCBC = "aes-cbc"
    }

    /// Whether a device may do the work of ESP (`XFRMA_OFFLOAD_DEV`, "crypto offload"). The raw values are those of the
    /// settings.
    public enum Offload: String, Hashable, Sendable, CaseIterable {
        /// Where it can; the kernel does what it refuses.
        case auto
        case no
    }

    /// `keys`, required.
    public var keys: Keys
    /// `cipher`. Default: "aes-gcm".
    public var cipher = Cipher.aesGCM
    /// `secret`, or the content of the file that `secret_file` names: 32…253 bytes, from which all keys are derived.
    /// With `keys = "ike"` 1…253 bytes, the pre-shared key that the IKE daemon is given.
    public var secret: SharedSecret?
    /// `salt`: a text that goes into the derivation, the same at both ends. AES-GCM with configured keys has to have
    /// one, and another one at each start (RFC 8221 §5). Default: none.
    public var salt = ""
    /// `replay_window`: packets that may be late and are not taken for replayed ones, 32…4096. Default: 1024.
    public var replayWindow: UInt32 = 1024
    /// `volume`: what one state may carry before it is ended, 1 MB…1 PB; at four fifths the log warns. Default: no
    /// limit.
    public var volume: DataVolume?
    /// `offload`: what devices do of it. Default: "auto".
    public var offload = Offload.auto
    /// `queue`, for IKE: the NFQUEUE in which packets wait that arrive before their keys, 0…65535 and none of
    /// `[kernel]`'s or `[names]`'. Default: 5317.
    public var queue: UInt16 = 5317
    /// `reqid`: by which the kernel finds the states of the legs, the first of two, 1…2147483646, nobody else's.
    /// Default: 5300.
    public var requestID: UInt32 = 5300

    /// `certificate`, for IKE: a file in the IKE daemon's folder of certificates. Default: none, `secret` proves who is
    /// who.
    public var certificate: String?
    /// `identity`, for IKE: what this end is called. Default: a gateway's `cin`, an aggregation point's address.
    public var identity: String?
    /// `peer_identity`, for IKE: what the other end is called. Default: at a gateway `haap`, at an aggregation point
    /// anything.
    public var peerIdentity: String?
    /// `rekey_time`, for IKE: 10 s…7 d. Default: the IKE daemon's.
    public var rekeyTime: Milliseconds?

    public init(keys: Keys) { self.keys = keys }
}
