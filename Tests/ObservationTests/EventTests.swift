import Testing

@testable import Observation

@Suite struct EventTests {
    @Test func json() {
        let event = Event(.legDown, [.leg: "lte", .why: "hello_lost"])
        #expect(
            event.json(time: "2026-01-31T23:59:59.042Z")
                == #"{"version":1,"time":"2026-01-31T23:59:59.042Z","event":"leg-down","severity":"warning","#
                + #""message":"leg is down","leg":"lte","why":"hello_lost"}"#)
    }

    @Test func environment() {
        let event = Event(.legUp, [.leg: "dsl", .interface: "ppp0", .address: "192.0.2.1", .session: 7])
        let variables = HookEnvironment.variables(of: event, role: "hg", time: "T")
        #expect(
            Array(variables.dropFirst()) == [
                "ACTION=leg-up", "ROLE=hg", "MESSAGE=leg is up", "SEVERITY=notice", "TIME=T", "LINK=dsl",
                "INTERFACE=ppp0", "ADDRESS=192.0.2.1", "SESSION=7",
            ])
        #expect(variables[0].hasPrefix("PATH=/"))
    }

    /// What a peer chose is one line of at most 256 bytes, whatever it is.
    @Test func hostileValues() {
        let event = Event(.bondUp, [.bond: "a\nACTION=x\u{0}\u{9B}", .why: String(repeating: "é", count: 1000)])
        #expect(event[.bond] == "a ACTION=x  ")
        #expect(event[.why]?.utf8.count == 256)
        // A character that is cut in two does not make the text invalid.
        #expect(Event(.bondUp, [.bond: "x" + String(repeating: "é", count: 200)])[.bond]?.hasSuffix("\u{FFFD}") == true)
    }

    /// Names that no two events, fields or variables share.
    @Test func namesAreUnique() {
        let variables = EventField.allCases.map(\.variable) + HookEnvironment.always + ["PATH"]
        #expect(Set(variables).count == variables.count)
        for variable in variables {
            #expect(variable.utf8.allSatisfy { (0x41...0x5A).contains($0) || $0 == 0x5F })
        }
        for kind in EventKind.allCases {
            #expect(kind.rawValue.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x2D })
        }
    }
}

@Suite struct EventBacklogTests {
    @Test func whatFitsPasses() {
        var backlog = EventBacklog(limit: 1000)
        #expect(backlog.admit("a", pending: 0) == ["a"])
        #expect(backlog.admit("b", pending: 800) == ["b"])
        #expect(backlog.caughtUp() == nil)
    }

    @Test func whatDoesNotFitIsCounted() {
        var backlog = EventBacklog(limit: 1000)
        for _ in 0..<5 { #expect(backlog.admit("a", pending: 990) == []) }
        #expect(backlog.admit("b", pending: 10) == [#"{"version":1,"event":"gap","missed":5}"#, "b"])
        #expect(backlog.admit("c", pending: 10) == ["c"])
        #expect(backlog.admit("d", pending: 1000) == [])
        #expect(backlog.caughtUp() == #"{"version":1,"event":"gap","missed":1}"#)
        #expect(backlog.caughtUp() == nil)
    }

    /// A gap and a line together never exceed the limit.
    @Test func limit() {
        for pending in 0..<1200 {
            var backlog = EventBacklog(limit: 1000)
            _ = backlog.admit("x", pending: 1000)
            let bytes = backlog.admit("line", pending: pending).reduce(0) { $0 + $1.utf8.count + 1 }
            #expect(bytes == 0 || pending + bytes <= 1000)
        }
    }
}
