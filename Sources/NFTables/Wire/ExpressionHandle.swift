import CLibnftnl

/// A `nftnl_expr` under construction. Whoever holds it must give it to a rule or another expression.
struct ExpressionHandle {
    let pointer: OpaquePointer

    /// nil when libnftnl does not know the expression, or there is no memory.
    init?(name: String) {
        guard let pointer = nftnl_expr_alloc(name) else { return nil }
        self.pointer = pointer
    }

    func set(_ attribute: some ExpressionAttribute, _ value: UInt32) {
        nftnl_expr_set_u32(pointer, attribute.number, value)
    }

    func set(_ attribute: some ExpressionAttribute, u8 value: UInt8) {
        nftnl_expr_set_u8(pointer, attribute.number, value)
    }

    func set(_ attribute: some ExpressionAttribute, u16 value: UInt16) {
        nftnl_expr_set_u16(pointer, attribute.number, value)
    }

    func set(_ attribute: some ExpressionAttribute, u64 value: UInt64) {
        nftnl_expr_set_u64(pointer, attribute.number, value)
    }

    func set(_ attribute: some ExpressionAttribute, _ register: Register) {
        nftnl_expr_set_u32(pointer, attribute.number, register.wireValue)
    }

    func set(_ attribute: some ExpressionAttribute, _ text: String) {
        _ = nftnl_expr_set_str(pointer, attribute.number, text)
    }

    /// libnftnl copies into a fixed array of 64 bytes without looking at the length: longer data is cut here.
    func set(_ attribute: some ExpressionAttribute, bytes: [UInt8]) {
        let bytes = bytes.prefix(Self.dataLimit)
        bytes.withUnsafeBytes { _ = nftnl_expr_set(pointer, attribute.number, $0.baseAddress, UInt32($0.count)) }
    }

    /// `NFT_DATA_VALUE_MAXLEN`: what sixteen registers hold.
    static let dataLimit = 64
}

/// libnftnl numbers attributes with anonymous enums, which arrive in Swift as plain integers.
protocol ExpressionAttribute {
    var number: UInt16 { get }
}

extension Int: ExpressionAttribute {
    var number: UInt16 { UInt16(truncatingIfNeeded: self) }
}

/// How an expression is written with libnftnl, and read from the kernel's answer.
protocol ExpressionCoding {
    /// The kernel's name for it (`NFTA_EXPR_NAME`).
    static var name: String { get }
    func encode(to handle: ExpressionHandle)
    /// nil when something is missing, or there is something that the model cannot hold: the expression is then unknown.
    init?(from reader: borrowing ExpressionReader)
}
