import Addresses
import GREBonding
import Testing

@testable import Controller

@Suite struct NameAnswersTests {
    private let a = IPAddress.v4(IPv4Address(192, 0, 2, 1))
    private let b = IPAddress.v4(IPv4Address(192, 0, 2, 2))
    private let c = IPAddress.v4(IPv4Address(192, 0, 2, 3))
    private let zero = Instant(nanoseconds: 0)

    private func both() -> NameAnswers {
        var answers = NameAnswers(order: [.secondary, .primary])
        answers.changed(.primary, isAvailable: true, now: zero)
        answers.changed(.secondary, isAvailable: true, now: zero)
        return answers
    }

    @Test func bothLegsAreAskedOnce() {
        var answers = both()
        #expect(answers.due(now: zero) == [.secondary, .primary])
        answers.asks(.primary)
        answers.asks(.secondary)
        #expect(answers.due(now: zero + .seconds(1000)).isEmpty && answers.deadline == nil)
        #expect(NameAnswers(order: [.secondary, .primary]).deadline == nil, "no leg is there")
    }

    @Test func theGrantingLegsAnswerIsWaitedForAndComesFirst() {
        var answers = both()
        answers.answered(.primary, [a, b], timeToLive: .seconds(60), now: zero)
        #expect(answers.addresses.isEmpty)
        answers.answered(.secondary, [c, a], timeToLive: .seconds(60), now: zero)
        #expect(answers.addresses == [c, a, b])
    }

    @Test func theOtherLegsAnswerStandsIn() {
        var answers = both()
        answers.answered(.primary, [a], timeToLive: .seconds(60), now: zero)
        answers.failed(.secondary, now: zero)
        #expect(answers.addresses == [a])
    }

    @Test func anotherOrderIsNoChange() {
        var answers = both()
        answers.answered(.secondary, [a, b], timeToLive: .seconds(60), now: zero)
        answers.answered(.secondary, [b, a], timeToLive: .seconds(60), now: zero)
        #expect(answers.addresses == [a, b])
        answers.answered(.secondary, [c], timeToLive: .seconds(60), now: zero)
        #expect(answers.addresses == [c])
    }

    @Test(arguments: [(0, 10), (9, 10), (300, 300), (2_147_483_647, 86_400)])
    func theTimeToLiveIsHeldToARange(given: Int, held: Int) {
        var answers = both()
        answers.asks(.primary)
        answers.answered(.secondary, [a], timeToLive: .seconds(given), now: zero)
        #expect(answers.deadline == zero + .seconds(held))
    }

    @Test func failuresAreRepeatedLessAndLessOften() {
        var answers = both()
        answers.asks(.primary)
        var waits: [Int64] = []
        for _ in 0..<9 {
            answers.failed(.secondary, now: zero, share: 1024)
            waits.append((answers.deadline ?? zero).nanoseconds / 1_000_000_000)
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        for _ in 0..<100 { answers.failed(.secondary, now: zero) }
        answers.changed(.secondary, isAvailable: true, now: zero)
        #expect(answers.due(now: zero) == [.secondary], "a new address is asked at once")
    }

    @Test func whatWasKnownStaysUntilMoreIsKnown() {
        var answers = both()
        answers.answered(.secondary, [a], timeToLive: .seconds(60), now: zero)
        answers.changed(.secondary, isAvailable: false, now: zero)
        answers.changed(.secondary, isAvailable: true, now: zero)
        answers.failed(.secondary, now: zero)
        #expect(answers.addresses == [a])
    }

    @Test func doubtBringsTheNextQuestionForwardButNotTooFar() {
        var answers = both()
        answers.asks(.primary)
        answers.answered(.secondary, [a], timeToLive: .seconds(3600), now: zero)
        answers.doubt()
        #expect(answers.deadline == zero + NameAnswers.doubtfulAge)
        answers.failed(.secondary, now: zero + .seconds(40), share: 1024)
        answers.doubt()
        #expect(answers.deadline == zero + .seconds(41), "the back-off holds")
    }
}

@Suite struct NameLookupTests {
    private let loopback = IPAddress.v4(IPv4Address(127, 0, 0, 1))

    private func failure(_ servers: [IPAddress], _ sources: [IPAddress]) throws -> NameLookup.Failure? {
        let loop = try EventLoop()
        do throws(NameLookup.Failure) {
            let lookup = try NameLookup(
                "haap.example.net", .v4, servers: servers, interface: "lo", sources: sources, loop: loop)
            var rounds = 0
            try? loop.run {
                rounds += 1
                if lookup.result != nil || rounds > 100 { loop.stop() }
                lookup.process()
                return lookup.deadline
            }
            if case .failure(let failure)? = lookup.result { return failure }
            return nil
        } catch {
            return error
        }
    }

    @Test func withoutServersNobodyIsAsked() throws {
        #expect(try failure([], [loopback]) == .noServers)
        #expect(try failure([.v6(.any)], [loopback]) == .noServers, "a source of the other family only")
    }

    /// Nobody listens there: the kernel says so, and no time passes.
    @Test func anUnreachableServerIsFoundByItsError() throws {
        let six = try #require(IPAddress("::1"))
        #expect(try failure([.v4(IPv4Address(127, 9, 9, 9))], [loopback]) == .unreachable)
        #expect(try failure([six], [six]) == .unreachable)
        #expect(try failure([six, loopback, six], [six, loopback]) == .unreachable)
    }
}
