import Addresses

/// Reads the text of a filter item's value. Blanks around it are ignored.
struct FilterValue {
    typealias Reason = FilterRuleError.Reason

    private let text: Substring

    init(_ text: String) {
        var text = text[...]
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        self.text = text
    }

    /// Host names of letters, digits, hyphens and underscores, and if wanted with `*.` before them.
    func fqdn(wildcards: Bool) throws(Reason) -> String {
        let name = (text.last == "." ? text.dropLast() : text).lowercased()
        let whole = wildcards && name.utf8.starts(with: "*.".utf8) ? name.dropFirst(2) : name[...]
        let labels = whole.split(separator: ".", omittingEmptySubsequences: false)
        let valid = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.utf8.first != 0x2D && label.utf8.last != 0x2D
                && label.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x61...0x7A, 0x2D, 0x5F: true
                    default: false
                    }
                }
        }
        guard valid, name.utf8.count <= 253 else { throw .invalidFQDN }
        return name
    }

    func dscp() throws(Reason) -> UInt8 {
        guard let value: UInt8 = Self.decimal(text), value < 64 else { throw .invalidDSCP }
        return value
    }

    /// One port or `low-high`.
    func ports() throws(Reason) -> ClosedRange<UInt16> { try Self.ports(text) }

    /// A prefix, or an address alone; host bits are cleared.
    func prefix() throws(Reason) -> IPPrefix { try Self.prefix(text) }

    /// `prefix:port`, `[address]/length:port` or `[prefix]:port`.
    func prefixAndPorts(
        _ match: (IPPrefix, ClosedRange<UInt16>) -> FilterRule.Match
    ) throws(Reason) -> FilterRule.Match {
        let (prefix, ports) = try addressAndPorts(Self.prefix)
        return match(prefix, ports)
    }

    /// `low-high`, or a prefix.
    func addressRange() throws(Reason) -> FilterRule.AddressRange { try Self.addressRange(text) }

    /// `low-high:port`, with brackets around both addresses, around the pair, or none.
    func addressRangeAndPorts(
        _ match: (FilterRule.AddressRange, ClosedRange<UInt16>) -> FilterRule.Match
    ) throws(Reason) -> FilterRule.Match {
        let (range, ports) = try addressAndPorts(Self.addressRange)
        return match(range, ports)
    }

    /// Twelve hexadecimal digits, alone or in pairs with colons or hyphens, or in fours with dots.
    func hardwareAddress() throws(Reason) -> FilterRule.HardwareAddress {
        let groups = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" || $0 == "." }
        let separators = Set(text.filter { $0 == ":" || $0 == "-" || $0 == "." })
        let width: Int? =
            switch (groups.count, separators) {
            case (6, [":"]), (6, ["-"]): 2
            case (3, ["."]): 4
            case (1, []): 12
            default: nil
            }
        var bytes: [UInt8] = []
        var high: UInt8?
        for group in groups {
            guard group.utf8.count == width else { throw .invalidMAC }
            for byte in group.utf8 {
                guard let digit = Self.hexDigit(byte) else { throw .invalidMAC }
                if let pending = high {
                    bytes.append(pending << 4 | digit)
                    high = nil
                } else {
                    high = digit
                }
            }
        }
        guard let address = FilterRule.HardwareAddress(bytes: bytes) else { throw .invalidMAC }
        return address
    }

    /// A number, or a keyword of IANA's registry in any case.
    func protocolNumber() throws(Reason) -> UInt8 {
        if let number: UInt8 = Self.decimal(text) { return number }
        guard let number = IPProtocolKeyword.number(of: text) else { throw .unknownProtocol }
        return number
    }

    /// An IPv6 address has colons too, so the separator is looked for from the end: the longest address wins.
    private func addressAndPorts<Address>(
        _ address: (Substring) throws(Reason) -> Address
    ) throws(Reason) -> (Address, ClosedRange<UInt16>) {
        guard let colon = text.lastIndex(of: ":") else {
            _ = try address(text)
            throw .missingPort
        }
        let head = text[..<colon]
        let found: Address
        do {
            found = try address(head)
        } catch {
            // "2001:db8::" and "[2001:db8::1]" have colons but no port.
            if (try? address(text)) != nil { throw .missingPort }
            throw error
        }
        return (found, try Self.ports(text[text.index(after: colon)...]))
    }

    private static func ports(_ text: Substring) throws(Reason) -> ClosedRange<UInt16> {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = ends.first, let last = ends.last, let low: UInt16 = decimal(first),
            let high: UInt16 = decimal(last), low <= high
        else { throw .invalidPort }
        return low...high
    }

    private static func prefix(_ text: Substring) throws(Reason) -> IPPrefix {
        guard let prefix = IPPrefix(unbracketed(text)) else { throw .invalidPrefix }
        return prefix.masked
    }

    private static func addressRange(_ text: Substring) throws(Reason) -> FilterRule.AddressRange {
        if let prefix = try? prefix(text) { return FilterRule.AddressRange(prefix) }
        func isBracketed(_ text: Substring) -> Bool { text.count >= 2 && text.first == "[" && text.last == "]" }
        func ends(_ text: Substring) -> [Substring] { text.split(separator: "-", omittingEmptySubsequences: false) }

        var pair = ends(text)
        if pair.allSatisfy(isBracketed) {
            pair = pair.map { $0.dropFirst().dropLast() }
        } else if isBracketed(text) {
            pair = ends(text.dropFirst().dropLast())
        }
        guard pair.count == 2, let low = IPAddress(String(pair[0])), let high = IPAddress(String(pair[1])),
            let range = FilterRule.AddressRange(low, high)
        else { throw .invalidAddressRange }
        return range
    }

    /// `[a]/n` → `a/n`, `[a/n]` → `a/n`; all else stays as it is.
    private static func unbracketed(_ text: Substring) -> String {
        guard text.first == "[", let close = text.firstIndex(of: "]") else { return String(text) }
        let rest = text[text.index(after: close)...]
        guard rest.isEmpty || rest.first == "/" else { return String(text) }
        return String(text[..<close].dropFirst() + rest)
    }

    /// Digits only: no sign, no blanks.
    private static func decimal<Number: FixedWidthInteger>(_ text: Substring) -> Number? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Number(text)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte &- 0x30
        case 0x41...0x46: byte &- 0x37
        case 0x61...0x66: byte &- 0x57
        default: nil
        }
    }
}
