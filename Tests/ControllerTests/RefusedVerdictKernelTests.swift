import NetlinkKit
import TestSupport
import Testing

@testable import Controller

/// A verdict that the kernel refuses is given again, in a real kernel: SPILLWAY_KERNEL_TESTS=1.
@Suite(.serialized, .kernel) struct RefusedVerdictKernelTests {
    /// How many packets wait in a queue.
    private func waiting(_ number: UInt16) throws -> Int? {
        for line in try shell("cat /proc/net/netfilter/nfnetlink_queue").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count > 2, UInt16(words[0]) == number { return Int(words[2]) }
        }
        return nil
    }

    /// With a packet that is none of those that the queue is for, and so is let go as soon as it is seen.
    private func check(_ number: UInt16, _ receive: @escaping () -> Void) throws {
        try shell(
            "ip link set lo up; nft 'add table ip t; add chain ip t o { type filter hook output priority 0; }; "
                + "add rule ip t o udp dport 4000 queue num \(number)'")
        try shell("bash -c 'echo > /dev/udp/127.0.0.1/4000'")
        let arrived = try waiting(number)
        #expect(arrived == 1)
        // The kernel takes verdicts from nobody without the capability.
        let isDone = withoutPrivileges(receive)
        #expect(isDone)
        let refused = try waiting(number)
        #expect(refused == 1)
        receive()
        let left = try waiting(number)
        #expect(left == 0)
    }

    @Test func ofTheQueueForReordering() throws {
        try inNewNamespace { _ in
            let queue = try RecombinationQueue(number: 5, markMask: 0xF000_0000)
            try check(5) { queue.receive() }
            #expect(queue.refusals == 1)
        }
    }

    @Test func ofTheQueueOfAnswers() throws {
        try inNewNamespace { _ in
            let queue = try AnswerQueue(number: 6)
            try check(6) { queue.receive { _ in } }
        }
    }

    @Test func ofTheQueueOfPacketsBeforeTheirKeys() throws {
        try inNewNamespace { state in
            let queue = try EarlyPackets(7, state, [])
            try check(7) { queue.receive() }
        }
    }
}
