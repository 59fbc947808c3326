/// What is watched: one name, or with `*.` before it all names below it, at any depth, and not the name itself.
package struct NamePattern: Hashable, Sendable {
    package let name: DomainName
    package let isWildcard: Bool

    /// `www.example.net`, `*.example.net`; nil for what is no name, and for an asterisk anywhere else.
    package init?(_ text: String) {
        isWildcard = text.utf8.starts(with: "*.".utf8)
        guard let name = DomainName(isWildcard ? text.dropFirst(2) : text[...]), !name.bytes.contains(0x2A) else {
            return nil
        }
        self.name = name
    }
}

extension NamePattern: CustomStringConvertible {
    package var description: String { isWildcard ? "*.\(name)" : "\(name)" }
}
