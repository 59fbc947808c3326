import GREBonding
import Glibc
import Testing

@testable import Controller

@Suite struct EventLoopTests {
    /// Ends the loop after a while, if what is tested does not.
    private func limit(_ loop: EventLoop) throws -> Task<Void, any Error> {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (readable, writable) = (ends[0], ends[1])
        try loop.watch(readable) { loop.stop() }
        return Task.detached {
            defer { close(writable) }
            try await Task.sleep(for: .seconds(5))
        }
    }

    /// Who is not done with what was due says the same time again.
    @Test func aTimeThatHasPassedIsDueAgain() throws {
        let loop = try EventLoop()
        let task = try limit(loop)
        var calls = 0
        try loop.run {
            calls += 1
            if calls == 5 { loop.stop() }
            return Instant(nanoseconds: 1)
        }
        task.cancel()
        #expect(calls == 5)
    }

    /// What happens to a descriptor that is apart is nobody's concern but its own, and its time is kept beside the others'.
    @Test func whatIsApartConcernsNobodyElse() throws {
        let loop = try EventLoop()
        let task = try limit(loop)
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (readable, writable) = (ends[0], ends[1])
        defer { for end in [readable, writable] { close(end) } }
        var received = 0, works = 0, aparts = 0
        try loop.watch(readable, isApart: true) {
            var byte: UInt8 = 0
            _ = read(readable, &byte, 1)
            received += 1
        }
        let begun = Clock.now()
        try loop.run {
            works += 1
            return begun + .milliseconds(works == 1 ? 30 : 60)
        } apart: { now in
            aparts += 1
            var byte: UInt8 = 1
            if received < 10 { _ = write(writable, &byte, 1) }
            if now >= begun + .milliseconds(60) { loop.stop() }
            return now + .milliseconds(5)
        }
        task.cancel()
        #expect(received == 10 && aparts > 10)
        // At first, and when its own times had come.
        #expect((2...3).contains(works), "\(works)")
    }
}
