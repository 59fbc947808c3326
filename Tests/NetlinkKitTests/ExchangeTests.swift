import CLinux
import Glibc
import Testing

@testable import NetlinkKit

private enum Outer {
    static let number = Attribute<Outer, UInt32>(1, "NUMBER")
    static let text = Attribute<Outer, String>(3, "TEXT")
    static let inner = Nest<Outer, Inner>(2, "INNER")
}

private enum Inner {
    static let key = Attribute<Inner, BigEndian<UInt32>>(5, "KEY")
    static let small = Attribute<Inner, UInt8>(6, "SMALL")
}

private func request(_ name: String, number: UInt32 = 1) -> Request {
    Request(Operation("create", "thing \"\(name)\""), type: 30, flags: .create, header: UInt64(0), Outer.self) {
        $0.put(Outer.number, number)
        $0.nest(Outer.inner) {
            $0.put(Inner.small, 9)
            $0.put(Inner.key, 0x0102_0304)
        }
        $0.put(Outer.text, "abc")
    }
}

@Suite struct ExchangeTests {
    @Test func writesWhatItReads() {
        let request = request("a", number: 0xAABB_CCDD)
        #expect(
            request.bytes == [
                0x3C, 0, 0, 0, 30, 0, 0x01, 0x04, 0, 0, 0, 0, 0, 0, 0, 0,  // header: 60 bytes, REQUEST|CREATE
                0, 0, 0, 0, 0, 0, 0, 0,  // fixed structure
                8, 0, 1, 0, 0xDD, 0xCC, 0xBB, 0xAA,
                20, 0, 2, 0x80, 5, 0, 6, 0, 9, 0, 0, 0, 8, 0, 5, 0, 1, 2, 3, 4,
                8, 0, 3, 0, 0x61, 0x62, 0x63, 0,
            ])
        guard let view = Message(request.bytes.span.bytes, at: 0) else {
            Issue.record("not read as a message")
            return
        }
        let attributes = view.attributes(after: 8, of: Outer.self)
        #expect(attributes.get(Outer.number) == 0xAABB_CCDD)
        #expect(attributes.get(Outer.text) == "abc")
        #expect(attributes.nested(Outer.inner).get(Inner.key) == 0x0102_0304)
        #expect(attributes.nested(Outer.inner).get(Inner.small) == 9)
    }

    @Test func namesTheAttributeAtAnOffset() {
        let request = request("a")
        #expect(request.attributePath(at: 24) == "NUMBER")
        #expect(request.attributePath(at: 32) == "INNER")
        #expect(request.attributePath(at: 36) == "INNER.SMALL")
        #expect(request.attributePath(at: 44) == "INNER.KEY")
        #expect(request.attributePath(at: 52) == "TEXT")
        #expect(request.attributePath(at: 8) == nil)
        #expect(request.attributePath(at: 5000) == nil)
    }

    @Test func walksBytesItDidNotWrite() {
        let walked = Request(Operation("x", "y"), message: request("a").bytes, fixedSize: 8) { path in
            path == [2, 5] ? "KEY" : nil
        }
        #expect(walked?.attributePath(at: 44) == "2.KEY")
        #expect(walked?.attributePath(at: 52) == "3")
    }

    @Test func everyAnswerFindsItsRequestInAnyOrder() {
        let transport = FakeTransport { sequences, _ in
            [.messages(sequences.reversed().map { FakeTransport.error($0, $0 == 3 ? EEXIST : 0) })]
        }
        let results = Exchange(transport).perform((0..<5).map { request("\($0)") })
        #expect(transport.sent.count == 1)
        for (i, result) in results.enumerated() {
            if i == 2 {
                #expect(
                    result
                        == .failure(.refused(.init(Operation("create", "thing \"2\""), .exists))))
            } else {
                #expect(result == .success([]))
            }
        }
    }

    @Test func manyRequestsGoOutInSeveralDatagrams() {
        let transport = FakeTransport { sequences, _ in [.messages(sequences.map(FakeTransport.ack))] }
        let results = Exchange(transport, firstSequence: .max - 10).perform((0..<1000).map { request("\($0)") })
        #expect(results.count == 1000)
        #expect(results.allSatisfy { $0 == .success([]) })
        #expect(transport.sent.count == 4)
        #expect(transport.sent.flatMap(FakeTransport.sequences).contains(0) == false)
    }

    @Test func explainsARefusal() {
        let attributes =
            FakeTransport.attribute(1, Array("no such key\0".utf8)) + FakeTransport.attribute(2, [44, 0, 0, 0])
        let transport = FakeTransport { sequences, _ in
            [.messages(sequences.map { FakeTransport.error($0, EINVAL, attributes: attributes) })]
        }
        let error = #expect(throws: KernelError.self) { try Exchange(transport).perform(request("a")) }
        #expect(error?.description == "create thing \"a\": EINVAL: no such key (at INNER.KEY)")
    }

    @Test func explainsWhatIsMissing() {
        let attributes = FakeTransport.attribute(5, [7, 0, 0, 0]) + FakeTransport.attribute(6, [32, 0, 0, 0])
        let transport = FakeTransport { sequences, _ in
            [.messages(sequences.map { FakeTransport.error($0, EINVAL, attributes: attributes) })]
        }
        let error = #expect(throws: KernelError.self) { try Exchange(transport).perform(request("a")) }
        #expect(error?.description == "create thing \"a\": EINVAL (attribute 7 missing in INNER)")
    }

    @Test func readsExtendedAckAfterAnEchoedRequest() {
        // Without NETLINK_CAP_ACK the whole request stands between the error number and the attributes.
        var payload: [UInt8] = []
        payload.appendBytes(of: -EINVAL)
        payload += request("a").bytes + FakeTransport.attribute(1, Array("why\0".utf8))
        let bytes = FakeTransport.message(NLMSG_ERROR, flags: .extendedAck, sequence: 1, payload)
        guard let message = Message(bytes.span.bytes, at: 0), let answer = Acknowledgement(message) else {
            Issue.record("not read as an acknowledgement")
            return
        }
        #expect(answer.ack.message == "why")
    }

    @Test func answersThatBelongToNobodyAreSkipped() {
        let transport = FakeTransport { sequences, _ in
            [
                .messages([FakeTransport.error(999, EPERM)]),
                .from(sender: 77, FakeTransport.error(sequences[0], EPERM)),
                .messages(sequences.map(FakeTransport.ack)),
            ]
        }
        let exchange = Exchange(transport)
        #expect(exchange.perform([request("a")]) == [.success([])])
        #expect(exchange.strayMessages == 1)
    }

    @Test func silenceIsATimeout() {
        let exchange = Exchange(FakeTransport { _, _ in [] })
        #expect(exchange.perform([request("a")]) == [.failure(.timedOut(Operation("create", "thing \"a\"")))])
    }

    @Test func lostAnswersAreNotSuccess() {
        let transport = FakeTransport { sequences, _ in
            [.messages([FakeTransport.ack(sequences[0])]), .failure(.noBuffers)]
        }
        let results = Exchange(transport).perform([request("a"), request("b")])
        #expect(results == [.success([]), .failure(.overrun(Operation("create", "thing \"b\"")))])
    }

    @Test func aTruncatedAnswerIsAnError() {
        let transport = FakeTransport { sequences, _ in
            [.truncated(Array(FakeTransport.ack(sequences[0]).prefix(20)))]
        }
        #expect(
            Exchange(transport).perform([request("a")]) == [.failure(.truncated(Operation("create", "thing \"a\"")))])
    }

    @Test(arguments: [EPERM, ENOBUFS, ECONNREFUSED]) func aFailedSendFailsEveryRequest(errno: Int32) {
        let transport = FakeTransport { _, _ in [] }
        transport.sendFailure = Errno(rawValue: errno)
        for result in Exchange(transport).perform([request("a"), request("b")]) {
            #expect(throws: KernelError.self) { try result.get() }
        }
    }

    @Test func anErrorAtEachCallIsReportedAtThatCall() {
        for failing in 0..<4 {
            let transport = FakeTransport { sequences, attempt in
                [.messages(sequences.map { FakeTransport.error($0, attempt == failing ? ENOMEM : 0) })]
            }
            let exchange = Exchange(transport)
            let failed = (0..<4).filter { i in
                if case .failure = exchange.perform([request("\(i)")])[0] { true } else { false }
            }
            #expect(failed == [failing])
        }
    }

    /// To ask changes nothing: what may have passed is asked once more, what says that there is no such thing is not.
    @Test(arguments: [
        (EBUSY, 2), (ENOMEM, 2), (EPERM, 2), (ENODEV, 2), (EEXIST, 2), (ENOENT, 1), (ESRCH, 1), (EINVAL, 1),
    ])
    func aQuestionIsAskedOnceMore(errno: Int32, times: Int) {
        let once = FakeTransport { sequences, attempt in
            [.messages(sequences.map { FakeTransport.error($0, attempt == 0 && $0 == 2 ? errno : 0) })]
        }
        let results = Exchange(once).ask([request("a"), request("b"), request("c")])
        #expect(once.sent.count == times)
        #expect(results.filter { if case .failure = $0 { true } else { false } }.count == (times == 2 ? 0 : 1))

        let always = FakeTransport { sequences, _ in [.messages(sequences.map { FakeTransport.error($0, errno) })] }
        #expect(throws: KernelError.refused(.init(Operation("create", "thing \"a\""), Errno(rawValue: errno)))) {
            try Exchange(always).ask(request("a"))
        }
        #expect(always.sent.count == times)
        // Two reasons: which one is it?
        let turns = FakeTransport { sequences, attempt in
            [.messages(sequences.map { FakeTransport.error($0, attempt == 1 ? ENOBUFS : errno) })]
        }
        #expect(throws: KernelError.refused(.init(Operation("create", "thing \"a\""), Errno(rawValue: errno)))) {
            try Exchange(turns).ask(request("a"))
        }
        #expect(turns.sent.count == (times == 2 ? 3 : 1))
        // What changes something is not done twice here.
        let change = FakeTransport { sequences, _ in [.messages(sequences.map { FakeTransport.error($0, errno) })] }
        _ = Exchange(change).perform([request("a")])
        #expect(change.sent.count == 1)
    }

    /// An expression of a rule is named by what it is: what the kernel lacks is in the error.
    @Test func elementsOfListsGoByTheirNames() {
        // Attribute 4, nested, of one element 1, nested, of attribute 1: "queue", and attribute 2.
        let element: [UInt8] = [10, 0, 1, 0] + Array("queue".utf8) + [0, 0, 0] + [8, 0, 2, 0, 0, 0, 0, 0]
        let bytes = request("a").bytes.prefix(24) + [28, 0, 4, 0x80, 24, 0, 1, 0x80] + element
        let walked = Request(Operation("x", "y"), message: Array(bytes), fixedSize: 8) {
            $0 == [4] ? "EXPRESSIONS" : nil
        }
        #expect(walked?.attributePath(at: 28) == "EXPRESSIONS.queue")
        #expect(walked?.attributePath(at: 32) == "EXPRESSIONS.queue.1")
    }

    @Test func anAttributeThatDoesNotFitIsNotSent() {
        let transport = FakeTransport { _, _ in [] }
        let big = Request(Operation("a", "b"), type: 30, flags: [], header: UInt64(0), Outer.self) {
            $0.put(Outer.text, String(repeating: "x", count: 70_000))
        }
        #expect(
            Exchange(transport).perform([big])
                == [.failure(.invalidRequest(Operation("a", "b"), "TEXT is longer than 65535 bytes"))])
        #expect(transport.sent.isEmpty)
    }
}

@Suite struct TransactionTests {
    @Test func quietPartsSucceedWithTheWhole() {
        let transport = FakeTransport { sequences, _ in [.messages([FakeTransport.ack(sequences[1])])] }
        var last = request("b")
        last.flags.insert(.acknowledge)
        #expect(Exchange(transport).transaction([request("a"), last]) == [.success([]), .success([])])
    }

    @Test func oneRefusalAbortsAll() {
        let transport = FakeTransport { sequences, _ in [.messages([FakeTransport.error(sequences[1], EEXIST)])] }
        let results = Exchange(transport).transaction([request("a"), request("b"), request("c")])
        #expect(
            results == [
                .failure(.aborted(Operation("create", "thing \"a\""))),
                .failure(.refused(.init(Operation("create", "thing \"b\""), .exists))),
                .failure(.aborted(Operation("create", "thing \"c\""))),
            ])
    }

    @Test func aMissingAcknowledgementIsNotSuccess() {
        var last = request("b")
        last.flags.insert(.acknowledge)
        let results = Exchange(FakeTransport { _, _ in [] }).transaction([request("a"), last])
        #expect(results[1] == .failure(.timedOut(Operation("create", "thing \"b\""))))
    }
}

@Suite struct DumpTests {
    private func dump(_ transport: FakeTransport) throws(KernelError) -> [UInt32] {
        try Exchange(transport).dump(request("list")) { $0.bytes.load(UInt32.self, at: 16) }
    }

    private func part(_ sequence: UInt32, _ value: UInt8, _ flags: MessageFlags = []) -> [UInt8] {
        FakeTransport.message(20, flags: flags.union(.multipart), sequence: sequence, [value, 0, 0, 0])
    }

    @Test func readsAllParts() throws {
        let transport = FakeTransport { s, _ in
            [
                .messages([part(s[0], 1), part(s[0], 2)]), .messages([part(s[0], 3)]),
                .messages([FakeTransport.done(s[0])]),
            ]
        }
        #expect(try dump(transport) == [1, 2, 3])
    }

    @Test func readsAgainWhenTheListChanged() throws {
        let transport = FakeTransport { s, attempt in
            [
                .messages([part(s[0], UInt8(attempt), attempt < 2 ? .dumpInterrupted : [])]),
                .messages([FakeTransport.done(s[0])]),
            ]
        }
        #expect(try dump(transport) == [2])
        #expect(transport.sent.count == 3)
    }

    @Test func readsAgainAfterARefusalThatMayHavePassed() throws {
        let transport = FakeTransport { s, attempt in
            attempt < 2
                ? [.messages([FakeTransport.error(s[0], EBUSY)])]
                : [.messages([part(s[0], 7), FakeTransport.done(s[0])])]
        }
        #expect(try dump(transport) == [7])
        let always = FakeTransport { s, _ in [.messages([FakeTransport.error(s[0], EBUSY)])] }
        #expect(throws: KernelError.self) { try dump(always) }
        #expect(always.sent.count == 3)
    }

    @Test func givesUpOnAListThatKeepsChanging() {
        let transport = FakeTransport { s, _ in [.messages([FakeTransport.done(s[0], flags: .dumpInterrupted)])] }
        #expect(throws: KernelError.inconsistentDump(Operation("create", "thing \"list\""), attempts: 8)) {
            try dump(transport)
        }
        #expect(transport.sent.count == 8)
    }

    @Test func readsAgainAfterALoss() throws {
        let transport = FakeTransport { s, attempt in
            attempt == 0
                ? [.messages([part(s[0], 1)]), .failure(.noBuffers), .messages([FakeTransport.done(s[0])])]
                : [.messages([part(s[0], 4)]), .messages([FakeTransport.done(s[0])])]
        }
        #expect(try dump(transport) == [4])
    }

    @Test func aTruncatedPartIsReadAgainWithALargerBuffer() throws {
        let transport = FakeTransport { s, attempt in
            attempt == 0
                ? [.truncated(part(s[0], 1)), .messages([FakeTransport.done(s[0])])]
                : [.messages([part(s[0], 5), FakeTransport.done(s[0])])]
        }
        #expect(try dump(transport) == [5])
    }

    @Test func aDumpThatStopsIsATimeout() {
        let transport = FakeTransport { s, _ in [.messages([part(s[0], 1)])] }
        #expect(throws: KernelError.timedOut(Operation("create", "thing \"list\""))) { try dump(transport) }
    }

    @Test func anErrorEndsTheDumpWithItsWords() {
        let words = FakeTransport.attribute(1, Array("bad filter\0".utf8))
        let transport = FakeTransport { s, _ in
            [.messages([FakeTransport.done(s[0], errno: EINVAL, attributes: words)])]
        }
        let error = #expect(throws: KernelError.self) { try dump(transport) }
        #expect(error?.description == "create thing \"list\": EINVAL: bad filter")
    }

    @Test func partsOfAnotherSequenceAreLeftOut() throws {
        let transport = FakeTransport { s, _ in
            [.messages([part(s[0] &+ 7, 9), FakeTransport.done(s[0] &+ 7), part(s[0], 1), FakeTransport.done(s[0])])]
        }
        #expect(try dump(transport) == [1])
    }

    @Test func nothingInAMessageCanTrap() {
        // Every length of every prefix, and every value of the length fields.
        let whole = request("a").bytes
        for count in 0...whole.count {
            for length: UInt8 in [0, 1, 3, 4, 7, 15, 16, 17, 200, 255] {
                for field in [0, 24, 32, 36] {
                    var bytes = Array(whole.prefix(count))
                    if field < count { bytes[field] = length }
                    guard let message = Message(bytes.span.bytes, at: 0) else { continue }
                    let attributes = message.attributes(after: 8, of: Outer.self)
                    _ = attributes.get(Outer.text)
                    _ = attributes.nested(Outer.inner).get(Inner.key)
                    _ = Acknowledgement(message)
                }
            }
        }
    }
}
