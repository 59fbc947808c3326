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

    /// pcap 2.4, link type 101 (raw IP), big-endian. UDP checksums are left out (0) where that is allowed.
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
            let start = packet.count - 6
            packet += [0, 0] + payload
            if isV6 {
                // UDP needs a checksum over IPv6: of both addresses, the length, the protocol, and all of the datagram.
                let words = Array(packet[8..<40]) + [UInt8](bigEndian: UInt32(length)) + [0, 0, 0, 17] + packet[start...]
                let sum = stride(from: 0, to: words.count, by: 2).reduce(UInt64(0)) { sum, place in
                    sum + UInt64(words[place]) << 8 + UInt64(place + 1 < words.count ? words[place + 1] : 0)
                }
                let folded = (sum & 0xFFFF) + (sum >> 16)
                let checksum = ~UInt16(truncatingIfNeeded: (folded & 0xFFFF) + (folded >> 16))
                packet[start + 6] = UInt8(checksum >> 8)
                packet[start + 7] = UInt8(checksum & 0xFF)
            }
            bytes += [UInt8](repeating: 0, count: 8)
            bytes.append(bigEndian: UInt32(packet.count))
            bytes.append(bigEndian: UInt32(packet.count))
            bytes += packet
        }
        return bytes
    }

    private func dissect(
        _ packets: [(payload: [UInt8], isV6: Bool)], _ tshark: URL,
        _ fields: [String] = ["frame.protocols", "dhcp.option.dhcp", "dhcpv6.msgtype", "_ws.malformed"]
    ) throws -> [String] {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("leases-\(UUID().uuidString).pcap")
        try Data(capture(packets)).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = tshark
        process.arguments = ["-n", "-r", file.path, "-T", "fields", "-E", "separator=|"] + fields.flatMap { ["-e", $0] }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        // "Note" (4194304): an option that stands in file or sname is one.
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            .replacingOccurrences(of: "4194304", with: "")
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

    private static let detail = [
        "dhcp.option.dhcp", "dhcp.ip.relay", "dhcp.option.agent_information_option.agent_circuit_id", "dhcpv6.msgtype",
        "dhcpv6.hopcount", "dhcpv6.interface_id", "_ws.malformed", "_ws.expert.severity",
    ]

    /// What relays send to servers and clients, and servers to relays; a relay behind another, too.
    @Test(.enabled(if: tshark != nil)) func relayedMessagesAreWellFormed() throws {
        let tshark = try #require(Self.tshark)
        let one = try #require(ClientIdentity("one"))
        var packets: [(payload: [UInt8], isV6: Bool)] = []
        var expected: [String] = []
        var relay4 = Sample.relay4 {
            $0.link = IPv4Address(100, 64, 0, 0)
            $0.tellsSubscriber = true
        }
        var relay6 = Sample.relay6 { $0.tellsSubscriber = true }
        var (server4, client4) = (Sample.server4(.init(pools: ["a": [Sample.pool4(4)]])), Sample.client4(1, seed: 1))
        var (server6, client6) = (Sample.server6(.init(pools: ["a": [Sample.pool6()]])), Sample.client6(1, seed: 1))
        let circuit = one.bytes.map { String($0, radix: 16) }.joined()
        func run4(_ input: DHCPv4Client.Input, _ now: LeaseTime) throws {
            for case .send(let request) in client4.handle(input, now: now) {
                let type = request.message.messageType?.rawValue ?? 0
                let bytes = request.message.serialized()
                for datagram in relay4.handle(.fromClient(bytes, source: .any(.v4), one), now: now).forwarded {
                    packets.append((datagram.payload, false))
                    expected.append("\(type)|192.0.2.67|\(circuit)|||||")
                    for answer in server4.answer(datagram, now: now).answers {
                        let message = try DHCPv4Message(parsing: answer)
                        let type = message.messageType?.rawValue ?? 0
                        packets.append((answer, false))
                        expected.append("\(type)|192.0.2.67|\(circuit)|||||")
                        let effects = relay4.handle(.fromServer(answer, source: .v4(Sample.serverAddress)), now: now)
                        for sent in effects.sent {
                            packets.append((sent.payload, false))
                            expected.append("\(type)|192.0.2.67||||||")
                            try run4(.message(DHCPv4Message(parsing: sent.payload)), now)
                        }
                    }
                }
            }
        }
        let peer = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: 1))
        func run6(_ input: DHCPv6Client.Input, _ now: LeaseTime) throws {
            for case .send(let request) in client6.handle(input, now: now) {
                let bytes = request.serialized()
                for datagram in relay6.handle(.fromClient(bytes, source: peer, one), now: now).forwarded {
                    packets.append((datagram.payload, true))
                    expected.append("|||12,\(request.type.rawValue)|0|\(circuit)||")
                    for answer in server6.answer(datagram, now: now).answers {
                        packets.append((answer, true))
                        let effects = relay6.handle(.fromServer(answer, source: .v6(Sample.serverAddress6)), now: now)
                        for sent in effects.sent {
                            expected.append("|||13,\(sent.payload[0])|0|\(circuit)||")
                            try run6(.message(DHCPv6Message(parsing: sent.payload)), now)
                        }
                    }
                }
            }
        }
        try run4(.start(remembered: nil), at(1))
        try run6(.start(remembered: nil), at(1))
        for time in [3.0, 1810, 3700] {
            try run4(.timeout, at(time))
            try run6(.timeout, at(time))
        }
        try run4(.stop, at(3701))
        try run6(.stop, at(3701))
        #expect(packets.count >= 20 && relay4.leases.isEmpty && relay6.leases.isEmpty)
        // A relay behind this one.
        var nested = DHCPv6RelayMessage(
            .relayForward, link: Sample.relayLink, peer: IPv6Address("fe80::2")!,
            message: DHCPv6Message(.solicit, transactionID: 7).serialized())
        nested.interfaceID = [0x65]
        for datagram in relay6.handle(.fromClient(nested.serialized(), source: peer, one), now: at(3702)).forwarded {
            packets.append((datagram.payload, true))
            expected.append("|||12,12,1|1,0|\(circuit),65||")
        }
        let found = try dissect(packets, tshark, Self.detail)
        for (seen, wanted) in zip(found, expected) { #expect(seen == wanted) }
        #expect(found.count == expected.count)
    }

    /// What is sent in few lives only: refusals, what is declined, asked for after a restart, or does not fit.
    @Test(.enabled(if: tshark != nil)) func rareMessagesAreWellFormed() throws {
        let tshark = try #require(Self.tshark)
        let identity = try #require(ClientIdentity("one"))
        var packets: [(payload: [UInt8], isV6: Bool)] = []
        var expected: [String] = []
        var server4 = Sample.server4(.init(pools: ["a": [Sample.pool4(1)]]))
        func ask4(_ type: DHCPv4Message.MessageType, _ answer: Int?, change: (inout DHCPv4Message) -> Void) {
            var message = DHCPv4Message(.request, transactionID: 7, hardwareAddress: [2, 0, 0, 0, 0, 1])
            message.messageType = type
            change(&message)
            packets.append((message.serialized(), false))
            expected.append("\(type.rawValue)")
            let input = DHCPv4Server.Input.message(message, from: identity, group: "a")
            for case .send(let sent, _) in server4.handle(input, now: at(1)) {
                packets.append((sent.message.serialized(maximumLength: sent.maximumLength), false))
                expected.append("\(sent.message.messageType?.rawValue ?? 0)")
                #expect(Int(sent.message.messageType?.rawValue ?? 0) == answer)
            }
        }
        let (own, foreign) = (IPv4Address(100, 64, 0, 2), IPv4Address(10, 0, 0, 1))
        ask4(.request, 6) { $0.requestedAddress = foreign }
        ask4(.request, 5) { ($0.requestedAddress, $0.serverIdentifier) = (own, Sample.serverAddress) }
        ask4(.inform, 5) { $0.clientAddress = own }
        ask4(.request, 5) { $0.requestedAddress = own }
        ask4(.decline, nil) { ($0.requestedAddress, $0.serverIdentifier) = (own, Sample.serverAddress) }
        // More options than the options field holds.
        var long = DHCPv4Message(.reply, transactionID: 7, hardwareAddress: [2, 0, 0, 0, 0, 1])
        long.messageType = .ack
        long.nameServers = (0..<60).map { IPv4Address(192, 0, 2, $0) }
        long[12] = Array(repeating: 0x68, count: 60)
        long[15] = Array(repeating: 0x64, count: 50)
        packets.append((long.serialized(maximumLength: 548), false))
        expected.append("5")
        #expect(packets.last?.payload.count ?? 0 <= 548)

        var server6 = Sample.server6(.init(pools: ["a": [Sample.pool6()]]))
        func ask6(_ type: DHCPv6Message.MessageType, _ prefixes: [String], group: String = "a") {
            var message = DHCPv6Message(type, transactionID: 7)
            message.client = DUID(linkLayer: [2, 0, 0, 0, 0, 1])
            if type == .renew || type == .release { message.server = Sample.serverDUID }
            var ia = IAPD(iaid: 1)
            ia.prefixes = prefixes.compactMap { IAPrefix(prefix($0), preferredLifetime: 0, validLifetime: 0) }
            message.ias = type == .informationRequest ? [] : [ia]
            packets.append((message.serialized(), true))
            expected.append("\(type.rawValue)")
            let input = DHCPv6Server.Input.message(message, from: identity, group: group)
            for case .send(let sent, _) in server6.handle(input, now: at(1)) {
                packets.append((sent.serialized(), true))
                expected.append("\(sent.type.rawValue)")
            }
        }
        // Nothing for this group; no binding; lifetimes of 0; nothing to release.
        ask6(.solicit, [], group: "b")
        ask6(.renew, ["2001:db8:0:100::/56"])
        ask6(.rebind, ["2001:db8:9::/56"])
        ask6(.release, ["2001:db8:9::/56"])
        ask6(.informationRequest, [])
        let fields = ["dhcp.option.dhcp", "dhcpv6.msgtype", "_ws.malformed", "_ws.expert.severity"]
        let found = try dissect(packets, tshark, fields)
        for ((seen, wanted), packet) in zip(zip(found, expected), packets) {
            #expect(seen == (packet.isV6 ? "|\(wanted)||" : "\(wanted)|||"))
        }
        #expect(found.count == expected.count)
    }
}
