/// Bytes written as hexadecimal digits in pairs, in either case and without separators; no digits are no bytes.
struct HexBytes: Hashable, Sendable, LosslessStringConvertible {
    let bytes: [UInt8]

    init?(_ description: String) {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in description.utf8 {
            let value: UInt8
            switch digit {
            case 0x30...0x39: value = digit - 0x30
            case 0x41...0x46: value = digit - 0x37
            case 0x61...0x66: value = digit - 0x57
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        guard high == nil else { return nil }
        self.bytes = bytes
    }

    var description: String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}
