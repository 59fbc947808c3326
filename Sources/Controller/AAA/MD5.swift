import CLibmd
import RADIUS

extension Authenticator {
    /// With libmd's MD5.
    static let system = Authenticator { bytes in
        var context = MD5_CTX()
        MD5Init(&context)
        MD5Update(&context, bytes, bytes.count)
        var digest = [UInt8](repeating: 0, count: 16)
        MD5Final(&digest, &context)
        return digest
    }
}
