import CLibnftnl
import CLinux
import NetlinkKit

/// Messages for elements, as many as it takes: the list of one message has at most 65 535 bytes.
enum ElementEncoder {
    static func elements(
        _ verb: String, _ elements: [Element], in set: NamedSet, _ type: UInt32, flags: MessageFlags, id: UInt32? = nil
    ) -> Result<[Request], KernelError> {
        let kind = set.data == nil ? "set" : "map"
        var requests: [Request] = []
        var chunk: [WireElement] = []
        var bytes = 0

        func flush() -> KernelError? {
            guard !chunk.isEmpty else { return nil }
            let operation = Operation(verb, "\(chunk.count) element(s) of \(kind) \(set.table) \(set.name)")
            switch message(operation, chunk, set, type, flags: flags, id: id) {
            case .success(let request): requests.append(request)
            case .failure(let error): return error
            }
            chunk = []
            bytes = 0
            return nil
        }

        for element in elements {
            switch wire(element, in: set) {
            case .failure(let problem):
                let operation = Operation(verb, "element \(element.key) of \(kind) \(set.table) \(set.name)")
                return .failure(.invalidRequest(operation, problem.text))
            case .success(let wire):
                let more = wire.reduce(0) { $0 + $1.bound }
                if bytes + more > listLimit, let error = flush() { return .failure(error) }
                chunk += wire
                bytes += more
            }
        }
        if let error = flush() { return .failure(error) }
        return .success(requests)
    }

    /// Asks for one element a request, so that one that is not there does not keep the others from being read.
    static func get(_ keys: [[Value]], of set: NamedSet) throws(KernelError) -> [Request] {
        var requests: [Request] = []
        // Of thousands in a row: the keys' own text would cost more than all the rest.
        let operation = Operation("get", "element of \(set.table) \(set.name)")
        for key in keys {
            switch wire(Element(key: key), in: set) {
            case .failure(let problem): throw .invalidRequest(operation, problem.text)
            case .success(let wire):
                requests.append(
                    try message(operation, wire, set, NFT_MSG_GETSETELEM.rawValue, flags: [], id: nil).get())
            }
        }
        return requests
    }

    /// Removes every element.
    static func flush(_ table: TableName, _ name: String) -> Result<Request, KernelError> {
        let operation = Operation("flush", "set \(table) \(name)")
        if let problem = Limits.problem(names: [table.name, name], comment: nil) {
            return .failure(.invalidRequest(operation, problem))
        }
        return message(
            operation, [], NamedSet(table, name, key: []), NFT_MSG_DELSETELEM.rawValue, flags: [], id: nil)
    }

    /// No fewer bytes than stand before the elements: headers, the names of table and set (``Limits/nameLength``).
    private static let headLimit = 1024
    /// Somewhat below what an attribute can hold.
    private static let listLimit = 60_000

    private struct Problem: Error { var text: String }

    /// One element as the kernel knows it; a range of a set of one field is two.
    private struct WireElement {
        var key: [UInt8]
        var keyEnd: [UInt8] = []
        var isEnd = false
        var data: Element.Datum?
        var timeout: UInt64?
        var userData: [UInt8] = []

        /// No fewer bytes than it takes in a message.
        var bound: Int {
            var bytes = 4 + 12 + key.count + 4 + 12 + keyEnd.count + 8 + 12 + 8 + userData.count
            switch data {
            case .value(let value)?: bytes += 12 + value.bytes.count
            case .verdict(let verdict)?: bytes += 24 + (verdict.chain?.utf8.count ?? 0)
            case .object(let name)?: bytes += 8 + name.utf8.count
            case nil: break
            }
            return bytes
        }
    }

    private static func wire(_ element: Element, in set: NamedSet) -> Result<[WireElement], Problem> {
        if let problem = problem(element, in: set) { return .failure(Problem(text: problem)) }
        var first = WireElement(key: element.key.keyBytes, data: element.data, timeout: element.timeout)
        var notes = UserData()
        notes.put(comment: element.comment, as: UserData.commentType)
        first.userData = notes.bytes
        let upper = element.upper?.keyBytes
        if set.hasConcatenatedRanges {
            first.keyEnd = upper ?? first.key
            return .success([first])
        }
        guard set.flags.contains(.interval) else { return .success([first]) }
        // The range is half open: its end is the first key outside. At the end of the number space there is none.
        guard let end = successor(upper ?? first.key) else { return .success([first]) }
        return .success([first, WireElement(key: end, isEnd: true)])
    }

    private static func problem(_ element: Element, in set: NamedSet) -> String? {
        for key in [element.key, element.upper].compactMap({ $0 }) {
            guard key.count == set.key.count, zip(set.key, key).allSatisfy({ $0.accepts($1) }) else {
                return "the key is not of the set's type"
            }
        }
        if element.upper != nil, !set.flags.contains(.interval) { return "a range in a set without intervals" }
        switch (set.data, element.data) {
        case (.field(let type)?, .value(let value)?):
            if !type.accepts(value) { return "the data is not of the map's type" }
        case (.verdict?, .verdict(let verdict)?):
            if let chain = verdict.chain { return Limits.problem(names: [chain], comment: element.comment) }
        case (.object?, .object(let name)?): return Limits.problem(names: [name], comment: element.comment)
        case (_, nil): break
        default: return "the data is not of the map's type"
        }
        return Limits.problem(names: [], comment: element.comment)
    }

    /// The next number, big-endian; nil after the last.
    static func successor(_ key: [UInt8]) -> [UInt8]? {
        var next = key
        for i in next.indices.reversed() {
            next[i] &+= 1
            if next[i] != 0 { return next }
        }
        return nil
    }

    private static func message(
        _ operation: Operation, _ elements: [WireElement], _ set: NamedSet, _ type: UInt32, flags: MessageFlags,
        id: UInt32?
    ) -> Result<Request, KernelError> {
        guard let object = nftnl_set_alloc() else { return .failure(.invalidRequest(operation, "out of memory")) }
        defer { nftnl_set_free(object) }
        _ = nftnl_set_set_str(object, NFTNL_SET_TABLE.number, set.table.name)
        _ = nftnl_set_set_str(object, NFTNL_SET_NAME.number, set.name)
        if let id { nftnl_set_set_u32(object, NFTNL_SET_ID.number, id) }
        for element in elements {
            guard let item = nftnl_set_elem_alloc() else {
                return .failure(.invalidRequest(operation, "out of memory"))
            }
            fill(item, element)
            nftnl_set_elem_add(object, item)
        }
        return MessageBuilder.message(
            operation, type, set.table.family, flags: flags, names: AttributeNames.elements,
            capacity: headLimit + elements.reduce(0) { $0 + $1.bound }
        ) { nftnl_set_elems_nlmsg_build_payload($0, object) }
    }

    private static func fill(_ item: OpaquePointer, _ element: WireElement) {
        func put(_ attribute: Int, _ bytes: [UInt8]) {
            bytes.withUnsafeBytes {
                _ = nftnl_set_elem_set(item, attribute.number, $0.baseAddress, UInt32($0.count))
            }
        }
        put(NFTNL_SET_ELEM_KEY, element.key)
        if !element.keyEnd.isEmpty { put(NFTNL_SET_ELEM_KEY_END, element.keyEnd) }
        if element.isEnd { nftnl_set_elem_set_u32(item, NFTNL_SET_ELEM_FLAGS.number, intervalEnd) }
        switch element.data {
        case .value(let value)?: put(NFTNL_SET_ELEM_DATA, value.bytes)
        case .verdict(let verdict)?:
            nftnl_set_elem_set_u32(item, NFTNL_SET_ELEM_VERDICT.number, UInt32(bitPattern: verdict.code))
            if let chain = verdict.chain { _ = nftnl_set_elem_set_str(item, NFTNL_SET_ELEM_CHAIN.number, chain) }
        case .object(let name)?: _ = nftnl_set_elem_set_str(item, NFTNL_SET_ELEM_OBJREF.number, name)
        case nil: break
        }
        if let timeout = element.timeout { nftnl_set_elem_set_u64(item, NFTNL_SET_ELEM_TIMEOUT.number, timeout) }
        if !element.userData.isEmpty { put(NFTNL_SET_ELEM_USERDATA, element.userData) }
    }

    /// `NFT_SET_ELEM_INTERVAL_END`
    static let intervalEnd: UInt32 = 1
}
