/// "1.5 Gbit/s", "80 ms": a decimal number and a unit, computed in integers so that no digit is lost.
enum DecimalText {
    /// The value in the base unit, or nil when `text` is not a number followed by one of `units`, is not a whole
    /// number of base units, or does not fit. Units are compared without regard to ASCII case.
    static func parse(_ text: String, units: [(name: String, factor: UInt64)]) -> UInt64? {
        let bytes = Array(text.utf8)
        let isDigit = { (b: UInt8) in (0x30...0x39).contains(b) }
        let numberEnd = bytes.firstIndex { !isDigit($0) && $0 != 0x2E } ?? bytes.endIndex
        let parts = bytes[..<numberEnd].split(separator: 0x2E, omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.count <= 20 }) else { return nil }
        let unit = bytes[numberEnd...].drop { $0 == 0x20 }.map(lowercased)
        guard let factor = units.first(where: { $0.name.utf8.map(lowercased) == unit })?.factor else { return nil }

        guard let whole = UInt64(String(decoding: parts[0], as: UTF8.self)) else { return nil }
        let (scaled, overflow) = whole.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return scaled }

        let digits = parts[1]
        guard digits.count <= 9, let fraction = UInt64(String(decoding: digits, as: UTF8.self)) else { return nil }
        let divisor = (0..<digits.count).reduce(UInt64(1)) { power, _ in power * 10 }
        let (product, tooLarge) = fraction.multipliedReportingOverflow(by: factor)
        guard !tooLarge, product % divisor == 0 else { return nil }
        let (sum, carried) = scaled.addingReportingOverflow(product / divisor)
        return carried ? nil : sum
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
}
