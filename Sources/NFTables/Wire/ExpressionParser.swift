import CLinux
import NetlinkKit

/// Reads expressions one by one, so that one nobody knows spoils neither its neighbours nor its rule.
///
/// Not with libnftnl: it gives up a whole rule at the first name it does not know, reads names that are not there, and
/// ends the process (`abi_breakage`) when an attribute has not the length it had.
enum ExpressionParser {
    /// All expressions of an attribute that lists them.
    static func list(_ attributes: borrowing AttributeReader<ListSpace>) -> [Expression] {
        var expressions: [Expression] = []
        attributes.forEach { _, payload in expressions.append(expression(AttributeReader(payload))) }
        return expressions
    }

    static func expression(_ attributes: borrowing AttributeReader<ExpressionSpace>) -> Expression {
        let name = attributes.get(ExpressionSpace.name) ?? ""
        let reader = ExpressionReader(attributes: attributes.nested(ExpressionSpace.contents))
        return Expression.decode(name, reader)
            ?? .unknown(UnknownExpression(name: name, data: attributes.get(ExpressionSpace.data) ?? []))
    }
}

/// The attributes of one expression (`NFTA_EXPR_DATA`); what their numbers mean depends on its name.
struct ExpressionReader: ~Escapable {
    let attributes: AttributeReader<ExpressionDataSpace>

    @_lifetime(copy attributes)
    init(attributes: consuming AttributeReader<ExpressionDataSpace>) { self.attributes = attributes }

    func has(_ key: some RawRepresentable<UInt32>) -> Bool { attributes.has(Attribute(key, "")) }

    func u8(_ key: some RawRepresentable<UInt32>) -> UInt8? { attributes.get(Attribute(key, "")) }
    func u16(_ key: some RawRepresentable<UInt32>) -> UInt16? { bigEndian(key) }
    func u32(_ key: some RawRepresentable<UInt32>) -> UInt32? { bigEndian(key) }
    func u64(_ key: some RawRepresentable<UInt32>) -> UInt64? { bigEndian(key) }
    func string(_ key: some RawRepresentable<UInt32>) -> String? { attributes.get(Attribute(key, "")) }

    func register(_ key: some RawRepresentable<UInt32>) -> Register? {
        u32(key).flatMap { Register(wireValue: $0) }
    }

    /// What is in `NFTA_DATA_VALUE`.
    func bytes(_ key: some RawRepresentable<UInt32>) -> [UInt8]? {
        attributes.nested(Nest<ExpressionDataSpace, DataSpace>(key.rawValue, "")).get(DataSpace.value)
    }

    /// What is in `NFTA_DATA_VERDICT`.
    func verdict(_ key: some RawRepresentable<UInt32>) -> RuleVerdict? {
        RuleVerdict(attributes.nested(Nest<ExpressionDataSpace, DataSpace>(key.rawValue, "")))
    }

    /// Expressions inside this one: a single one, or a list.
    func expressions(
        _ single: some RawRepresentable<UInt32>, list: some RawRepresentable<UInt32>
    ) -> [Expression] {
        let only = Nest<ExpressionDataSpace, ExpressionSpace>(single.rawValue, "")
        let several = Nest<ExpressionDataSpace, ListSpace>(list.rawValue, "")
        if attributes.has(several) { return ExpressionParser.list(attributes.nested(several)) }
        return attributes.has(only) ? [ExpressionParser.expression(attributes.nested(only))] : []
    }

    private func bigEndian<T: FixedWidthInteger & BitwiseCopyable & Sendable>(
        _ key: some RawRepresentable<UInt32>
    ) -> T? {
        attributes.get(Attribute<ExpressionDataSpace, BigEndian<T>>(key, ""))
    }
}

extension RuleVerdict {
    /// nil when the data is not a verdict.
    init?(_ data: borrowing AttributeReader<DataSpace>) {
        guard data.has(DataSpace.verdict) else { return nil }
        let verdict = data.nested(DataSpace.verdict)
        guard let code = verdict.get(VerdictSpace.code) else { return nil }
        self.init(code: Int32(bitPattern: code), chain: verdict.get(VerdictSpace.chain))
    }
}
