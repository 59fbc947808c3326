import CLibmd

/// Keys from a secret: HKDF with SHA-256 (RFC 5869).
enum HKDF {
    /// - Parameters:
    ///   - count: bytes, at most 8160
    static func derive(_ secret: [UInt8], salt: [UInt8], info: [UInt8], count: Int) -> [UInt8] {
        let extracted = authenticate(secret, key: salt)
        var result: [UInt8] = []
        var block: [UInt8] = []
        var number: UInt8 = 1
        while result.count < count, number > 0 {
            block = authenticate(block + info + [number], key: extracted)
            result += block
            number &+= 1
        }
        return Array(result.prefix(count))
    }

    /// SHA-256, with libmd's.
    static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var context = SHA2_CTX()
        SHA256Init(&context)
        SHA256Update(&context, bytes, bytes.count)
        var digest = [UInt8](repeating: 0, count: 32)
        SHA256Final(&digest, &context)
        return digest
    }

    /// HMAC (RFC 2104).
    static func authenticate(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var padded = key.count > 64 ? hash(key) : key
        padded += [UInt8](repeating: 0, count: 64 - padded.count)
        return hash(padded.map { $0 ^ 0x5C } + hash(padded.map { $0 ^ 0x36 } + bytes))
    }
}
