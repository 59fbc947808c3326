import Addresses

/// One line of what a process leaves for the next one: its kind, then words `name=value`, each name once. What is read
/// may be anything. A restart reads thousands of lines before it does anything else: they are taken apart as bytes,
/// once, and a name is searched for among its few neighbours.
package struct RecordLine {
    /// For what is not known.
    package static let none = "-"

    private let text: Substring
    private var words: [Word] = []

    /// Where a word is among the bytes.
    private struct Word {
        var start: Int
        /// Of the sign between name and value.
        var sign: Int
        var end: Int

        var name: Range<Int> { start..<sign }
        var value: Range<Int> { (sign + 1)..<end }
    }

    /// nil: it is of another kind, or has another number of words.
    package init?(_ text: Substring, _ kind: StaticString, count: Int) {
        self.text = text
        let bytes = text.utf8.span
        var start = kind.utf8CodeUnitCount
        guard bytes.count > start, bytes[start] == UInt8(ascii: " "), Self.isSame(bytes, 0..<start, kind) else {
            return nil
        }
        words.reserveCapacity(count)
        while start < bytes.count {
            start += 1
            var end = start
            var sign: Int?
            while end < bytes.count, bytes[end] != UInt8(ascii: " ") {
                if sign == nil, bytes[end] == UInt8(ascii: "=") { sign = end }
                end += 1
            }
            guard let sign, words.count < count else { return nil }
            let word = Word(start: start, sign: sign, end: end)
            for other in words where Self.isSame(bytes, other.name, word.name) { return nil }
            words.append(word)
            start = end
        }
        guard words.count == count else { return nil }
    }

    package subscript(name: StaticString) -> Substring? {
        range(name).map {
            let start = text.utf8.index(text.startIndex, offsetBy: $0.lowerBound)
            return text[start..<text.utf8.index(start, offsetBy: $0.count)]
        }
    }

    package func number(_ name: StaticString) -> UInt32? { number64(name).flatMap { UInt32(exactly: $0) } }

    package func number64(_ name: StaticString) -> UInt64? {
        range(name).flatMap { Self.number(text.utf8.span.extracting($0)) }
    }

    /// What may be unknown: `.some(nil)` where the line says so.
    package func optional(_ name: StaticString) -> UInt64?? {
        guard let range = range(name) else { return nil }
        let value = text.utf8.span.extracting(range)
        if value.count == 1, value[0] == UInt8(ascii: "-") { return .some(nil) }
        return Self.number(value).map { .some($0) }
    }

    package func flag(_ name: StaticString) -> Bool? {
        guard let range = range(name) else { return nil }
        if Self.isSame(text.utf8.span, range, "true") { return true }
        return Self.isSame(text.utf8.span, range, "false") ? false : nil
    }

    package func address(_ name: StaticString) -> IPAddress? {
        range(name).flatMap { IPAddress(utf8: text.utf8.span.extracting($0)) }
    }

    package func prefix(_ name: StaticString) -> IPPrefix? {
        range(name).flatMap { IPPrefix(utf8: text.utf8.span.extracting($0)) }
    }

    /// nil for anything that ``hex(_:)`` does not give.
    package func bytes(_ name: StaticString) -> [UInt8]? {
        range(name).flatMap { Self.bytes(text.utf8.span.extracting($0)) }
    }

    /// Numbers with commas between them; where there is nothing between two commas is no number.
    /// - Parameter isLoose: nothing between two commas, or at all, is left out
    package func numbers(_ name: StaticString, isLoose: Bool = false) -> [UInt32]? {
        var numbers: [UInt32] = []
        let isList = each(name) { word in
            if isLoose, word.isEmpty { return true }
            guard let number = Self.number(word).flatMap({ UInt32(exactly: $0) }) else { return false }
            numbers.append(number)
            return true
        }
        return isList ? numbers : nil
    }

    /// Addresses by number, as `1@192.0.2.1`, with commas between them; each number once.
    package func addresses(_ name: StaticString) -> [UInt8: IPAddress]? {
        var addresses: [UInt8: IPAddress] = [:]
        let isList = each(name) { word in
            guard let sign = word.indices.first(where: { word[$0] == UInt8(ascii: "@") }),
                let number = Self.number(word.extracting(..<sign)).flatMap({ UInt8(exactly: $0) }),
                let address = IPAddress(utf8: word.extracting((sign + 1)...))
            else { return false }
            return addresses.updateValue(address, forKey: number) == nil
        }
        return isList ? addresses : nil
    }

    /// Two digits for each byte.
    package static func hex(_ bytes: [UInt8]) -> String {
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }
        return String(unsafeUninitializedCapacity: 2 * bytes.count) { buffer in
            for (at, byte) in bytes.enumerated() {
                buffer[2 * at] = digit(byte >> 4)
                buffer[2 * at + 1] = digit(byte & 15)
            }
            return 2 * bytes.count
        }
    }

    // MARK: Bytes

    private func range(_ name: StaticString) -> Range<Int>? {
        let bytes = text.utf8.span
        for word in words where Self.isSame(bytes, word.name, name) { return word.value }
        return nil
    }

    /// Whether there is such a name, and `body` takes each part of its value between commas.
    private func each(_ name: StaticString, _ body: (Span<UInt8>) -> Bool) -> Bool {
        guard let range = range(name) else { return false }
        let value = text.utf8.span.extracting(range)
        var start = 0
        while true {
            var end = start
            while end < value.count, value[end] != UInt8(ascii: ",") { end += 1 }
            guard body(value.extracting(start..<end)) else { return false }
            if end == value.count { return true }
            start = end + 1
        }
    }

    private static func isSame(_ bytes: Span<UInt8>, _ range: Range<Int>, _ name: StaticString) -> Bool {
        guard range.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { name in
            for at in name.indices where bytes[range.lowerBound + at] != name[at] { return false }
            return true
        }
    }

    private static func isSame(_ bytes: Span<UInt8>, _ a: Range<Int>, _ b: Range<Int>) -> Bool {
        guard a.count == b.count else { return false }
        for at in 0..<a.count where bytes[a.lowerBound + at] != bytes[b.lowerBound + at] { return false }
        return true
    }

    /// Takes what the standard library takes, a sign included.
    private static func number(_ text: Span<UInt8>) -> UInt64? {
        guard !text.isEmpty else { return nil }
        let isNegative = text[0] == UInt8(ascii: "-")
        let first = isNegative || text[0] == UInt8(ascii: "+") ? 1 : 0
        guard first < text.count else { return nil }
        var value: UInt64 = 0
        for at in first..<text.count {
            let digit = text[at] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isOver) = product.addingReportingOverflow(UInt64(digit))
            guard !isTooLarge, !isOver else { return nil }
            value = sum
        }
        return isNegative && value != 0 ? nil : value
    }

    private static func bytes(_ text: Span<UInt8>) -> [UInt8]? {
        func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
            default: nil
            }
        }
        guard text.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 2)
        for at in stride(from: 0, to: text.count, by: 2) {
            guard let high = digit(text[at]), let low = digit(text[at + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}
