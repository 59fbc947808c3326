import Addresses

// What a process that takes over from another one knows of its leases. Times count on one clock for both.

extension DHCPv4Client {
    /// Goes on with the lease of a process before, as if this one had got it.
    /// - Returns: whether it did: the client must be new, the lease not over
    public mutating func resume(_ lease: DHCPv4Lease, now: LeaseTime) -> Bool {
        guard state == .stopped, lease.expiry > now, DHCPv4Lease.isUsable(lease.address) else { return false }
        self.lease = lease
        remembered = lease.remembered
        enter(.bound, wake: lease.renewal == .never ? nil : max(lease.renewal, now))
        return true
    }
}

extension DHCPv6Client {
    /// See ``DHCPv4Client/resume(_:now:)``.
    public mutating func resume(_ lease: DHCPv6Lease, now: LeaseTime) -> Bool {
        guard state == .stopped, !lease.prefixes.isEmpty, lease.prefixes.allSatisfy({ $0.validUntil > now })
        else { return false }
        self.lease = lease
        remembered = lease.remembered
        enter(.bound, wake: max(min(lease.renewal, lease.rebinding), now))
        return true
    }
}

extension DHCPv4Lease {
    /// One line of words, without the routes, which nobody here asks for.
    public var line: String {
        [
            "lease4 \(address)", "\(server)", "\(subnetMaskLength)", "\(interfaceMTU.map { "\($0)" } ?? "-")",
            domainName ?? "-", Words.list(nameServers), "\(renewal.nanoseconds)", "\(rebinding.nanoseconds)",
            "\(expiry.nanoseconds)",
        ].joined(separator: " ")
    }

    /// nil for anything that ``line`` does not give.
    public init?(line: Substring) {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 10, words[0] == "lease4", case .v4(let address)? = IPAddress(String(words[1])),
            case .v4(let server)? = IPAddress(String(words[2])), let mask = UInt8(words[3]), mask <= 32,
            words[4] == "-" || UInt16(words[4]) != nil, words[5] == "-" || Self.isName(words[5]),
            let servers = Words.addresses(words[6]), let renewal = Int64(words[7]), let rebinding = Int64(words[8]),
            let expiry = Int64(words[9]), renewal <= rebinding, rebinding <= expiry, Self.isUsable(address)
        else { return nil }
        var names: [IPv4Address] = []
        for case .v4(let one) in servers where IPAddress.v4(one).isUnicast { names.append(one) }
        guard names.count == servers.count else { return nil }
        self.init(
            address: address, server: server, subnetMaskLength: mask, nameServers: names,
            domainName: words[5] == "-" ? nil : String(words[5]), interfaceMTU: UInt16(words[4]),
            times: (renewal, rebinding, expiry))
    }

    private static func isName(_ text: Substring) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x2D || $0 == 0x2E
            }
    }
}

extension DHCPv6Lease {
    public var line: String {
        let list = prefixes.map { "\($0.prefix)@\($0.preferredUntil.nanoseconds)@\($0.validUntil.nanoseconds)" }
        return [
            "lease6 \(server.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())",
            list.joined(separator: ","), Words.list(nameServers), "\(renewal.nanoseconds)", "\(rebinding.nanoseconds)",
        ].joined(separator: " ")
    }

    /// nil for anything that ``line`` does not give.
    public init?(line: Substring) {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 6, words[0] == "lease6", let server = Words.bytes(words[1]).flatMap(DUID.init(bytes:)),
            let servers = Words.addresses(words[3]), let renewal = Int64(words[4]), let rebinding = Int64(words[5])
        else { return nil }
        var prefixes: [DelegatedPrefix] = []
        for word in words[2].split(separator: ",", omittingEmptySubsequences: false) {
            let parts = word.split(separator: "@", omittingEmptySubsequences: false)
            guard parts.count == 3, let prefix = IPPrefix(String(parts[0])), let preferred = Int64(parts[1]),
                let valid = Int64(parts[2]), preferred <= valid, DelegatedPrefix.isUsable(prefix)
            else { return nil }
            prefixes.append(
                DelegatedPrefix(
                    prefix: prefix, preferredUntil: LeaseTime(nanoseconds: preferred),
                    validUntil: LeaseTime(nanoseconds: valid)))
        }
        var names: [IPv6Address] = []
        for case .v6(let one) in servers where IPAddress.v6(one).isUnicast { names.append(one) }
        guard (1...Self.greatestPrefixCount).contains(prefixes.count), names.count == servers.count else { return nil }
        self.init(
            server: server, prefixes: prefixes, nameServers: names, renewal: LeaseTime(nanoseconds: renewal),
            rebinding: LeaseTime(nanoseconds: rebinding))
    }
}

private enum Words {
    static func list(_ values: [some CustomStringConvertible]) -> String {
        values.isEmpty ? "-" : values.map(\.description).joined(separator: ",")
    }

    static func addresses(_ text: Substring) -> [IPAddress]? {
        if text == "-" { return [] }
        let found = text.split(separator: ",", omittingEmptySubsequences: false).map { IPAddress(String($0)) }
        let addresses = found.compactMap { $0 }
        return addresses.count == found.count && found.count <= 8 ? addresses : nil
    }

    static func bytes(_ text: Substring) -> [UInt8]? {
        let isHex = text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        guard isHex, text.utf8.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        var rest = text
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
