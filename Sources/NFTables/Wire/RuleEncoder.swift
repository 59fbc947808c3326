import CLibnftnl
import CLinux
import NetlinkKit

/// Messages for rules.
enum RuleEncoder {
    /// - Parameter anonymous: the number, in the transaction, of each anonymous set that the rule uses
    static func rule(
        _ verb: String, _ rule: ChainRule, _ type: UInt32, flags: MessageFlags, anonymous: [AnonymousSet: UInt32]
    ) -> Result<Request, KernelError> {
        let operation = Operation(verb, "rule in chain \(rule.table) \(rule.chain)")
        if let problem = problem(rule) { return .failure(.invalidRequest(operation, problem)) }
        guard let object = allocate(rule.table, rule.chain) else {
            return .failure(.invalidRequest(operation, "out of memory"))
        }
        defer { nftnl_rule_free(object) }
        if let handle = rule.handle { nftnl_rule_set_u64(object, NFTNL_RULE_HANDLE.number, handle) }
        if let position = rule.position { nftnl_rule_set_u64(object, NFTNL_RULE_POSITION.number, position) }
        DefinitionEncoder.withComment(rule.comment) {
            _ = nftnl_rule_set_data(object, NFTNL_RULE_USERDATA.number, $0, $1)
        }
        for expression in rule.expressions {
            guard let handle = expression.makeHandle() else {
                return .failure(.invalidRequest(operation, "\(expression) cannot be written"))
            }
            if case .lookup(let lookup) = expression, case .anonymous(let set) = lookup.set, let id = anonymous[set] {
                handle.set(NFTNL_EXPR_LOOKUP_SET, set.wireName)
                handle.set(NFTNL_EXPR_LOOKUP_SET_ID, id)
            }
            nftnl_rule_add_expr(object, handle.pointer)
        }
        return MessageBuilder.message(operation, type, rule.table.family, flags: flags, names: AttributeNames.rule) {
            nftnl_rule_nlmsg_build_payload($0, object)
        }
    }

    /// Deletes one rule by its handle, all of a chain, or all of a table.
    static func delete(_ table: TableName, chain: String?, handle: UInt64?) -> Result<Request, KernelError> {
        let place = chain.map { "chain \(table) \($0)" } ?? "table \(table)"
        let operation =
            handle.map { Operation("delete", "rule \($0) in \(place)") } ?? Operation("flush", place)
        if let problem = Limits.problem(names: [table.name] + (chain.map { [$0] } ?? []), comment: nil) {
            return .failure(.invalidRequest(operation, problem))
        }
        guard let object = allocate(table, chain) else {
            return .failure(.invalidRequest(operation, "out of memory"))
        }
        defer { nftnl_rule_free(object) }
        if let handle { nftnl_rule_set_u64(object, NFTNL_RULE_HANDLE.number, handle) }
        return MessageBuilder.message(
            operation, NFT_MSG_DELRULE.rawValue, table.family, flags: [], names: AttributeNames.rule
        ) { nftnl_rule_nlmsg_build_payload($0, object) }
    }

    private static func allocate(_ table: TableName, _ chain: String?) -> OpaquePointer? {
        guard let object = nftnl_rule_alloc() else { return nil }
        _ = nftnl_rule_set_str(object, NFTNL_RULE_TABLE.number, table.name)
        if let chain { _ = nftnl_rule_set_str(object, NFTNL_RULE_CHAIN.number, chain) }
        return object
    }

    /// Why libnftnl or the kernel could not take the rule.
    private static func problem(_ rule: ChainRule) -> String? {
        if rule.expressions.count > Limits.expressions { return "more than \(Limits.expressions) expressions" }
        var names = [rule.table.name, rule.chain]
        var nested: [Expression] = []
        for expression in rule.expressions {
            switch expression {
            case .lookup(let lookup): if case .named(let name) = lookup.set { names.append(name) }
            case .dynamicSet(let dynamic):
                names.append(dynamic.set)
                nested += dynamic.expressions
                if dynamic.expressions.count > 2 { return "an element takes at most two expressions" }
            case .object(let reference): names.append(reference.name)
            case .immediate(.verdict(let verdict)): if let chain = verdict.chain { names.append(chain) }
            case .log(let log):
                if let prefix = log.prefix, prefix.utf8.count > Limits.logPrefixLength {
                    return "a log prefix has at most \(Limits.logPrefixLength) bytes"
                }
            default: break
            }
        }
        for expression in nested {
            switch expression {
            case .counter, .limit, .quota: break
            default: return "\(expression) cannot belong to an element"
            }
        }
        for expression in rule.expressions {
            if let bytes = expression.longestData, bytes > ExpressionHandle.dataLimit || bytes == 0 {
                return "data of \(bytes) bytes; registers hold 1 to \(ExpressionHandle.dataLimit)"
            }
        }
        return Limits.problem(names: names, comment: rule.comment)
    }
}

extension Expression {
    /// Bytes of the longest constant in it.
    fileprivate var longestData: Int? {
        switch self {
        case .compare(let compare): compare.data.count
        case .range(let range): Swift.max(range.from.count, range.to.count)
        case .immediate(.data(let data, _)): data.count
        case .bitwise(let bitwise):
            if case .mask(let mask, let xor) = bitwise.operation { Swift.max(mask.count, xor.count) } else { nil }
        default: nil
        }
    }
}

extension AnonymousSet {
    /// The kernel puts a number in the place of `%d`.
    var wireName: String { data == nil ? "__set%d" : "__map%d" }
}
