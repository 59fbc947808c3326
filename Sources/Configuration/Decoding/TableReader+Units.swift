import Addresses
import GREBonding

extension TableReader {
    static let rates = BitRate(kilobitsPerSecond: 1)...BitRate(kilobitsPerSecond: 100_000_000)

    /// A rate with its unit, or an integer in bit/s; 1 kbit/s…100 Gbit/s.
    func rate(_ key: String) -> BitRate? {
        let expected = "a rate such as \"50 Mbit/s\" (bit/s, kbit/s, Mbit/s, Gbit/s) or an integer in bit/s"
        guard let node = node(key) else { return nil }
        let value: BitRate
        switch node.value {
        case .integer(let bits) where bits >= 0: value = BitRate(bitsPerSecond: UInt64(bits))
        case .integer(let bits):
            report(key, "\(bits) bit/s is out of range: 1 kbit/s…100 Gbit/s")
            return nil
        case .string(let text):
            guard let rate = BitRate(text) else {
                report(key, "expected \(expected), found \"\(text)\"")
                return nil
            }
            value = rate
        default:
            report(key, "expected \(expected), found \(node.value.kind)")
            return nil
        }
        guard Self.rates.contains(value) else {
            report(key, "\(value) is out of range: 1 kbit/s…100 Gbit/s")
            return nil
        }
        return value
    }

    /// 1…1000.
    func weight(_ key: String) -> UInt32? { integer(key, in: 1...1000).map { UInt32($0) } }

    /// An amount of data with its unit, or an integer in bytes; 1 MB…1 PB.
    func volume(_ key: String, required: Bool = false) -> DataVolume? {
        let expected = "an amount of data such as \"50 GB\" (B, kB, MB, GB, TB) or an integer in bytes"
        guard let node = node(key, required: required) else { return nil }
        let found: DataVolume?
        switch node.value {
        case .integer(let bytes): found = DataVolume(bytes: UInt64(clamping: bytes))
        case .string(let text):
            found = DataVolume(text)
            if found == nil { report(key, "expected \(expected), found \"\(text)\"") }
        default:
            found = nil
            report(key, "expected \(expected), found \(node.value.kind)")
        }
        guard let found else { return nil }
        guard (1_000_000...1_000_000_000_000_000).contains(found.bytes) else {
            report(key, "\(found) is out of range: 1 MB…1 PB")
            return nil
        }
        return found
    }

    /// Whole percentages of 1…99, one or a list of at most ten; lowest first.
    func percentages(_ key: String) -> [Int]? {
        guard let node = node(key) else { return nil }
        let elements: [TOMLNode] = if case .array(let array) = node.value { array } else { [node] }
        var result: [Int] = []
        for element in elements {
            guard case .integer(let value) = element.value else {
                report(key, "expected whole percentages, found \(element.value.kind)")
                return nil
            }
            guard (1...99).contains(value) else {
                report(key, "\(value) % is out of range: 1…99 %")
                return nil
            }
            result.append(Int(value))
        }
        if result.count > 10 {
            report(key, "\(result.count) percentages are out of range: at most 10")
            return nil
        }
        return result.sorted()
    }

    /// The unit of a duration's key: what a bare integer counts, and what the range is shown in.
    enum DurationUnit: UInt64 {
        case milliseconds = 1
        case seconds = 1000

        var name: String { self == .milliseconds ? "ms" : "s" }
    }

    /// A time with its unit, or an integer in `unit`. `range` and `step` count `unit` too.
    func duration(_ key: String, in range: ClosedRange<UInt64>, step: UInt64 = 1, unit: DurationUnit) -> Milliseconds? {
        guard let node = node(key) else { return nil }
        return duration(node, key, in: range, step: step, unit: unit)
    }

    func duration(
        _ node: TOMLNode, _ key: String, in range: ClosedRange<UInt64>, step: UInt64 = 1, unit: DurationUnit,
        alternative: String = ""
    ) -> Milliseconds? {
        let expected = "\(alternative)a time such as \"80 ms\" (ms, s, min, h, d) or an integer in \(unit.name)"
        let shown: String
        let value: Milliseconds
        switch node.value {
        case .integer(let count):
            shown = "\(count) \(unit.name)"
            // What is negative or does not fit becomes a time that is out of every range.
            let product = UInt64(exactly: count)?.multipliedReportingOverflow(by: unit.rawValue)
            value = Milliseconds(product.flatMap { $0.overflow ? nil : $0.partialValue } ?? .max)
        case .string(let text):
            guard let time = Milliseconds(text) else {
                report(key, "expected \(expected), found \"\(text)\"")
                return nil
            }
            shown = text
            value = time
        default:
            report(key, "expected \(expected), found \(node.value.kind)")
            return nil
        }
        guard value.rawValue % (step * unit.rawValue) == 0, range.contains(value.rawValue / unit.rawValue),
            value.rawValue <= range.upperBound * unit.rawValue
        else {
            let steps = step == 1 ? "" : " in steps of \(step)"
            report(
                key, "\(shown) is out of range: \(range.lowerBound)…\(range.upperBound) \(unit.name)\(steps)")
            return nil
        }
        return value
    }

    /// 576…9000 bytes or "auto".
    func mtu(_ key: String) -> TunnelMTU? {
        guard let node = node(key) else { return nil }
        switch node.value {
        case .string("auto"): return .automatic
        case .integer(let value) where (576...9000).contains(value): return .bytes(UInt32(value))
        case .integer(let value): report(key, "\(value) bytes is out of range: 576…9000 bytes, or \"auto\"")
        case .string(let text): report(key, "expected 576…9000 bytes or \"auto\", found \"\(text)\"")
        default: report(key, "expected 576…9000 bytes or \"auto\", found \(node.value.kind)")
        }
        return nil
    }

    /// Client Identification Name: 1…40 bytes of UTF-8 without control characters, which a zero would end early.
    func cin(_ key: String, required: Bool) -> ClientIdentificationName? {
        guard let name = value(key, String.self, required: required, expected: "a name") else { return nil }
        guard (1...ClientIdentificationName.length).contains(name.utf8.count) else {
            report(key, "\(name.utf8.count) bytes is out of range: 1…40 bytes of UTF-8")
            return nil
        }
        guard !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            report(key, "holds a control character")
            return nil
        }
        return ClientIdentificationName(name)
    }

    /// Unicast addresses, at most one of each family.
    func addressPerFamily(_ key: String, required: Bool) -> [IPAddress] {
        if required, case .array(let array) = entries[key]?.value, array.isEmpty {
            report(key, "required, but empty")
        }
        var result: [IPAddress] = []
        for (address, location) in list(key, IPAddress.self, required: required, expected: "an IP address") {
            if !address.isUnicast {
                problems.add(location, "\(name(key)): \(address) is not a unicast address")
            } else if result.contains(where: { $0.family == address.family }) {
                problems.add(location, "\(name(key)): more than one \(address.family.label) address")
            } else {
                result.append(address)
            }
        }
        return result
    }
}

extension IPFamily {
    /// For messages.
    var label: String { self == .v4 ? "IPv4" : "IPv6" }
}
