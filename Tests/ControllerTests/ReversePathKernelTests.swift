import NetlinkKit
import Testing

@testable import Controller

/// Which interfaces would drop what legs bring, in a real kernel: SPILLWAY_KERNEL_TESTS=1.
@Suite(.serialized, .kernel) struct ReversePathKernelTests {
    @Test func thoseThatAreStrictAndNoBonds() throws {
        try inNewNamespace(report: { Issue.record("\($0)") }) { state in
            func strict() throws -> Set<String> {
                // Some devices of the kernel's own are in each namespace once a module for tunnels is there.
                Set(try state.strictInterfaces { $0 == "bond7" }).intersection(["lo", "bond7", "bond8", "d0", "d1"])
            }
            for name in ["bond7", "bond8", "d0", "d1"] { try shell("ip link add \(name) type dummy") }
            for name in ["lo", "bond7", "d0"] { try shell("sysctl -w net.ipv4.conf.\(name).rp_filter=1") }
            #expect(try strict() == ["d0"])
            // It holds for whoever does not ask for more.
            try shell("sysctl -w net.ipv4.conf.d1.rp_filter=2")
            try shell("sysctl -w net.ipv4.conf.all.rp_filter=1")
            #expect(try strict() == ["bond8", "d0"])
            try shell("sysctl -w net.ipv4.conf.all.rp_filter=2")
            #expect(try strict().isEmpty)
        }
    }
}
