import CLibnftnl
import CLinux

/// Keeps the packet out of connection tracking (`notrack`).
public struct Notrack: Hashable, Sendable {
    public init() {}
}

extension Notrack: ExpressionCoding {
    static let name = "notrack"
    func encode(to handle: ExpressionHandle) {}
    init?(from reader: borrowing ExpressionReader) { self.init() }
}
