import CLinux
import NetlinkKit

/// Changes that take effect together or not at all.
///
/// Operations are laid out as they are added; one that cannot be expressed makes the commit fail before anything is
/// sent. In the kernel they happen in order, and all rules see either everything or nothing of them.
public struct Transaction: Sendable {
    /// The first operation that cannot be expressed.
    public private(set) var problem: KernelError?
    private(set) var requests: [Request] = []
    /// The sets of which deleted elements are reported.
    private(set) var reported: [NamedSet] = []
    /// Numbers by which rules refer to sets of the same transaction.
    private var nextSetID: UInt32 = 1

    public init() {}

    public var isEmpty: Bool { requests.isEmpty && problem == nil }

    /// How many messages it has become.
    public var messageCount: Int { requests.count }

    // MARK: Tables

    /// Adds the table; one that is there stays and takes the flags.
    public mutating func add(_ table: Table) { put(table, "add", .create) }

    /// Adds the table; fails if it is there.
    public mutating func create(_ table: Table) { put(table, "create", [.create, .exclusive]) }

    /// Deletes the table with everything in it; fails if it is not there.
    public mutating func delete(_ table: TableName) {
        append(DefinitionEncoder.table("delete", table, NFT_MSG_DELTABLE.rawValue, flags: []))
    }

    /// Deletes the table with everything in it if it is there.
    public mutating func deleteIfPresent(_ table: TableName) {
        add(Table(table.family, table.name))
        delete(table)
    }

    /// Deletes all rules of all chains.
    public mutating func flush(_ table: TableName) { append(RuleEncoder.delete(table, chain: nil, handle: nil)) }

    private mutating func put(_ table: Table, _ verb: String, _ flags: MessageFlags) {
        append(
            DefinitionEncoder.table(verb, table.id, NFT_MSG_NEWTABLE.rawValue, flags: flags, definition: table))
    }

    // MARK: Chains

    /// Adds the chain; one that is there stays, its policy becomes this one's.
    public mutating func add(_ chain: Chain) { put(chain, "add", .create) }

    /// Adds the chain; fails if it is there.
    public mutating func create(_ chain: Chain) { put(chain, "create", [.create, .exclusive]) }

    /// Deletes the chain, which nothing may jump to, and its rules.
    public mutating func deleteChain(_ name: String, in table: TableName) {
        append(DefinitionEncoder.chain("delete", table, name, NFT_MSG_DELCHAIN.rawValue, flags: []))
    }

    /// Deletes all rules of the chain.
    public mutating func flushChain(_ name: String, in table: TableName) {
        append(RuleEncoder.delete(table, chain: name, handle: nil))
    }

    private mutating func put(_ chain: Chain, _ verb: String, _ flags: MessageFlags) {
        append(
            DefinitionEncoder.chain(
                verb, chain.table, chain.name, NFT_MSG_NEWCHAIN.rawValue, flags: flags, definition: chain))
    }

    // MARK: Rules

    /// Adds the rule at the end of its chain, or after the rule `position`.
    public mutating func add(_ rule: ChainRule) { put(rule, "add", [.create, .append]) }

    /// Adds the rule at the beginning of its chain, or before the rule `position`.
    public mutating func insert(_ rule: ChainRule) { put(rule, "insert", .create) }

    /// Puts the rule in the place of the one with its handle.
    public mutating func replace(_ rule: ChainRule) { put(rule, "replace", .replace) }

    /// Deletes the rule with this handle.
    public mutating func deleteRule(_ handle: UInt64, in chain: String, of table: TableName) {
        append(RuleEncoder.delete(table, chain: chain, handle: handle))
    }

    private mutating func put(_ rule: ChainRule, _ verb: String, _ flags: MessageFlags) {
        var anonymous: [AnonymousSet: UInt32] = [:]
        for case .lookup(let lookup) in rule.expressions {
            guard case .anonymous(let set) = lookup.set, anonymous[set] == nil else { continue }
            anonymous[set] = add(set, of: rule.table)
        }
        append(RuleEncoder.rule(verb, rule, NFT_MSG_NEWRULE.rawValue, flags: flags, anonymous: anonymous))
    }

    private mutating func add(_ set: AnonymousSet, of table: TableName) -> UInt32 {
        let id = takeSetID()
        let named = NamedSet(
            table, set.wireName, key: set.key, data: set.data,
            flags: set.isInterval ? [.constant, .interval] : .constant)
        // A range of one field is two elements, and the kernel counts both.
        let size = set.elements.count * (set.isInterval && !named.hasConcatenatedRanges ? 2 : 1)
        append(SetEncoder.set("add", named, flags: .create, id: id, anonymousSize: size))
        let ordered = set.elements.sorted { $0.key.keyBytes.lexicographicallyPrecedes($1.key.keyBytes) }
        put(ordered, named, "add", .create, id: id)
        return id
    }

    // MARK: Sets and maps

    /// Adds the set or map; one like it that is there stays as it is.
    public mutating func add(_ set: NamedSet) { put(set, "add", .create) }

    /// Adds the set or map; fails if it is there.
    public mutating func create(_ set: NamedSet) { put(set, "create", [.create, .exclusive]) }

    /// Deletes the set or map, which no rule may use.
    public mutating func deleteSet(_ name: String, in table: TableName) { append(SetEncoder.delete(table, name)) }

    /// Deletes all elements of the set or map.
    public mutating func flushSet(_ name: String, in table: TableName) { append(ElementEncoder.flush(table, name)) }

    private mutating func put(_ set: NamedSet, _ verb: String, _ flags: MessageFlags) {
        append(SetEncoder.set(verb, set, flags: flags, id: takeSetID()))
    }

    // MARK: Elements

    /// Adds elements that may be there already; in a map, fails if one is there with other data.
    public mutating func add(_ elements: [Element], to set: NamedSet) { put(elements, set, "add", .create) }

    /// Adds elements; fails if one is there.
    public mutating func create(_ elements: [Element], in set: NamedSet) {
        put(elements, set, "create", [.create, .exclusive])
    }

    /// Deletes elements; fails if one is not there.
    /// - Parameter isReported: ``NFTablesClient/commit(_:generation:)`` says what they had counted when they went
    public mutating func delete(_ elements: [Element], from set: NamedSet, isReported: Bool = false) {
        append(
            ElementEncoder.elements(
                "delete", elements.map { Element(key: $0.key, through: $0.upper) }, in: set,
                NFT_MSG_DELSETELEM.rawValue, flags: isReported ? .echo : []))
        if isReported, !reported.contains(set) { reported.append(set) }
    }

    /// Deletes elements whether they are there or not. The kernel (before 6.3) has no such message: they are added
    /// first. In a map they must therefore have the data that is there.
    public mutating func deleteIfPresent(_ elements: [Element], from set: NamedSet) {
        add(elements, to: set)
        delete(elements, from: set)
    }

    /// Puts elements in the place of those with the same keys, which must be there.
    public mutating func replace(_ elements: [Element], in set: NamedSet) {
        delete(elements, from: set)
        create(elements, in: set)
    }

    private mutating func put(
        _ elements: [Element], _ set: NamedSet, _ verb: String, _ flags: MessageFlags, id: UInt32? = nil
    ) {
        append(ElementEncoder.elements(verb, elements, in: set, NFT_MSG_NEWSETELEM.rawValue, flags: flags, id: id))
    }

    // MARK: Objects

    /// Adds the object; one that is there stays with its counts.
    public mutating func add(_ object: StatefulObject) { put(object, "add", .create) }

    /// Adds the object; fails if it is there.
    public mutating func create(_ object: StatefulObject) { put(object, "create", [.create, .exclusive]) }

    /// Deletes the object, which no rule may use.
    public mutating func deleteObject(_ type: ObjectType, _ name: String, in table: TableName) {
        append(DefinitionEncoder.object("delete", table, name, type, NFT_MSG_DELOBJ.rawValue, flags: []))
    }

    private mutating func put(_ object: StatefulObject, _ verb: String, _ flags: MessageFlags) {
        append(
            DefinitionEncoder.object(
                verb, object.table, object.name, object.type, NFT_MSG_NEWOBJ.rawValue, flags: flags,
                definition: object))
    }

    // MARK: -

    private mutating func takeSetID() -> UInt32 {
        defer { nextSetID &+= 1 }
        return nextSetID
    }

    private mutating func append(_ result: Result<Request, KernelError>) { append(result.map { [$0] }) }

    private mutating func append(_ result: Result<[Request], KernelError>) {
        switch result {
        case .success(let more): requests += more
        case .failure(let error): problem = problem ?? error
        }
    }
}

/// Why a transaction had no effect.
public enum TransactionError: Error, Hashable, Sendable {
    /// The rule set is no longer of the generation the changes were made for: read it again.
    case outdated
    /// What the kernel complained about, in order. The first is the cause; others may be its consequences.
    case failed(KernelError, others: [KernelError])
}

extension TransactionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .outdated: "the nftables rule set has changed since it was read"
        case .failed(let error, let others):
            others.isEmpty ? "\(error)" : "\(error) (and \(others.count) more)"
        }
    }
}
