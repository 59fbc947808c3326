import Addresses
import Testing

@testable import RADIUS

/// What is asked, as letters: + start, i interim, - stop, o on, x off, m a measurement; with the session's number.
private func summary(_ effects: [Accounting.Effect]) throws -> String {
    try effects.map { effect in
        switch effect {
        case .measure(let id): return "m\(id)"
        case .started(let id): return "s\(id)"
        case .ask(_, let request):
            let name = try request.attributes.first(.acctSessionID) ?? ""
            let letters: [UInt32: String] = [1: "+", 2: "-", 3: "i", 7: "o", 8: "x"]
            return (try request.attributes.first(.acctStatusType).flatMap { letters[$0] } ?? "?") + name
        }
    }.joined(separator: " ")
}

private func tickets(_ effects: [Accounting.Effect]) -> [UInt64] {
    effects.compactMap { if case .ask(let ticket, _) = $0 { ticket } else { nil } }
}

private func session(_ id: UInt32) -> AttributeList { attributes { $0.add(.acctSessionID, "\(id)") } }

private func accounting(_ change: (inout Accounting.Settings) -> Void = { _ in }) -> Accounting {
    var settings = Accounting.Settings()
    settings.interval = .seconds(600)
    change(&settings)
    return Accounting(settings: settings, epoch: 1_700_000_000)
}

private func usage(_ octets: UInt64) -> Usage { Usage([.dsl: .init(inputOctets: octets)]) }

@Suite struct AccountingTests {
    @Test func aSessionFromStartToStop() throws {
        var accounting = accounting()
        var effects = accounting.handle(.begin(1, session(1), interval: nil), now: .zero)
        #expect(try summary(effects) == "+1")
        #expect(try summary(accounting.handle(.outcome(tickets(effects)[0], taken: true), now: .zero)) == "s1")
        #expect(accounting.deadline == .seconds(600))
        #expect(try summary(accounting.handle(.timeout, now: .seconds(600))) == "m1")
        effects = accounting.handle(.measured(1, usage(5)), now: .seconds(600))
        #expect(try summary(effects) == "i1")
        // It ends before the interim was taken: the Stop waits for that.
        #expect(try summary(accounting.handle(.end(1, usage(9), .lostService), now: .seconds(601))) == "")
        effects = accounting.handle(.outcome(tickets(effects)[0], taken: true), now: .seconds(602))
        #expect(try summary(effects) == "-1")
        guard case .ask(let ticket, let request) = effects[0] else { throw Missing() }
        #expect(request.since == .seconds(601))
        #expect(try request.attributes.first(.eventTimestamp) == 1_700_000_601)
        #expect(try request.attributes.first(.acctSessionTime) == 601)
        #expect(try request.attributes.first(.acctTerminateCause) == 3)
        #expect(try request.attributes.first(.acctInputOctets) == 9)
        #expect(!accounting.isIdle)
        _ = accounting.handle(.outcome(ticket, taken: true), now: .seconds(602))
        #expect(accounting.isIdle && accounting.streams.isEmpty && accounting.deadline == nil)
        #expect(accounting.statistics.taken == 3)
    }

    /// Of a session that began in a process before servers hear what they have not heard: interims at the same times,
    /// the whole time in the Stop.
    @Test func aSessionGoesOnInAnotherProcess() throws {
        var accounting = accounting()
        func resume(_ id: UInt32, isStarted: Bool) -> [Accounting.Effect] {
            accounting.handle(
                .resume(id, session(id), interval: nil, begun: .seconds(50), isStarted: isStarted), now: .seconds(1300))
        }
        #expect(try summary(resume(1, isStarted: true)) == "")
        #expect(accounting.deadline == .seconds(1850), "50, 650, 1250")
        var effects = resume(2, isStarted: false)
        #expect(try summary(effects) == "+2")
        guard case .ask(let ticket, let start) = effects[0] else { throw Missing() }
        #expect(start.since == .seconds(50) && start.code == .accountingRequest, "it has waited since")
        #expect(try start.attributes.first(.eventTimestamp) == 1_700_000_050)
        #expect(try summary(accounting.handle(.outcome(ticket, taken: true), now: .seconds(1300))) == "s2")
        #expect(try summary(resume(1, isStarted: false)) == "", "each once")
        effects = accounting.handle(.end(1, usage(9), .userRequest), now: .seconds(1400))
        #expect(try summary(effects) == "-1")
        guard case .ask(_, let stop) = effects[0] else { throw Missing() }
        #expect(try stop.attributes.first(.acctSessionTime) == 1350)
        #expect(try stop.attributes.first(.acctInputOctets) == 9)
    }

    struct Missing: Error {}

    /// What happens to a session of which the first line's event is heard in each state; the rest is what is asked.
    @Test func everyStateAndEvent() throws {
        let table: [(state: String, begin: String, measured: String, end: String, taken: String, refused: String)] = [
            ("unknown", "+1", "", "", "", ""),
            ("starting", "", "", "", "s1", ""),
            ("living", "", "i1", "-1", "", ""),
            ("telling", "", "", "", "", ""),
            ("ending", "+1", "", "", "", ""),
        ]
        for row in table {
            for (event, expected) in [
                ("begin", row.begin), ("measured", row.measured), ("end", row.end), ("taken", row.taken),
                ("refused", row.refused),
            ] {
                var accounting = accounting()
                var last: UInt64 = 99
                func note(_ effects: [Accounting.Effect]) { last = tickets(effects).last ?? last }
                if row.state != "unknown" { note(accounting.handle(.begin(1, session(1), interval: nil), now: .zero)) }
                if ["living", "telling", "ending"].contains(row.state) {
                    _ = accounting.handle(.outcome(last, taken: true), now: .zero)
                }
                if row.state == "telling" { note(accounting.handle(.measured(1, usage(1)), now: .zero)) }
                if row.state == "ending" { note(accounting.handle(.end(1, usage(1), .userRequest), now: .zero)) }
                let input: Accounting.Input =
                    switch event {
                    case "begin": .begin(1, session(1), interval: nil)
                    case "measured": .measured(1, usage(2))
                    case "end": .end(1, usage(3), .userRequest)
                    case "taken": .outcome(last, taken: true)
                    default: .outcome(last, taken: false)
                    }
                let effects = accounting.handle(input, now: .seconds(1))
                #expect(try summary(effects) == expected, "\(row.state), \(event)")
            }
        }
    }

    @Test func recordsWaitWhileNobodyAnswersAndThenGoInOrder() throws {
        var accounting = accounting { $0.pause = .seconds(10) }
        var effects = accounting.handle(.begin(1, session(1), interval: nil), now: .zero)
        _ = accounting.handle(.begin(2, session(2), interval: nil), now: .zero)
        effects = accounting.handle(.outcome(tickets(effects)[0], taken: false), now: .seconds(5))
        #expect(try summary(effects) == "" && accounting.deadline == .seconds(15))
        _ = accounting.handle(.outcome(2, taken: false), now: .seconds(5))
        _ = accounting.handle(.end(1, usage(1), .lostCarrier), now: .seconds(6))
        effects = accounting.handle(.timeout, now: .seconds(15))
        #expect(tickets(effects).count == 1, "one is enough to see whether somebody is there")
        effects = accounting.handle(.outcome(tickets(effects)[0], taken: true), now: .seconds(16))
        var said = try summary(effects).split(separator: " ").map(String.init)
        while let ticket = accounting.tickets.keys.min() {
            effects = accounting.handle(.outcome(ticket, taken: true), now: .seconds(17))
            said += try summary(effects).split(separator: " ").map(String.init)
        }
        #expect(accounting.statistics.taken == 3 && accounting.isIdle)
        #expect(said.filter { $0.hasPrefix("s") } == ["s2"], "the first one has ended")
        said.removeAll { $0.hasPrefix("s") }
        #expect(said.last == "-1" && said.count == 2, "\(said)")
    }

    @Test func newerInterimsReplaceThoseThatWait() throws {
        var accounting = accounting()
        _ = accounting.handle(.begin(1, session(1), interval: nil), now: .zero)
        for n in 1...50 as ClosedRange<UInt64> { _ = accounting.handle(.measured(1, usage(n)), now: .seconds(Int(n))) }
        #expect(accounting.streams.values.first?.waiting.count == 1 && accounting.waiting == 0)
        let effects = accounting.handle(.outcome(1, taken: true), now: .seconds(60))
        guard case .ask(_, let request)? = effects.last else { throw Missing() }
        #expect(try request.attributes.first(.acctInputOctets) == 50)
        #expect(accounting.statistics.superseded == 49)
    }

    /// While no server answers nothing grows, however long that is.
    @Test func anInterimThatTakesAnothersPlaceTakesItsPlaceInTheLine() throws {
        var accounting = accounting { $0.window = 1 }
        let first = accounting.handle(.service(on: true, session(9)), now: .zero)
        _ = accounting.handle(.begin(1, session(1), interval: nil), now: .zero)
        _ = accounting.handle(.outcome(tickets(first)[0], taken: true), now: .zero)
        let start = accounting.lastTicket
        _ = accounting.handle(.service(on: true, session(8)), now: .zero)
        _ = accounting.handle(.outcome(start, taken: true), now: .zero)
        for second in 1...100 as ClosedRange<Int> {
            _ = accounting.handle(.measured(1, usage(UInt64(second))), now: .seconds(second))
        }
        #expect(accounting.ready.count == 1 && accounting.statistics.superseded == 99)
        // What follows something on its way is not in the line.
        _ = accounting.handle(.outcome(accounting.lastTicket, taken: true), now: .seconds(101))
        _ = accounting.handle(.end(1, usage(101), .userRequest), now: .seconds(101))
        #expect(accounting.ready.count == 0 && accounting.waiting == 1 && accounting.inFlight == 1)
    }

    @Test func theQueueIsBoundedAndWhatIsDroppedIsCounted() throws {
        var accounting = accounting {
            $0.limit = 100
            $0.window = 4
        }
        for id in 1...1000 as ClosedRange<UInt32> {
            _ = accounting.handle(.begin(id, session(id), interval: nil), now: .zero)
            _ = accounting.handle(.end(id, usage(1), .userRequest), now: .zero)
        }
        #expect(accounting.waiting <= 108 && accounting.streams.count <= 110)
        #expect(accounting.statistics.dropped + UInt64(accounting.waiting) + 4 == 2000)
        // Nobody answers: nothing grows.
        for _ in 0..<20 {
            for ticket in Array(accounting.tickets.keys) {
                _ = accounting.handle(.outcome(ticket, taken: false), now: accounting.deadline ?? .zero)
            }
            _ = accounting.handle(.timeout, now: accounting.deadline ?? .zero)
            #expect(accounting.waiting <= 108)
        }
        // Somebody answers again: what is left is told, and nothing stays.
        var now = accounting.deadline ?? .zero
        _ = accounting.handle(.timeout, now: now)
        while let ticket = accounting.tickets.keys.first {
            now += .milliseconds(1)
            _ = accounting.handle(.outcome(ticket, taken: true), now: now)
        }
        #expect(accounting.isIdle && accounting.streams.isEmpty)
    }

    /// A record that servers do not want must not hold up the others for ever.
    @Test func whatIsNeverTakenIsGivenUp() throws {
        var accounting = accounting { $0.refusals = 3 }
        var unwanted = accounting.handle(.begin(1, session(1), interval: nil), now: .zero)
        var now = Duration.zero
        var id: UInt32 = 1
        for _ in 0..<3 {
            id += 1
            now += .seconds(1)
            let other = accounting.handle(.begin(id, session(id), interval: nil), now: now)
            _ = accounting.handle(.outcome(tickets(other)[0], taken: true), now: now)
            unwanted = accounting.handle(.outcome(tickets(unwanted)[0], taken: false), now: now)
            #expect(accounting.resumes == nil, "the servers are there")
        }
        #expect(unwanted.isEmpty && accounting.statistics.dropped == 1)
        #expect(try summary(accounting.handle(.end(1, usage(1), .userRequest), now: now)) == "-1")
    }

    @Test func serviceBeginsAndEnds() throws {
        var accounting = accounting()
        #expect(try summary(accounting.handle(.service(on: true, AttributeList(vendor: vendor)), now: .zero)) == "o")
        #expect(try summary(accounting.handle(.service(on: false, AttributeList(vendor: vendor)), now: .zero)) == "x")
        for ticket in [1, 2] as [UInt64] { _ = accounting.handle(.outcome(ticket, taken: true), now: .zero) }
        #expect(accounting.streams.isEmpty)
    }

    @Test func countersOf64Bits() throws {
        let list = attributes {
            Usage([
                .dsl: .init(inputOctets: 0x1_0000_0002, outputOctets: 3, inputPackets: 4, outputPackets: 5),
                .lte: .init(inputOctets: 0xFFFF_FFFF, outputOctets: 0x2_0000_0000),
            ]).add(to: &$0)
        }
        #expect(try list.first(.acctInputOctets) == 1 && list.first(.acctInputGigawords) == 2)
        #expect(try list.first(.acctOutputOctets) == 3 && list.first(.acctOutputGigawords) == 2)
        #expect(try AccessLeg.dsl.counters.map { try list.first($0) } == [2, 3, 1, 0, 4, 5])
        #expect(try AccessLeg.lte.counters.map { try list.first($0) } == [0xFFFF_FFFF, 0, 0, 2, 0, 0])
    }

    @Test func namesOfSessions() {
        #expect(AccountedSession.name(begun: 0x6565_1234, session: 7) == "6565123400000007")
    }

    @Test func theServersIntervalHolds() {
        var accounting = accounting()
        _ = accounting.handle(.begin(1, session(1), interval: .seconds(60)), now: .zero)
        #expect(accounting.deadline == .seconds(60))
    }
}
