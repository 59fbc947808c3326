/// What nft keeps with a set so that it can print and re-load it (`NFTNL_UDATA_SET_*`).
enum SetUserData {
    private static let keyByteOrder: UInt8 = 0
    private static let dataByteOrder: UInt8 = 1
    private static let keyTypeof: UInt8 = 3
    private static let dataTypeof: UInt8 = 4
    private static let dataInterval: UInt8 = 6
    private static let comment: UInt8 = 7

    static func encode(_ set: NamedSet) -> [UInt8] {
        var data = UserData()
        data.put(keyByteOrder, set.key.count == 1 ? set.key[0].byteOrder : 0)
        switch set.data {
        case .field(let type)?: data.put(dataByteOrder, type.byteOrder)
        case .verdict?: data.put(dataByteOrder, 0)
        case .object?, nil: break
        }
        if needsTypeof(set) {
            data.nest(keyTypeof) { TypeofUserData.write(set.key, to: &$0) }
            switch set.data {
            case .field(let type)?: data.nest(dataTypeof) { TypeofUserData.write([type], to: &$0) }
            case .verdict?: data.nest(dataTypeof) { TypeofUserData.writeVerdict(to: &$0) }
            case .object?, nil: break
            }
        }
        if set.data != nil, set.wireFlags.contains(.map) { data.put(dataInterval, 0) }
        data.put(comment: set.comment, as: comment)
        return data.bytes
    }

    /// nft takes either types or descriptions; one field that has no plain type decides for all.
    private static func needsTypeof(_ set: NamedSet) -> Bool {
        var fields = set.key
        if case .field(let type)? = set.data { fields.append(type) }
        let needed = fields.contains { if case .payload = $0 { true } else { false } }
        return needed && fields.allSatisfy(TypeofUserData.canDescribe)
    }

    /// The fields of a key, or of a map's data, from nft's type number, the length in bytes and the notes.
    static func fields(typeNumber: UInt32, length: Int, isData: Bool, _ notes: UserData) -> [FieldType] {
        var numbers: [UInt32] = []
        var rest = typeNumber
        while rest != 0 {
            numbers.insert(rest & 0x3F, at: 0)
            rest >>= 6
        }
        let described = notes.nested(isData ? dataTypeof : keyTypeof).map { TypeofUserData.read($0) } ?? []
        var fields: [FieldType] = []
        for (i, number) in numbers.enumerated() {
            if let known = FieldType(typeNumber: number) {
                fields.append(known)
            } else if described.indices.contains(i), let payload = described[i] {
                fields.append(payload)
            } else if numbers.count == 1 {
                fields.append(.other(type: number, length: length))
            } else {
                // One unknown field hides where the next begins.
                return [.other(type: typeNumber, length: length)]
            }
        }
        let total = fields.count == 1 ? fields[0].length : fields.reduce(0) { $0 + $1.paddedLength }
        return total == length ? fields : [.other(type: typeNumber, length: length)]
    }

    static func comment(_ notes: UserData) -> String? { notes.comment(comment) }
}
