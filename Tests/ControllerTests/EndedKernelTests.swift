import NetlinkKit
import Testing

@testable import Controller

/// Devices of bonds that end together, in a real kernel: SPILLWAY_KERNEL_TESTS=1.
@Suite(.serialized, .kernel) struct EndedKernelTests {
    private func device(_ number: UInt32) -> KernelObject {
        .link(name: "bond\(number)", LinkSettings(.dummy, mtu: 1400, isUp: true, alias: "spillway bond of \(number)"))
    }

    /// Devices that were made here; each namespace has some of the kernel's own once a module for tunnels is there.
    private func names() throws -> [String] {
        try shell("ip -br link").split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
            .filter { $0 == "others" || $0.hasPrefix("bond") }
    }

    @Test func thoseOfOneRoundGoTogetherAndNoOther() throws {
        var refused: [String] = []
        try inNewNamespace(report: { refused.append($0) }) { state in
            state.deletesTogether = true
            try shell("ip link add others type dummy && ip link set others group 7")
            for number in 0..<4 as Range<UInt32> { #expect(state.apply([device(number)], for: .bond(number))) }
            for number in 0..<3 as Range<UInt32> { #expect(state.apply([], for: .bond(number))) }
            #expect(try names().contains("bond0"), "it waits for the end of the round")
            // By another hand: what is not there keeps nothing else.
            try shell("ip link del bond1")
            let changes = state.changes
            state.deleteEnded()
            #expect(try names() == ["others", "bond3"])
            // A group for each, one deletion, and three times what is not there.
            #expect(state.changes - changes == 3 + 1 + 3)
            #expect(state.leftovers.isEmpty && refused.isEmpty, "\(refused)")
        }
    }

    /// A new bond that gets the name of one that has ended gets a device of its own.
    @Test func aNameThatComesBackIsAnotherDevice() throws {
        try inNewNamespace(report: { Issue.record("\($0)") }) { state in
            state.deletesTogether = true
            #expect(state.apply([device(0)], for: .bond(10)))
            let before = state.index(of: "bond0")
            #expect(state.apply([], for: .bond(10)))
            #expect(state.apply([device(0)], for: .bond(11)))
            let after = state.index(of: "bond0")
            #expect(before != after && after != 0)
            state.deleteEnded()
            let present = try names()
            state.clear()
            let left = try names()
            #expect(present == ["bond0"] && left.isEmpty)
        }
    }

    /// Where the kernel does not delete them together they go one by one.
    @Test func whatIsRefusedTogetherGoesOneByOne() throws {
        try inNewNamespace(report: { Issue.record("\($0)") }) { state in
            state.deletesTogether = true
            for number in 0..<3 as Range<UInt32> { #expect(state.apply([device(number)], for: .bond(number))) }
            for number in 0..<3 as Range<UInt32> { #expect(state.apply([], for: .bond(number))) }
            // A device that cannot be deleted keeps the whole group.
            try shell("ip link set lo group \(KernelState.group)")
            state.deleteEnded()
            #expect(try names() == [])
            #expect(state.leftovers.isEmpty)
        }
    }
}
