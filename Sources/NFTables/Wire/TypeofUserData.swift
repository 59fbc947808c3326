/// How nft writes down the expressions of a `typeof` declaration (`NFTNL_UDATA_SET_TYPEOF_*`).
///
/// The numbers are nft's own, of expression kinds (`enum expr_types`) and protocol descriptions
/// (`enum proto_desc_id`); the form was taken from what nft 1.0.6 sends (see the tests).
enum TypeofUserData {
    private static let expression: UInt8 = 0
    private static let data: UInt8 = 1

    private static let verdictKind: UInt32 = 1
    private static let payloadKind: UInt32 = 7
    private static let metaKind: UInt32 = 9
    private static let concatenationKind: UInt32 = 13

    static func canDescribe(_ field: FieldType) -> Bool {
        switch field {
        case .ipv4Address, .ipv6Address, .inetService, .mark, .payload: true
        default: false
        }
    }

    static func write(_ fields: [FieldType], to notes: inout UserData) {
        guard fields.count > 1 else {
            if let field = fields.first { write(field, to: &notes) }
            return
        }
        notes.put(expression, concatenationKind)
        notes.nest(data) { parts in
            for (i, field) in fields.enumerated() {
                parts.nest(UInt8(truncatingIfNeeded: i)) { write(field, to: &$0) }
            }
        }
    }

    static func writeVerdict(to notes: inout UserData) {
        notes.put(expression, verdictKind)
        notes.put(data, [])
    }

    private static func write(_ field: FieldType, to notes: inout UserData) {
        switch field {
        case .mark:
            notes.put(expression, metaKind)
            notes.nest(data) { $0.put(0, MetaKey.mark.rawValue) }
        case .ipv4Address: writeHeaderField(protocol: 12, field: 11, to: &notes)
        case .ipv6Address: writeHeaderField(protocol: 13, field: 8, to: &notes)
        // UDP's source port.
        case .inetService: writeHeaderField(protocol: 6, field: 1, to: &notes)
        case .payload(let base, let offset, let length):
            notes.put(expression, payloadKind)
            notes.nest(data) {
                $0.put(0, 0)
                $0.put(1, 0)
                // nft counts header bases from 1, offsets and lengths in bits.
                $0.put(2, base.rawValue &+ 1)
                $0.put(3, offset &* 8)
                $0.put(4, length &* 8)
            }
        default: break
        }
    }

    /// An address or port is described as the source's of its protocol: the declaration only wants its type.
    private static func writeHeaderField(protocol: UInt32, field: UInt32, to notes: inout UserData) {
        notes.put(expression, payloadKind)
        notes.nest(data) {
            $0.put(0, `protocol`)
            $0.put(1, field)
        }
    }

    /// The raw payload fields of a description, nil in the place of anything else.
    static func read(_ notes: UserData) -> [FieldType?] {
        guard notes.number(expression) == concatenationKind else { return [readPayload(notes)] }
        guard let parts = notes.nested(data) else { return [] }
        var fields: [FieldType?] = []
        while fields.count < 16, let part = parts.nested(UInt8(fields.count)) { fields.append(readPayload(part)) }
        return fields
    }

    private static func readPayload(_ notes: UserData) -> FieldType? {
        guard notes.number(expression) == payloadKind, let data = notes.nested(data), data.number(0) == 0,
            let base = data.number(2), base >= 1, let offset = data.number(3), let length = data.number(4),
            offset % 8 == 0, length % 8 == 0, length <= 512
        else { return nil }
        return .payload(PayloadBase(rawValue: base - 1), offset: offset / 8, length: length / 8)
    }
}
