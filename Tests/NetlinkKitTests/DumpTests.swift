import CLinux
import Glibc
import Testing

@testable import NetlinkKit

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

    /// A transaction is whole or not sent.
    @Test func aPartThatCannotBeSentKeepsAllFromBeingSent() {
        let transport = FakeTransport { sequences, _ in [.messages(sequences.map(FakeTransport.ack))] }
        let big = Request(Operation("a", "b"), type: 30, flags: [], header: UInt64(0), Outer.self) {
            $0.put(Outer.text, String(repeating: "x", count: 70_000))
        }
        let results = Exchange(transport).transaction([request("a"), big])
        #expect(
            results == [
                .failure(.aborted(Operation("create", "thing \"a\""))),
                .failure(.invalidRequest(Operation("a", "b"), "TEXT is longer than 65535 bytes")),
            ])
        #expect(transport.sent.isEmpty)
    }

    /// What was lost may have been the refusal.
    @Test func aLostAnswerIsNotSuccess() {
        let transport = FakeTransport { sequences, _ in
            [.messages([FakeTransport.ack(sequences[1])]), .failure(.noBuffers)]
        }
        var last = request("b")
        last.flags.insert(.acknowledge)
        let results = Exchange(transport).transaction([request("a"), last])
        #expect(results == [.failure(.overrun(Operation("create", "thing \"a\""))), .success([])])
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
