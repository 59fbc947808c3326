import Addresses
import Foundation
import ProtocolSupport
import Testing

@testable import Leases

/// What this project sends must be well-formed in the eyes of an independent dissector: tshark's `dhcp` and `dhcpv6`.
@Suite struct TsharkTests {
    private static let tshark: URL? = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { URL(fileURLWithPath: "\($0)/tshark") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    /// pcap 2.4, link type 101 (raw IP), big-endian. UDP checksums are left out (0).
    private func capture(_ packets: [(payload: [UInt8], isV6: Bool)]) -> [UInt8] {
        var bytes: [UInt8] = [0xA1, 0xB2, 0xC3, 0xD4, 0, 2, 0, 4] + [UInt8](repeating: 0, count: 10)
        bytes += [0xFF, 0xFF, 0, 0, 0, 101]
        for (payload, isV6) in packets {
            let length = UInt16(payload.count + 8)
            var packet: [UInt8] = isV6 ? [0x60, 0, 0, 0] : [0x45, 0]
            packet.append(bigEndian: isV6 ? length : length + 20)
            if isV6 {
                packet += [17, 1] + IPv6Address(high: 0xFE80 << 48, low: 1).bytes + DHCPv6Client.allServers.bytes
            } else {
                packet += [0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]
            }
            packet.append(bigEndian: UInt16(isV6 ? 546 : 68))
            packet.append(bigEndian: UInt16(isV6 ? 547 : 67))
            packet.append(bigEndian: length)
            packet += [0, 0] + payload
            bytes += [UInt8](repeating: 0, count: 8)
            bytes.append(bigEndian: UInt32(packet.count))
            bytes.append(bigEndian: UInt32(packet.count))
            bytes += packet
        }
        return bytes
    }

    private func dissect(_ packets: [(payload: [UInt8], isV6: Bool)], _ tshark: URL) throws -> [String] {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("leases-\(UUID().uuidString).pcap")
        try Data(capture(packets)).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = tshark
        let fields = ["frame.protocols", "dhcp.option.dhcp", "dhcpv6.msgtype", "_ws.malformed"]
        process.arguments = ["-n", "-r", file.path, "-T", "fields", "-E", "separator=|"] + fields.flatMap { ["-e", $0] }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(separator: "\n").map(String.init)
    }

    /// A whole life of a lease, both families, and what both sides send in it.
    @Test(.enabled(if: tshark != nil)) func nothingIsMalformed() throws {
        let tshark = try #require(Self.tshark)
        let identity = try #require(ClientIdentity("one"))
        var packets: [(payload: [UInt8], isV6: Bool)] = []
        var expected: [String] = []
        var (server4, client4) = (Sample.server4(.init(pools: ["a": [Sample.pool4(4)]])), Sample.client4(1, seed: 1))
        var (server6, client6) = (Sample.server6(.init(pools: ["a": [Sample.pool6()]])), Sample.client6(1, seed: 1))
        func add(_ message: DHCPv4Message) {
            packets.append((message.serialized(), false))
            expected.append("raw:ip:udp:dhcp|\(message.messageType?.rawValue ?? 0)||")
        }
        func add(_ message: DHCPv6Message) {
            packets.append((message.serialized(), true))
            expected.append("raw:ipv6:udp:dhcpv6||\(message.type.rawValue)|")
        }
        func run4(_ input: DHCPv4Client.Input, _ now: LeaseTime) {
            for case .send(let request) in client4.handle(input, now: now) {
                add(request.message)
                for case .send(let answer, _) in server4.handle(
                    .message(request.message, from: identity, group: "a"), now: now)
                {
                    add(answer.message)
                    run4(.message(answer.message), now)
                }
            }
        }
        func run6(_ input: DHCPv6Client.Input, _ now: LeaseTime) {
            for case .send(let request) in client6.handle(input, now: now) {
                add(request)
                let received = DHCPv6Server.Input.message(request, from: identity, group: "a")
                for case .send(let answer, _) in server6.handle(received, now: now) {
                    add(answer)
                    run6(.message(answer), now)
                }
            }
        }
        run4(.start(remembered: nil), at(1))
        run6(.start(remembered: nil), at(1))
        for time in [3.0, 1810, 3700] {
            run4(.timeout, at(time))
            run6(.timeout, at(time))
        }
        run4(.stop, at(3701))
        run6(.stop, at(3701))
        #expect(client4.state == .stopped && client6.state == .stopped && server4.leases + server6.leases == [])
        #expect(packets.count >= 13)
        #expect(try dissect(packets, tshark) == expected)
        // It must be able to fail.
        #expect(try dissect([(Array(packets[1].payload.dropLast(150)), false)], tshark).first?.hasSuffix("|") == false)
    }
}
