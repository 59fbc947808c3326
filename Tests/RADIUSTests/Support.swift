import Addresses
import CLibmd

@testable import RADIUS

let authenticator = Authenticator { bytes in
    var context = MD5_CTX()
    MD5Init(&context)
    MD5Update(&context, bytes, bytes.count)
    var digest = [UInt8](repeating: 0, count: 16)
    MD5Final(&digest, &context)
    return digest
}

let vendor: UInt32 = 32473

/// The example secret of RFC 2865 §7.
let secret = Array("xyzzy5461".utf8)

/// Pairs of hexadecimal digits; white space is left out.
func bytes(_ text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { UInt8(Character(UnicodeScalar($0)).hexDigitValue ?? 255) }.filter { $0 != 255 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func attributes(_ build: (inout AttributeList) -> Void) -> AttributeList {
    var list = AttributeList(vendor: vendor)
    build(&list)
    return list
}

/// A server in few words.
struct Server {
    var secret = RADIUSTests.secret
    var withMessageAuthenticator = true

    func answer(
        _ request: [UInt8], _ code: PacketCode, _ list: AttributeList = AttributeList(vendor: vendor)
    ) -> [UInt8] {
        authenticator.response(
            RADIUSPacket(code: code, identifier: request[1], attributes: list.items), to: Array(request[4..<20]),
            secret: secret, withMessageAuthenticator: withMessageAuthenticator) ?? []
    }
}
