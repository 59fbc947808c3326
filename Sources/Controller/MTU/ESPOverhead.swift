import Configuration
import NetlinkKit

/// What ESP in transport mode adds to a packet (RFC 4303 §2): SPI and sequence number, initialization vector, padding
/// with two bytes behind it, ICV.
struct ESPOverhead: Hashable {
    /// Bytes of initialization vector.
    var iv: UInt32
    /// What payload, padding and the two bytes are a multiple of.
    var block: UInt32

    private static let header: UInt32 = 8, trailer: UInt32 = 2, icv = ESPTransform.icvLength

    init(_ cipher: IPsecConfiguration.Cipher) {
        let transform: ESPTransform = cipher == .aesGCM ? .aesGCM(key: []) : .aesCBC(key: [], authentication: [])
        iv = transform.ivLength
        block = transform.blockSize
    }

    /// nil: nothing protects the packets.
    init?(_ settings: IPsecConfiguration?) {
        guard let settings else { return nil }
        self.init(settings.cipher)
    }

    /// The longest payload whose packet is not longer than `length`; both without the IP header, in bytes.
    func payload(in length: UInt32) -> UInt32 {
        let fixed = Self.header + iv + Self.icv
        return (max(length, fixed + block) - fixed) / block * block - Self.trailer
    }

    /// Bytes that a packet grows by, with the padding that a packet of any length has on average.
    var typical: UInt32 { Self.header + iv + Self.trailer + (block - 1) / 2 + Self.icv }
}
