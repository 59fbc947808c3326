import Addresses
import CLinux
import NetlinkKit
import Testing

@testable import NFTables

@Suite struct ModelTests {
    private let table = TableName(.ip, "t")

    private func rule(_ bytes: [UInt8]) -> ChainRule? {
        guard let message = Message(bytes.span.bytes, at: 0) else { return nil }
        return ChainRule(message)
    }

    private static let first = Register.first
    private static let last = Register(slot: 15)

    @Test(
        arguments: [
            .payload(PayloadLoad(.transport, offset: 4, length: 4, to: Register(slot: 5))),
            .payloadStore(PayloadStore(.network, offset: 12, length: 4, checksumOffset: 10, inPseudoHeader: true)),
            .payloadStore(PayloadStore(from: last, .network, offset: 8, length: 16)),
            .meta(Meta(.inputInterfaceName, .load(to: first))), .meta(Meta(.mark, .store(from: last))),
            .bitwise(.and([0xF0, 0, 0, 1])), .bitwise(Bitwise(length: 4, .shiftLeft(3))),
            .bitwise(Bitwise(first, to: last, length: 4, .shiftRight(31))),
            .compare(Compare(first, .greaterOrEqual, [1, 2])), .range(RangeMatch(isInverted: true, from: [1], to: [9])),
            .lookup(Lookup("s", last, .notContained)), .lookup(Lookup("m", first, .data(to: last))),
            .lookup(Lookup("m", first, .verdict)), .lookup(Lookup("s")),
            .dynamicSet(
                DynamicSet(
                    .add, "s", data: last, timeout: 9, expressions: [.limit(Limit(rate: 1)), .counter(Counter())])),
            .dynamicSet(DynamicSet(.update, "s", expressions: [.counter(Counter(packets: 1, bytes: 2))])),
            .immediate(.data([1, 2, 3], to: last)), .immediate(.verdict(.jump("x"))), .immediate(.verdict(.continue)),
            .counter(Counter(packets: .max, bytes: 7)), .object(ObjectReference(.counter, "n")),
            .queue(Queue(.numbers(first: 100, count: 4), flags: [.bypass, .fanout])),
            .queue(Queue(.register(last), flags: .bypass)), .notrack(Notrack()),
            .connection(ConnectionTracking(.mark, .store(from: first))),
            .connection(ConnectionTracking(ConnectionKey(rawValue: 8), .load(to: first), direction: 1)),
            .nat(Nat(.destination, .ip6, address: .init(first), port: .init(last), flags: .random)),
            .nat(Nat(.source, .ip, address: .init(first, last))), .masquerade(Masquerade(flags: .fullyRandom)),
            .masquerade(Masquerade(port: .init(first, last))), .redirect(Redirect(port: .init(first))),
            .limit(Limit(rate: 10, unit: 60, burst: 7, counts: .bytes, isOver: true)),
            .quota(Quota(bytes: 10, consumed: 3, isOver: true)), .log(Log(prefix: "p", .kernel(level: 6, flags: 1))),
            .log(Log(.group(3, snapLength: 64, queueThreshold: 2))), .reject(.icmp(code: 13)), .reject(.tcpReset),
            .reject(.icmpx(code: 1)), .exthdr(Exthdr(.ipv6, type: 43, offset: 0, length: 1, .load(to: first))),
            .exthdr(Exthdr(.tcpOption, type: 2, offset: 2, length: 2, .store(from: last))),
            .exthdr(Exthdr(.tcpOption, type: 4, offset: 0, length: 1, .load(to: first), testsPresence: true)),
            .routing(Routing(.tcpMaximumSegment, to: last)), .numgen(Numgen(.random, modulus: 4, offset: 2)),
            .hash(Hash(last, length: 4, modulus: 4, offset: 100)), .hash(Hash(last, length: 4, modulus: 4, seed: nil)),
            .byteorder(Byteorder(.networkToHost, last, length: 8, size: 4)),
            .fib(Fib(.addressType, [.destinationAddress, .outputInterface])), .security(Security(.requestID, to: last)),
        ] as [Expression])
    func everyExpressionIsReadAsItWasWritten(_ expression: Expression) throws {
        var transaction = Transaction()
        let rule = ChainRule(table, "c", [expression], comment: "ü", handle: 7, position: 9)
        transaction.add(rule)
        let request = try #require(transaction.requests.first)
        #expect(self.rule(request.bytes) == rule)
    }

    @Test func valuesReadAsNftWritesThem() throws {
        let values: [Value] = [
            .ipv4(try #require(IPv4Address("192.0.2.1"))), .ipv6(try #require(IPv6Address("2001:db8::1"))), .mark(0xA1B),
            .udp, .inetService(443), .interfaceName("eth0"), .integer(258, length: 2), .raw([0, 0x2F, 0xFF]),
        ]
        #expect(
            values.map(\.description)
                == ["192.0.2.1", "2001:db8::1", "0x00000a1b", "17", "443", "\"eth0\"", "258", "0x002fff"])
    }

    @Test func registersAreOneStorageWithTwoNumberings() {
        #expect(Register(wireValue: 8) == Register(wireValue: 1))
        #expect(Register(wireValue: 20) == Register(wireValue: 4))
        #expect(
            (0..<16).map { Register(slot: $0).wireValue } == [
                1, 9, 10, 11, 2, 13, 14, 15, 3, 17, 18, 19, 4, 21, 22, 23,
            ])
        #expect([0, 5, 7, 24, .max].allSatisfy { Register(wireValue: $0) == nil })
        #expect(Register.first.advanced(byBytes: 5).slot == 2)
    }

    @Test func unknownExpressionsStayAmongTheirNeighbours() throws {
        // The name of the first expression of a rule is replaced by one of the same length that nobody has.
        var transaction = Transaction()
        transaction.add(ChainRule(table, "c", .counter, .notrack, .accept))
        var bytes = try #require(transaction.requests.first).bytes
        let name = Array("counter\0".utf8)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
        bytes.replaceSubrange(start..<start + 7, with: Array("quantum".utf8))
        let rule = try #require(self.rule(bytes))
        #expect(
            rule.expressions == [
                .unknown(UnknownExpression(name: "quantum", data: [])), .notrack(Notrack()),
                .immediate(.verdict(.accept)),
            ])
        // It is told, not dropped, when somebody wants to write it.
        var second = Transaction()
        second.add(ChainRule(table, "c", [.unknown(UnknownExpression(name: "quantum", data: []))]))
        guard case .invalidRequest? = second.problem else {
            Issue.record("\(String(describing: second.problem))")
            return
        }
        #expect(second.requests.isEmpty)
    }

    @Test func damagedMessagesDoNotTrap() throws {
        var random = SystemRandomNumberGenerator()
        let sample = Sample.ipv4(queue: [.queue(hashing: [.greKey], over: 1...4)])
        let set = try #require(sample.sets.first?.0)
        let messages = sample.transaction.requests.map(\.bytes)
        for _ in 0..<20_000 {
            guard var bytes = messages.randomElement(using: &random) else { return }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 16..<bytes.count, using: &random)
                bytes[place] = .random(in: .min ... .max, using: &random)
            }
            if Bool.random(using: &random) {
                bytes.removeLast(Int.random(in: 0..<(bytes.count - 16), using: &random))
                bytes.replaceSubrange(0..<4, with: UInt32(bytes.count).hostOrderBytes)
            }
            guard let message = Message(bytes.span.bytes, at: 0) else { continue }
            _ = Table(message)
            _ = Chain(message)
            _ = ChainRule(message)
            _ = NamedSet(message)
            _ = StatefulObject(message)
            _ = Generation(message)
            for (set, _) in sample.sets { _ = ReceivedElement.join(ReceivedElement.list(message, of: set), of: set) }
            _ = ReceivedElement.list(message, of: set)
        }
    }

    @Test func elementsAreReadAsTheyWereWritten() throws {
        let greKey = Field.greKey.type
        let address = Value.ipv4(IPv4Address(10, 1, 0, 2)), far = Value.ipv6(IPv6Address("2001:db8::1")!)
        for (set, element) in [
            (
                NamedSet(table, "s", key: [.ipv4Address, greKey], data: .field(.ipv4Address), hasCounters: true),
                Element(address, 7, data: .value(address), comment: "ü")
            ),
            (
                NamedSet(table, "s", key: [.interfaceName], data: .verdict, flags: .timeout),
                Element(.interfaceName("lan0"), data: .verdict(.goto("c")), timeout: 900)
            ),
            (NamedSet(table, "s", key: [.ipv6Address]), Element(far)),
            (NamedSet(table, "s", key: [.mark], data: .object(.counter)), Element(.mark(9), data: .object("n"))),
            (
                NamedSet(table, "s", key: [.inetProtocol, .inetService], flags: .interval),
                Element(.inetProtocol(6), .inetService(1), through: [.inetProtocol(6), .inetService(9)])
            ),
        ] {
            var transaction = Transaction()
            transaction.add([element], to: set)
            let request = try #require(transaction.requests.first)
            guard let message = Message(request.bytes.span.bytes, at: 0) else {
                Issue.record("not read as a message")
                return
            }
            #expect(ReceivedElement.join(ReceivedElement.list(message, of: set), of: set) == [element])
        }
    }

    @Test func rangesMayTouchAndReachTheEnd() throws {
        let set = NamedSet(table, "s", key: [.inetService], flags: .interval)
        let elements = [
            Element(.inetService(0)), Element(.inetService(1), through: [.inetService(9)]), Element(.inetService(10)),
            Element(.inetService(20), through: [.inetService(65535)]),
        ]
        var transaction = Transaction()
        transaction.add(elements, to: set)
        let request = try #require(transaction.requests.first)
        guard let message = Message(request.bytes.span.bytes, at: 0) else {
            Issue.record("not read as a message")
            return
        }
        let received = ReceivedElement.list(message, of: set)
        #expect(received.count == 7)
        #expect(ReceivedElement.join(received.shuffled(), of: set) == elements)
        #expect(ElementEncoder.successor([0, 0xFF]) == [1, 0] && ElementEncoder.successor([0xFF, 0xFF]) == nil)
    }

    @Test(
        arguments: [
            { $0.add(Table(.ip, "")) }, { $0.add(Table(.ip, "a", comment: String(repeating: "x", count: 128))) },
            { $0.add(Chain(TableName(.ip, "t"), String(repeating: "x", count: 256))) },
            { $0.add(NamedSet(TableName(.ip, "t"), "s", key: [])) },
            { $0.add(NamedSet(TableName(.ip, "t"), "s", key: [.mark], flags: .interval)) },
            { $0.add(NamedSet(TableName(.ip, "t"), "s", key: Array(repeating: .ipv6Address, count: 5))) },
            { $0.add([Element(.mark(1))], to: NamedSet(TableName(.ip, "t"), "s", key: [.ipv4Address])) },
            {
                $0.add(
                    [Element(1, 2)],
                    to: NamedSet(TableName(.ip, "t"), "s", key: [.payload(.network, offset: 0, length: 4)]))
            },
            {
                $0.add([Element(.mark(1), data: .verdict(.drop))], to: NamedSet(TableName(.ip, "t"), "s", key: [.mark]))
            },
            { $0.add(ChainRule(TableName(.ip, "t"), "c", [.compare(Compare(data: 65))])) },
            { $0.add(ChainRule(TableName(.ip, "t"), "c", Array(repeating: .notrack(Notrack()), count: 129))) },
            { $0.add(ChainRule(TableName(.ip, "t"), "c", .log(Log(prefix: String(repeating: "x", count: 128))))) },
        ] as [@Sendable (inout Transaction) -> Void])
    func whatCannotBeExpressedIsRefused(_ operation: @Sendable (inout Transaction) -> Void) {
        var transaction = Transaction()
        operation(&transaction)
        #expect(transaction.problem != nil)
        #expect(transaction.requests.isEmpty)
    }
}

extension Compare {
    fileprivate init(data length: Int) { self.init(.first, .equal, [UInt8](repeating: 1, count: length)) }
}
