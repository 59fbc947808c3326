import CLinux
import Glibc
import NetlinkKit

/// Reads and changes the nftables rule set of one network namespace. Not thread-safe.
public final class NFTablesClient {
    private let exchange: Exchange
    /// The netlink port that changes go out by, which ``NFTablesMonitor`` reports; nil when it is not known.
    public let port: UInt32?
    /// How often ``snapshot(of:)`` reads while others keep changing the rule set.
    public var snapshotAttempts = 8

    public init(_ exchange: Exchange, port: UInt32? = nil) {
        self.exchange = exchange
        self.port = port
    }

    /// In the network namespace of the calling thread. A transaction travels in one datagram, which the send buffer
    /// limits: 64 MiB hold some 500 000 elements. Beyond the system's limit only with CAP_NET_ADMIN.
    public convenience init(sendBuffer: Int32 = 64 << 20) throws(KernelError) {
        let socket = try NetlinkSocket(.netfilter, sendBuffer: sendBuffer)
        self.init(Exchange(socket), port: socket.port)
    }

    /// Messages of transactions that were sent, whatever came of them.
    public var changes: UInt64 { exchange.changes }

    // MARK: Changing

    /// Makes the changes, all or none.
    /// - Parameter generation: the generation they were made for; nil makes them whatever has happened since
    /// - Returns: the deleted elements that were to be reported, as they were when no packet met them any more
    @discardableResult
    public func commit(
        _ transaction: Transaction, generation: UInt32? = nil
    ) throws(TransactionError) -> [DeletedElement] {
        if let problem = transaction.problem { throw .failed(problem, others: []) }
        guard !transaction.requests.isEmpty else { return [] }
        guard let begin = MessageBuilder.begin(generation: generation), let end = MessageBuilder.end() else {
            throw .failed(.invalidRequest(Operation("begin", "nftables transaction"), "out of memory"), others: [])
        }
        var requests = [begin] + transaction.requests + [end]
        // The kernel answers where it is asked to or something fails: one answer tells success from silence.
        requests[requests.count - 2].flags.insert(.acknowledge)
        let results = exchange.transaction(requests)
        if case .failure(let error)? = results.first, error.errno?.rawValue == ERESTART { throw .outdated }
        let failures = results.compactMap { result -> KernelError? in
            guard case .failure(let error) = result else { return nil }
            if case .aborted = error { return nil }
            return error
        }
        if let first = failures.first { throw .failed(first, others: Array(failures.dropFirst())) }
        return transaction.reported.isEmpty ? [] : DeletedElement.list(exchange.echoes, of: transaction.reported)
    }

    // MARK: Reading

    /// The rule set's generation: it changes with every transaction, anybody's, of the network namespace.
    public func generation() throws(KernelError) -> Generation {
        let operation = Operation("get", "nftables generation")
        let request = Self.request(
            operation, NFT_MSG_GETGEN.rawValue, Family(rawValue: 0), GenerationSpace.self
        ) { _ in }
        for reply in try exchange.ask(request) {
            if let message = Message(reply.span.bytes, at: 0), let generation = Generation(message) {
                return generation
            }
        }
        throw .malformed(operation, "no generation in it")
    }

    /// The tables of one family, or of all.
    public func tables(_ family: Family? = nil) throws(KernelError) -> [Table] {
        let request = Self.request(
            Operation("list", "nftables tables"), NFT_MSG_GETTABLE.rawValue, family ?? Family(rawValue: 0),
            TableSpace.self
        ) { _ in }
        return try exchange.dump(request) { Table($0) }
    }

    /// The chains of a table, base chains and those that rules jump to.
    public func chains(in table: TableName) throws(KernelError) -> [Chain] {
        let request = Self.request(
            Operation("list", "chains of table \(table)"), NFT_MSG_GETCHAIN.rawValue, table.family, ChainSpace.self
        ) { $0.put(ChainSpace.table, table.name) }
        // The kernel lists the chains of all tables of the family.
        return try exchange.dump(request) { message in Chain(message).flatMap { $0.table == table ? $0 : nil } }
    }

    /// Rules in the order in which they are evaluated, chain by chain.
    public func rules(in table: TableName, chain: String? = nil) throws(KernelError) -> [ChainRule] {
        let request = Self.request(
            Operation("list", "rules of table \(table)"), NFT_MSG_GETRULE.rawValue, table.family, RuleSpace.self
        ) {
            $0.put(RuleSpace.table, table.name)
            $0.put(RuleSpace.chain, ifPresent: chain)
        }
        return try exchange.dump(request) { message in
            ChainRule(message).flatMap { $0.table == table && (chain == nil || $0.chain == chain) ? $0 : nil }
        }
    }

    /// Sets and maps, those without a name of their own among them; none when there is no such table.
    public func sets(in table: TableName) throws(KernelError) -> [NamedSet] {
        let request = Self.request(
            Operation("list", "sets of table \(table)"), NFT_MSG_GETSET.rawValue, table.family, SetSpace.self
        ) { $0.put(SetSpace.table, table.name) }
        do throws(KernelError) {
            return try exchange.dump(request) { message in NamedSet(message).flatMap { $0.table == table ? $0 : nil } }
        } catch  where error.errno == .noEntry {
            return []
        }
    }

    /// The elements of a set or map. Its definition says how to read them.
    public func elements(of set: NamedSet) throws(KernelError) -> [Element] {
        let messages = try exchange.dump(Self.listing(of: set)) { message -> [ReceivedElement]? in
            ReceivedElement.list(message, of: set)
        }
        return ReceivedElement.join(messages.flatMap { $0 }, of: set)
    }

    static func listing(of set: NamedSet) -> Request {
        request(
            Operation("list", "elements of set \(set.table) \(set.name)"), NFT_MSG_GETSETELEM.rawValue,
            set.table.family, ElementListSpace.self
        ) {
            $0.put(ElementListSpace.table, set.table.name)
            $0.put(ElementListSpace.set, set.name)
        }
    }

    /// Elements of a set or map by their keys, without reading the others; nil for a key that is not there. Of a set of
    /// ranges, the one that holds the key.
    public func elements(_ keys: [[Value]], of set: NamedSet) throws(KernelError) -> [Element?] {
        var found: [Element?] = []
        found.reserveCapacity(keys.count)
        for result in exchange.ask(try ElementEncoder.get(keys, of: set)) {
            switch result {
            case .success(let reply):
                var received: [ReceivedElement] = []
                for one in reply {
                    guard let message = Message(one.span.bytes, at: 0) else { continue }
                    received += ReceivedElement.list(message, of: set)
                }
                found.append(ReceivedElement.join(received, of: set).first)
            case .failure(let error) where error.errno == .noEntry: found.append(nil)
            case .failure(let error): throw error
            }
        }
        return found
    }

    /// Named objects with what they have counted, in one dump; none when there is no such table.
    public func objects(in table: TableName, _ type: ObjectType? = nil) throws(KernelError) -> [StatefulObject] {
        let request = Self.request(
            Operation("list", "objects of table \(table)"), NFT_MSG_GETOBJ.rawValue, table.family, ObjectSpace.self
        ) {
            $0.put(ObjectSpace.table, table.name)
            if let type { $0.put(ObjectSpace.type, type.rawValue) }
        }
        do throws(KernelError) {
            return try exchange.dump(request) { message in
                StatefulObject(message).flatMap { $0.table == table ? $0 : nil }
            }
        } catch  where error.errno == .noEntry {
            return []
        }
    }

    /// Everything in a table, all of one generation; nil when there is no such table.
    public func snapshot(of table: TableName) throws(KernelError) -> TableSnapshot? {
        for _ in 0..<max(1, snapshotAttempts) {
            let before = try generation().id
            guard let definition = try tables(table.family).first(where: { $0.id == table }) else {
                if try generation().id == before { return nil }
                continue
            }
            let sets = try sets(in: table)
            var elements: [String: [Element]] = [:]
            var lost = false
            for set in sets {
                do throws(KernelError) {
                    elements[set.name] = try self.elements(of: set)
                } catch  where error.errno == .noEntry {
                    lost = true
                }
            }
            let snapshot = TableSnapshot(
                generation: before, table: definition, chains: try chains(in: table), rules: try rules(in: table),
                sets: sets, elements: elements, objects: try objects(in: table))
            if !lost, try generation().id == before { return snapshot.withAnonymousSetsInRules() }
        }
        throw .inconsistentDump(Operation("read", "table \(table)"), attempts: max(1, snapshotAttempts))
    }

    private static func request<Space>(
        _ operation: Operation, _ type: UInt32, _ family: Family, _ space: Space.Type,
        _ body: (inout AttributeWriter<Space>) -> Void
    ) -> Request {
        Request(
            operation, type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(truncatingIfNeeded: type), flags: [],
            header: NetfilterHeader(nfgen_family: family.rawValue, version: 0, res_id: 0), space, body)
    }
}
