/// An expression this module, or libnftnl, cannot take apart: kept so that its rule can still be told from others, not
/// written.
public struct UnknownExpression: Hashable, Sendable {
    public var name: String
    /// The attributes inside `NFTA_EXPR_DATA` as the kernel sent them.
    public var data: [UInt8]

    public init(name: String, data: [UInt8]) {
        self.name = name
        self.data = data
    }
}
