import Addresses

/// One line of what a process leaves for the next one: its kind, then words `name=value`, each name once. What is read
/// may be anything.
package struct RecordLine {
    /// For what is not known.
    package static let none = "-"

    private var values: [Substring: Substring] = [:]

    /// nil: it is of another kind, or has another number of words.
    package init?(_ text: Substring, _ kind: String, count: Int) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.first == kind[...], words.count == count + 1 else { return nil }
        for word in words.dropFirst() {
            guard let sign = word.firstIndex(of: "="),
                values.updateValue(word[word.index(after: sign)...], forKey: word[..<sign]) == nil
            else { return nil }
        }
    }

    package subscript(name: String) -> Substring? { values[name[...]] }

    package func number(_ name: String) -> UInt32? { self[name].flatMap { UInt32($0) } }

    /// What may be unknown: `.some(nil)` where the line says so.
    package func optional(_ name: String) -> UInt64?? {
        guard let text = self[name] else { return nil }
        if text == Self.none { return .some(nil) }
        return UInt64(text).map { .some($0) }
    }

    package func flag(_ name: String) -> Bool? { self[name].flatMap { Bool(String($0)) } }

    package func address(_ name: String) -> IPAddress? { self[name].flatMap { IPAddress(String($0)) } }

    /// Two digits for each byte.
    package static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// nil for anything that ``hex(_:)`` does not give.
    package static func bytes(_ text: Substring) -> [UInt8]? {
        let digits = text.utf8.map { digit -> UInt8? in
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
            default: nil
            }
        }
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for at in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[at], let low = digits[at + 1] else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}
