import CLinux
import Glibc
import Testing

@testable import NetlinkKit

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
            [.messages(sequences.reversed().map { FakeTransport.error($0, $0 == 2 ? EEXIST : 0) })]
        }
        let results = Exchange(transport).perform((0..<5).map { request("\($0)") })
        #expect(transport.sent.count == 1)
        for (i, result) in results.enumerated() {
            if i == 1 {
                #expect(
                    result
                        == .failure(.refused(.init(Operation("create", "thing \"1\""), .exists))))
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
        let results = Exchange(transport).perform([request("a"), request("b")])
        for (name, result) in zip(["a", "b"], results) {
            let operation = Operation("create", "thing \"\(name)\"")
            let error = Errno(rawValue: errno)
            #expect(result == .failure(error == .noBuffers ? .overrun(operation) : .socket(operation, error)))
        }
        #expect(results.count == 2)
    }

    /// Nor are more bytes sent at once than a datagram holds; one request that is longer goes alone.
    @Test func longRequestsGoOutInSeveralDatagrams() {
        let transport = FakeTransport { sequences, _ in [.messages(sequences.map(FakeTransport.ack))] }
        let long = Request(Operation("a", "b"), type: 30, flags: [], header: UInt64(0), Outer.self) {
            $0.put(Outer.text, String(repeating: "x", count: 30_000))
        }
        let longest = Request(Operation("a", "c"), type: 30, flags: [], header: UInt64(0), Outer.self) { writer in
            for _ in 0..<4 { writer.put(Outer.text, String(repeating: "x", count: 60_000)) }
        }
        let results = Exchange(transport).perform([long, long, long, long, longest, long])
        #expect(results == Array(repeating: .success([]), count: 6))
        #expect(transport.sent.map { FakeTransport.sequences($0).count } == [3, 1, 1, 1])
        #expect(transport.sent.filter { $0.count > Exchange.batchBytes }.count == 1)
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
