// The record as a file: a line for each thing that is known, and a check sum, because power fails while files are written.
extension QuotaRecord {
    static let title = "spillway quota 1"
    /// Bytes; no record is longer.
    public static let sizeLimit = 4096

    public var text: String {
        var lines = [Self.title, "reset_day \(resetDay)", "total \(total)"]
        if let link {
            lines.append("link \(link.name) \(link.index) \(link.boot)")
            lines.append("counted \(link.receivedBytes) \(link.sentBytes) \(link.packets)")
        }
        for entry in periods { lines.append("period \(entry.period.month) \(entry.base) \(entry.warned)") }
        let body = lines.joined(separator: "\n") + "\n"
        return body + "sum \(String(Self.sum(body.utf8), radix: 16))\n"
    }

    /// nil for anything that ``text`` does not give.
    public init?(text: String) {
        guard text.utf8.count <= Self.sizeLimit else { return nil }
        self.init(resetDay: 1)
        for line in text.split(separator: "\n").dropFirst().dropLast() {
            guard take(line.split(separator: " ")) else { return nil }
        }
        // The first line, the last and everything between have to be as they would be written.
        guard periods.count <= Self.limit, periods.allSatisfy({ $0.base <= total }), self.text == text else { return nil }
    }

    /// Whether the line is understood.
    private mutating func take(_ words: [Substring]) -> Bool {
        let numbers = words.dropFirst().compactMap { UInt64($0) }
        switch (words.first, words.count, numbers.count) {
        case ("reset_day", 2, 1) where (1...31).contains(numbers[0]): resetDay = Int(numbers[0])
        case ("total", 2, 1): total = numbers[0]
        case ("link", 4, _):
            guard let index = UInt32(words[2]) else { return false }
            link = LinkCount(
                name: String(words[1]), boot: String(words[3]), index: index, receivedBytes: 0, sentBytes: 0, packets: 0,
                headerLength: 0)
        case ("counted", 4, 3) where link != nil:
            link?.receivedBytes = numbers[0]
            link?.sentBytes = numbers[1]
            link?.packets = numbers[2]
        case ("period", 4, 3):
            guard let month = Int64(exactly: numbers[0]), BillingPeriod.months.contains(month), numbers[2] <= 100 else {
                return false
            }
            periods.append(Entry(period: BillingPeriod(month: month), base: numbers[1], warned: Int(numbers[2])))
        default: return false
        }
        return true
    }

    /// FNV-1a, 64 bits.
    private static func sum(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
