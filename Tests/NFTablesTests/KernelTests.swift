import Addresses
import NetlinkKit
import Testing

@testable import NFTables

@Suite struct KernelTests {
    private func check(_ sample: Sample) throws {
        try inNewNamespace { (client) throws -> Void in
            try client.commit(sample.transaction)
            let (listed, reloaded) = try listAndReload()
            #expect(listed == reloaded)
            // Install it over what nft has made of it, and read back what the kernel has.
            try client.commit(sample.transaction)
            let snapshot = try #require(try client.snapshot(of: sample.table.id))
            #expect(snapshot.table.definition == sample.table)
            #expect(Set(snapshot.chains.map(\.definition)) == Set(sample.chains))
            #expect(snapshot.objects.map(\.definition) == sample.objects)
            #expect(Set(snapshot.sets.map(\.definition)) == Set(sample.sets.map(\.0)))
            for (set, elements) in sample.sets {
                #expect(Set((snapshot.elements[set.name] ?? []).map(\.definition)) == Set(elements))
            }
            for chain in sample.chains {
                let found = snapshot.rules(in: chain.name).map(\.definition)
                let wanted = sample.rules.filter { $0.chain == chain.name }
                #expect(found.count == wanted.count)
                for (found, wanted) in zip(found, wanted) { #expect(found == wanted) }
            }
        }
    }

    @Test(.kernel) func ipv4TableReadsBackAndReloads() throws { try check(.ipv4(queue: [])) }

    @Test(.kernel) func ipv6TableReadsBackAndReloads() throws { try check(.ipv6(queue: [])) }

    @Test(
        .kernel(with: "nft_queue"),
        arguments: [
            Statement.queue(100...100, flags: .bypass), .queue(100...103, flags: [.bypass, .fanout]),
            .queue(hashing: [.greKey], over: 100...103, flags: .bypass),
        ])
    func tablesWithQueues(_ queue: Statement) throws {
        var sample = Sample.ipv4(queue: [.match(.ipProtocol, .equal(.gre)), queue])
        try check(sample)
        sample = .ipv6(queue: [.match(.ip6NextHeader, .equal(.gre)), queue])
        try check(sample)
    }

    @Test(.kernel) func whatNftMadeIsUnderstood() throws {
        let sample = Sample.ipv4(queue: [])
        try inNewNamespace { (client) throws -> Void in
            try client.commit(sample.transaction)
            let text = try shell("nft list ruleset")
            try shell("nft flush ruleset")
            try nft(text)
            let snapshot = try #require(try client.snapshot(of: sample.table.id))
            #expect(snapshot.table.definition == sample.table)
            #expect(Set(snapshot.sets.map(\.definition)) == Set(sample.sets.map(\.0)))
            for chain in sample.chains {
                let found = snapshot.rules(in: chain.name).map(\.definition)
                let wanted = sample.rules.filter { $0.chain == chain.name }
                #expect(found.count == wanted.count)
                for (found, wanted) in zip(found, wanted) { #expect(found == wanted) }
            }
        }
    }

    @Test(.kernel) func tenThousandElementsInOneTransaction() throws {
        let table = TableName(.ip, "many")
        let set = NamedSet(table, "legs", key: [.mark, Field.greKey.type], data: .field(.ipv4Address))
        let elements = (0..<10_000 as Range<UInt32>).map {
            Element(.mark($0 % 2), .integer($0), data: .value(.ipv4(IPv4Address(rawValue: 0x0A00_0000 + $0))))
        }
        try inNewNamespace { (client) throws -> Void in
            var transaction = Transaction()
            transaction.add(Table(.ip, "many"))
            transaction.add(set)
            transaction.create(elements, in: set)
            let before = try client.generation().id
            try client.commit(transaction)
            #expect(try client.generation().id == before + 1)
            #expect(Set(try client.elements(of: set).map(\.definition)) == Set(elements))
            // One that is there already undoes all.
            var second = Transaction()
            second.create([Element(.mark(9), 9, data: .value(.ipv4(.any))), elements[5000]], in: set)
            #expect(throws: TransactionError.self) { try client.commit(second) }
            #expect(try client.elements(of: set).count == 10_000)
            var third = Transaction()
            third.delete(elements, from: set)
            try client.commit(third)
            #expect(try client.elements(of: set).isEmpty)
        }
    }

    @Test(.kernel) func refusalNamesItsOperation() throws {
        let table = TableName(.ip, "t")
        try inNewNamespace { (client) throws -> Void in
            var transaction = Transaction()
            transaction.add(Table(.ip, "t"))
            transaction.add(Chain(table, "c"))
            transaction.add(ChainRule(table, "c", .jump("nowhere")))
            transaction.add(Chain(table, "d"))
            let error = #expect(throws: TransactionError.self) { try client.commit(transaction) }
            guard case .failed(let kernel, _)? = error else { return }
            #expect(kernel.errno == .noEntry)
            #expect("\(kernel)".hasPrefix("add rule in chain ip t c: ENOENT"), "\(kernel)")
            #expect(try client.tables().isEmpty)
            #expect(try client.snapshot(of: table) == nil)
            #expect(try client.sets(in: table).isEmpty)
            #expect(try client.objects(in: table).isEmpty)
        }
    }

    @Test(.kernel) func outdatedGenerationChangesNothing() throws {
        try inNewNamespace { (client) throws -> Void in
            let generation = try client.generation().id
            var transaction = Transaction()
            transaction.add(Table(.ip, "t"))
            try client.commit(transaction, generation: generation)
            var second = Transaction()
            second.add(Table(.ip, "u"))
            #expect(throws: TransactionError.outdated) { try client.commit(second, generation: generation) }
            #expect(try client.tables().map(\.id.name) == ["t"])
            try client.commit(second, generation: try client.generation().id)
            #expect(try client.tables().count == 2)
        }
    }

    @Test(.kernel) func changesToRulesSetsAndCounters() throws {
        let table = TableName(.inet, "t")
        let set = NamedSet(table, "s", key: [.inetService], flags: .timeout)
        try inNewNamespace { (client) throws -> Void in
            var transaction = Transaction()
            transaction.add(Table(.inet, "t"))
            transaction.add(Chain(table, "c"))
            transaction.add(set)
            for name in ["a", "b"] {
                transaction.add(StatefulObject(table, name, .counter(Counter(packets: 3, bytes: 9))))
            }
            transaction.add(StatefulObject(table, "q", .quota(Quota(bytes: 1 << 20, isOver: true)), comment: "a day's"))
            transaction.add(StatefulObject(table, "l", .limit(Limit(rate: 5, unit: 60))))
            transaction.add(ChainRule(table, "c", .accept, comment: "first"))
            transaction.add(ChainRule(table, "c", .drop, comment: "last"))
            transaction.deleteIfPresent([Element(.inetService(80))], from: set)
            transaction.add([Element(.inetService(443), timeout: 60_000)], to: set)
            try client.commit(transaction)
            #expect(
                Set(try client.objects(in: table, .counter).map(\.name)) == ["a", "b"])
            let rules = try client.rules(in: table, chain: "c")
            let first = try #require(rules.first?.handle)
            let last = try #require(rules.last?.handle)
            #expect(rules.last?.position == first)
            let element = try #require(try client.elements(of: set).first)
            #expect(element.timeout == 60_000 && (element.expiration ?? 0) > 50_000)
            var second = Transaction()
            second.replace(ChainRule(table, "c", .return, comment: "new", handle: last))
            second.add(ChainRule(table, "c", .counter, comment: "second", position: first))
            second.insert(ChainRule(table, "c", .counter, comment: "zeroth"))
            second.deleteRule(first, in: "c", of: table)
            second.deleteObject(.counter, "a", in: table)
            second.replace([Element(.inetService(443), comment: "https")], in: set)
            try client.commit(second)
            #expect(try client.rules(in: table).compactMap(\.comment) == ["zeroth", "second", "new"])
            let objects = try client.objects(in: table)
            #expect(Set(objects.map(\.name)) == ["b", "q", "l"])
            #expect(objects.first { $0.name == "b" }?.state == .counter(Counter(packets: 3, bytes: 9)))
            #expect(objects.first { $0.name == "q" }?.comment == "a day's")
            #expect(objects.first { $0.name == "l" }?.state == .limit(Limit(rate: 5, unit: 60)))
            let https = try client.elements(of: set).first
            #expect(https?.comment == "https")
            var third = Transaction()
            third.flush(table)
            third.flushSet("s", in: table)
            third.deleteSet("s", in: table)
            third.deleteChain("c", in: table)
            try client.commit(third)
            #expect(try client.chains(in: table).isEmpty)
            #expect(try client.sets(in: table).isEmpty)
        }
    }

    @Test(.kernel) func elementsCountWhatFoundThem() throws {
        let table = TableName(.ip, "t")
        let set = NamedSet(table, "s", key: [.ipv4Address, Field.greKey.type], data: .field(.ipv4Address), hasCounters: true)
        let map = NamedSet(table, "m", key: [.ipv4Address], data: .field(.ipv4Address), hasCounters: true)
        try inNewNamespace { (client) throws -> Void in
            var transaction = Transaction()
            transaction.add(Table(.ip, "t"))
            transaction.add(set)
            transaction.add(map)
            transaction.add(Chain(table, "out", hook: Hook(.filter, .output, .filter)))
            let loopback = Value.ipv4(IPv4Address(rawValue: 0x7F00_0001))
            transaction.add(ChainRule(table, "out", .set(.ipDaddr, to: "m", of: [.ipDaddr])))
            transaction.create([Element(loopback, data: .value(loopback))], in: map)
            transaction.create([Element(loopback, .integer(7), data: .value(loopback))], in: set)
            try client.commit(transaction)
            #expect(Set(try client.sets(in: table).map(\.definition)) == [set, map])
            let (listed, reloaded) = try listAndReload()
            #expect(listed == reloaded)
            try shell("ip link set lo up; ping -c 3 -i 0.01 127.0.0.1")
            let found = try client.elements([[loopback], [.ipv4(.any)]], of: map)
            try #require(found.count == 2)
            // Requests and replies.
            #expect(found[0]?.counter?.packets == 6 && found[0]?.counter?.bytes == 6 * 84)
            #expect(found[1] == nil)
            #expect(try client.elements([[loopback, .integer(7)]], of: set)[0]?.counter == Counter())
            // What goes is told once more, even if the same comes again in the same step.
            var change = Transaction()
            change.delete([Element(loopback)], from: map, isReported: true)
            change.delete([Element(loopback, .integer(7))], from: set)
            change.create([Element(loopback, data: .value(loopback))], in: map)
            let deleted = try client.commit(change)
            #expect(deleted.map(\.set) == ["m"] && deleted.map(\.table) == [table])
            #expect(deleted.first?.element.key == [loopback])
            #expect(deleted.first?.element.counter?.packets == 6 && deleted.first?.element.counter?.bytes == 6 * 84)
            #expect(try client.elements([[loopback]], of: map)[0]?.counter == Counter())
            #expect(try client.commit(Transaction()).isEmpty)
        }
    }

    /// Counters of many elements come in pieces, each element once, while others come and go.
    @Test(.kernel) func countersOfManyArePieces() throws {
        let table = TableName(.ip, "t")
        let map = NamedSet(table, "m", key: [.ipv4Address, Field.greKey.type], data: .field(.ipv4Address), hasCounters: true)
        let bare = NamedSet(table, "b", key: [.ipv4Address])
        func address(_ number: Int) -> Value { .ipv4(IPv4Address(rawValue: 0x0A00_0000 + UInt32(number))) }
        try inNewNamespace { (client) throws -> Void in
            var transaction = Transaction()
            transaction.add(Table(.ip, "t"))
            transaction.add(map)
            transaction.add(bare)
            transaction.create([Element(.ipv4(.any))], in: bare)
            try client.commit(transaction)
            // What an element has counted from its beginning, only nft can say.
            let elements = (0..<3000).map {
                "10.0.\($0 >> 8).\($0 & 255) . \($0) counter packets \($0 + 1) bytes \(($0 + 1) << 32) : "
                    + "240.0.\(($0 + 1) >> 8).\(($0 + 1) & 255)"
            }
            for begin in stride(from: 0, to: 3000, by: 500) {
                try nft("add element ip t m { \(elements[begin..<begin + 500].joined(separator: ", ")) }\n")
            }
            let listing = CounterListing(try NetlinkSocket(.netfilter))
            #expect(!listing.isReading)
            try listing.begin(map)
            var seen: [UInt32: Counter] = [:]
            var pieces = 0, most = 0
            var goesOn = true
            while goesOn {
                let before = seen.count
                goesOn = try listing.next { key, value, counter in
                    let number = UInt32(bigEndian: value.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self)) - 0xF000_0001
                    let address = UInt32(bigEndian: key.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self))
                    #expect(key.byteCount == 8 && value.byteCount == 4 && address == 0x0A00_0000 + number)
                    #expect(seen.updateValue(counter, forKey: number) == nil)
                }
                pieces += 1
                most = max(most, seen.count - before)
            }
            #expect(seen.count == 3000 && seen.allSatisfy { $1 == Counter(packets: UInt64($0) + 1, bytes: (UInt64($0) + 1) << 32) })
            #expect(pieces > 5 && most < 600, "\(pieces) \(most)")
            #expect(!listing.isReading)
            #expect(try !listing.next { _, _, _ in Issue.record("there is nothing more") })
            // One that is not read to its end, while elements go; then another, which has no counters.
            try listing.begin(map)
            _ = try listing.next { _, _, _ in }
            var fewer = Transaction()
            fewer.delete((0..<100).map { Element(address($0), .integer(UInt32($0))) }, from: map)
            try client.commit(fewer)
            try listing.begin(bare)
            while try listing.next({ _, _, _ in Issue.record("nothing counts here") }) {}
            try listing.begin(map)
            var left = 0
            while try listing.next({ _, _, _ in left += 1 }) {}
            #expect(left == 2900)
            do throws(KernelError) {
                try listing.begin(NamedSet(table, "absent", key: [.ipv4Address]))
                _ = try listing.next { _, _, _ in }
                Issue.record("there is no such set")
            } catch {
                #expect(error.errno == .noEntry && !listing.isReading)
            }
        }
    }

    @Test(.kernel) func monitorTellsWhoChangedWhat() throws {
        try inNewNamespace { (client) throws -> Void in
            let (monitor, _) = try NFTablesMonitor.open()
            #expect(try monitor.events() == [])
            var transaction = Transaction()
            transaction.add(Table(.ip, "ours"))
            transaction.add(Chain(TableName(.ip, "ours"), "c"))
            try client.commit(transaction)
            try shell("nft add table ip6 theirs")
            let events = try monitor.events(timeout: 1000)
            try #require(events.count == 2)
            guard case .changed(let ours, let by, let port) = events[0],
                case .changed(let theirs, let other, let otherPort) = events[1]
            else {
                Issue.record("\(events)")
                return
            }
            #expect(ours == [TableName(.ip, "ours")] && port == client.port)
            #expect(theirs == [TableName(.ip6, "theirs")] && otherPort != client.port && other.processName == "nft")
            #expect(other.id == by.id &+ 1)
            #expect(try client.generation().id == other.id)
        }
    }
}
