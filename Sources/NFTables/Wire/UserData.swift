/// The list of notes that user space keeps with an object (`NFTA_*_USERDATA`): the kernel stores it and never looks.
/// Each note has one byte for its type, one for its length, and its payload. The format is libnftnl's and nft's.
struct UserData {
    var bytes: [UInt8] = []

    /// `NFT_USERDATA_MAXLEN`
    static let limit = 256

    /// Longer payloads cannot be expressed; they are left out.
    mutating func put(_ type: UInt8, _ payload: [UInt8]) {
        guard let length = UInt8(exactly: payload.count) else { return }
        bytes += [type, length] + payload
    }

    mutating func put(_ type: UInt8, _ number: UInt32) { put(type, number.hostOrderBytes) }

    mutating func nest(_ type: UInt8, _ body: (inout UserData) -> Void) {
        var inner = UserData()
        body(&inner)
        put(type, inner.bytes)
    }

    mutating func put(comment: String?, as type: UInt8) {
        if let comment { put(type, Array(comment.utf8) + [0]) }
    }

    /// The payload of the first note of a type; nil when there is none.
    subscript(type: UInt8) -> [UInt8]? {
        var rest = bytes[...]
        while let found = rest.popFirst(), let length = rest.popFirst(), rest.count >= Int(length) {
            if found == type { return Array(rest.prefix(Int(length))) }
            rest = rest.dropFirst(Int(length))
        }
        return nil
    }

    func number(_ type: UInt8) -> UInt32? { self[type].flatMap { UInt32(hostOrderBytes: $0) } }

    func nested(_ type: UInt8) -> UserData? { self[type].map { UserData(bytes: $0) } }

    func comment(_ type: UInt8) -> String? {
        self[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// For tables, chains, rules, objects and elements: their first note.
    static let commentType: UInt8 = 0
}
