import Addresses
import Configuration
import DNSAnswers
import GREBonding
import Glibc
import NFTables
import NetlinkKit
import TestSupport
import Testing

@testable import Controller

/// Addresses of names that the kernel does not take at once, in a real kernel: SPILLWAY_KERNEL_TESTS=1.
@Suite(.kernel) struct NameWatcherKernelTests {
    private func answer(_ address: String) throws -> DNSAnswer {
        DNSAnswer(try #require(DomainName("www.example.net")), [(try #require(IPAddress(address)), 3600)])
    }

    @Test func whatIsRefusedIsThereAMomentLater() throws {
        try inNewNamespace { state in
            var settings = PolicyTableTests.settings()
            settings.lan = []
            let set = PolicyTable.names(.operator, .v4)
            let names = NameWatcher(settings, state, try EventLoop()) { _, family in family == .v4 ? set : nil }
            names.watch([WatchedName(try #require(NamePattern("*.example.net")))])
            // Where there is no set yet it comes with the set.
            names.take([try answer("203.0.113.10")])
            #expect(names.contents(set.table).count == 1)

            try shell(
                "nft 'add table inet \(set.table.name); "
                    + "add set inet \(set.table.name) \(set.name) { type ipv4_addr; flags timeout; }'")
            let second = try answer("203.0.113.11")
            // The kernel takes this from nobody without the capability.
            let isDone = withoutPrivileges { names.take([second]) }
            #expect(isDone)
            let list = "nft list set inet \(set.table.name) \(set.name)"
            let before = try shell(list)
            #expect(!before.contains("203.0.113.11"))
            usleep(120_000)
            let next = try #require(names.work())
            let after = try shell(list)
            #expect(after.contains("203.0.113.11") && after.contains("timeout 1h"), "\(after)")
            #expect(next - Clock.now() > .seconds(60), "then there is rest")
        }
    }

    @Test func aQueueThatAnotherHadIsAskedForAgain() throws {
        try inNewNamespace { state in
            var settings = PolicyTableTests.settings()
            try shell("ip link add lan0 type dummy")
            settings.lan = [try #require(InterfaceName("lan0"))]
            var other: AnswerQueue? = try AnswerQueue(number: settings.names.queue)
            let names = NameWatcher(settings, state, try EventLoop()) { _, _ in nil }
            names.watch([WatchedName(try #require(NamePattern("*.example.net")))])
            let before = try shell("nft list ruleset")
            #expect(!before.contains("queue"), "packets would wait for nobody: \(before)")
            let next = try #require(names.work())
            #expect(next - Clock.now() <= .seconds(1))
            withExtendedLifetime(other) {}
            other = nil
            usleep(1_010_000)
            _ = names.work()
            let after = try shell("nft list ruleset")
            #expect(after.contains("queue"), "\(after)")
        }
    }
}
