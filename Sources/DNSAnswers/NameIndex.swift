/// Finds the patterns that a name matches. The cost depends on the name's labels, not on how many patterns there are.
package struct NameIndex: Sendable {
    /// A name, or the end of one from a label on.
    private struct Suffix: Hashable {
        var bytes: ArraySlice<UInt8>

        static func == (a: Self, b: Self) -> Bool { a.bytes.elementsEqual(b.bytes) }
        func hash(into hasher: inout Hasher) { DomainName.hash(bytes, into: &hasher) }
    }

    private var names: Set<DomainName> = []
    private var domains: Set<Suffix> = []

    package init() {}

    package init(_ patterns: some Sequence<NamePattern>) {
        for pattern in patterns { insert(pattern) }
    }

    package var isEmpty: Bool { names.isEmpty && domains.isEmpty }

    package mutating func insert(_ pattern: NamePattern) {
        if pattern.isWildcard {
            domains.insert(Suffix(bytes: pattern.name.bytes[...]))
        } else {
            names.insert(pattern.name)
        }
    }

    /// All patterns that the name matches: itself, and domains that it is below.
    package func patterns(matching name: DomainName) -> [NamePattern] {
        var found: [NamePattern] = []
        if names.contains(name) { found.append(NamePattern(name, isWildcard: false)) }
        guard !domains.isEmpty else { return found }
        for start in name.starts.dropFirst() where domains.contains(Suffix(bytes: name.bytes[start...])) {
            found.append(NamePattern(DomainName(wire: Array(name.bytes[start...])), isWildcard: true))
        }
        return found
    }
}

extension NamePattern {
    init(_ name: DomainName, isWildcard: Bool) {
        self.name = name
        self.isWildcard = isWildcard
    }
}
