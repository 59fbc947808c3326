import Addresses
import CLinux
import Foundation
import NetlinkKit
import Testing

@testable import Controller

/// On a real kernel, in a network namespace of their own: SPILLWAY_KERNEL_TESTS=1.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SPILLWAY_KERNEL_TESTS"] == "1"))
struct LeaseKernelTests {
    private func inNewNamespace<Result>(_ body: (Exchange) throws -> Result) throws -> Result {
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        defer { close(home) }
        try #require(home >= 0 && clinux_unshare(Int32(CLINUX_NEW_NETWORK)) == 0)
        defer { if clinux_setns(home, Int32(CLINUX_NEW_NETWORK)) != 0 { fatalError("cannot return") } }
        return try body(Exchange(NetlinkSocket(.route)))
    }

    /// Devices that have joined, by the kernel's list. It comes in pages, of which `String(contentsOfFile:)` takes the
    /// first one for all.
    private func members() throws -> Int {
        let file = open("/proc/thread-self/net/igmp6", O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        try #require(file >= 0)
        var text: [UInt8] = []
        var page = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(file, &page, page.count), count > 0 { text += page[..<count] }
        return String(decoding: text, as: UTF8.self).split(separator: "\n")
            .count { $0.contains("ff020000000000000000000000010002") }
    }

    /// The kernel lets one socket join a few hundred times; bonds are many more.
    @Test func anyNumberOfDevicesJoins() throws {
        try inNewNamespace { exchange in
            var links: [UInt32] = []
            for number in 0..<1200 {
                for result in exchange.perform(Link.create("d\(number)", LinkSettings(.dummy, isUp: true))) {
                    _ = try result.get()
                }
                links.append(try #require(try exchange.link(.name("d\(number)"))).index)
            }
            let group = ServersGroup()
            for link in links { try group.join(link) }
            try group.join(links[0])
            let joined = try members()
            #expect(joined == links.count)
            // A device that goes first, as a bond's may.
            try exchange.perform(Link.delete(.name("d7")))
            for link in links { group.leave(link) }
            let left = try members()
            #expect(left == 0)
            for link in links where link != links[7] { try group.join(link) }
            let rejoined = try members()
            #expect(rejoined == links.count - 1, "there is room again")
            #expect(throws: SystemError.self) { try group.join(links[7]) }
        }
    }

    /// By which device a datagram came is told, and by which it goes is obeyed.
    @Test func datagramsHaveTheirDevice() throws {
        try inNewNamespace { exchange in
            try exchange.perform(Link.setUp(.name("lo"), true))
            let loopback = try #require(try exchange.link(.name("lo"))).index
            let server = try DHCPSocket(.v4, port: 67)
            let client = try DHCPSocket(.v4, port: 68)
            #expect(throws: SystemError.self, "the port is taken") { _ = try DHCPSocket(.v4, port: 67) }
            #expect(server.receive() == nil)
            let here = IPAddress.v4(IPv4Address(127, 0, 0, 1))
            #expect(client.send([1, 2, 3], to: here, port: 67, link: loopback))
            let datagram = try #require(server.receive())
            #expect(datagram.payload == [1, 2, 3] && datagram.source == here && datagram.link == loopback)
            let six = try DHCPSocket(.v6, port: 547)
            let asking = try DHCPSocket(.v6, port: 546)
            #expect(asking.send([7], to: .v6(IPv6Address(high: 0, low: 1)), port: 547, link: 0))
            #expect(try #require(six.receive()).link == loopback)
            #expect(!client.send([1], to: here, port: 67, link: loopback &+ 1000), "there is no such device")
        }
    }
}
