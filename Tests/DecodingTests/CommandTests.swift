import Foundation
import GREBonding
import Testing

@testable import Decoding

/// The built executable on files as other programs write them.
@Suite struct CommandTests {
    struct Outcome {
        var output: String
        var errors: String
        var code: Int32
    }

    /// Built together with the tests, in the same folder.
    static let executable = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("spillway")

    static func decode(_ arguments: [String], input: URL? = nil, writing file: FileHandle? = nil) throws -> Outcome {
        let process = Process()
        process.executableURL = executable
        process.arguments = ["decode"] + arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = file ?? output
        process.standardError = errors
        process.standardInput = try input.map { try FileHandle(forReadingFrom: $0) } ?? FileHandle.nullDevice
        try process.run()
        // What goes to standard error is a line or two, so it fits its pipe.
        if file != nil { try output.fileHandleForWriting.close() }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let error = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Outcome(output: text, errors: error, code: process.terminationStatus)
    }

    static func withFile<R>(_ bytes: [UInt8], _ body: (URL) throws -> R) throws -> R {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-decode-\(UUID().uuidString)")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file)
    }

    /// The same for a file of these bytes, which is named FILE in what is returned.
    static func decode(file bytes: [UInt8], _ arguments: [String] = []) throws -> Outcome {
        try withFile(bytes) { file in
            var outcome = try decode(arguments + [file.path])
            outcome.errors.replace(file.path, with: "FILE")
            return outcome
        }
    }

    /// A setup over LTE, data, something else, a Hello that is cut off by the capture, and a Tear Down of the deployed
    /// dialect with a code that does not exist.
    static let records: [CaptureFile.Record] = {
        let hello = Build.ethernet(0x0800, Build.ipv4(Samples.hello.serialized(dialect: .rfc8157)))
        let tearDown = ControlMessage(
            type: .tearDown, leg: .secondary, key: 42, attributes: [.errorCode(ErrorCode(rawValue: 13))])
        return [
            .init(bytes: Build.ethernet(0x0800, Build.ipv4(Samples.request.serialized(dialect: .rfc8157)))),
            .init(bytes: Build.ethernet(0x86DD, Build.ipv6(Samples.accept.serialized(dialect: .rfc8157)))),
            .init(bytes: Build.ethernet(0x0800, Build.ipv4([0x20, 0, 0x08, 0, 0, 0, 0, 1, 0x45]))),
            .init(bytes: Build.ethernet(0x0806, [0, 1])),
            .init(bytes: Array(hello.prefix(60)), length: hello.count),
            .init(
                bytes: Build.ethernet(
                    0x8100,
                    [0, 7, 0x88, 0x64] + Build.pppoe([0, 0x57] + Build.ipv6(tearDown.serialized(dialect: .deployed))))),
        ]
    }()

    static let expectedText = """
        #1 2023-11-14T22:13:20.000001000Z 192.0.2.1 > 192.0.2.2 rfc8157 key 0x00000000 LTE GRE Tunnel Setup Request
          3 Client Identification Name: "gateway-7"
        #2 2023-11-14T22:13:20.000002000Z 2001:db8::1 > 2001:db8::2 rfc8157 key 0xdeadbeef LTE GRE Tunnel Setup Accept
          1 H IPv4 Address: 192.0.2.9
          2 H IPv6 Address: 2001:db8::9
          4 Session ID: 0x01020304
          9 RTT Difference Threshold: 100 ms
          10 Bypass Bandwidth Check Interval: 10 s
          14 Active Hello Interval: 10 s
          15 Hello Retry Times: 3
          16 Idle Timeout: 86400 s
          20 Bonding Key Value: 0xdeadbeef
          24 RTT Difference Threshold Violation: 3
          25 RTT Difference Threshold Compliance: 4
          31 Idle Hello Interval: 1800 s
          32 No Traffic Monitored Interval: 60 s
        #5 2023-11-14T22:13:20.000005000Z 192.0.2.1 > 192.0.2.2 rfc8157 key 0xdeadbeef DSL GRE Tunnel Hello
          5 Timestamp: 77 s 5 ms
          not read: 0d001120010d
          error: 14 bytes of the message were not captured [captured_short]
          error at byte 20: the message ends inside attribute 13 (IPv6 Prefix Assigned by HAAP) [attribute_truncated]
        #6 2023-11-14T22:13:20.000006000Z 2001:db8::1 > 2001:db8::2 vlan 7 pppoe 4660 deployed key 0x0000002a LTE \
        GRE Tunnel Tear Down
          17 Error Code: 13 (unknown error code 13)
          warning at byte 9: Error Code 13 is not in 1–12 [out_of_range]
        6 packets: 4 control messages (1 damaged, 1 with warnings), 1 GRE data, 1 not GRE

        """

    @Test func textOfPcap() throws {
        for littleEndian in [true, false] {
            let outcome = try Self.decode(
                file: CaptureFile.pcap(Self.records, linkType: 1, littleEndian: littleEndian))
            #expect(outcome.output == Self.expectedText)
            #expect(outcome.errors.isEmpty)
            #expect(outcome.code == 0)
        }
    }

    @Test func standardInput() throws {
        let outcome = try Self.withFile(CaptureFile.pcap(Self.records, linkType: 1)) { file in
            try Self.decode(["-"], input: file)
        }
        #expect(outcome.output == Self.expectedText)
        #expect(outcome.code == 0)
    }

    @Test func nanosecondsArePreserved() throws {
        let expected = Self.expectedText.replacing("20.00000", with: "20.00000000").replacing("000Z", with: "Z")
        for bytes in [
            CaptureFile.pcapng(Self.records, linkType: 1),
            CaptureFile.pcap(Self.records, linkType: 1, nanoseconds: true),
        ] {
            let outcome = try Self.decode(file: bytes)
            #expect(outcome.output == expected)
            #expect(outcome.code == 0)
        }
    }

    @Test func json() throws {
        let outcome = try Self.decode(file: CaptureFile.pcapng(Self.records, linkType: 1), ["--json"])
        #expect(outcome.code == 0 && outcome.errors.isEmpty)
        let lines = outcome.output.split(separator: "\n")
        try #require(lines.count == 4)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"version\":1,") })
        for line in lines { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
        #expect(
            lines[3] == """
                {"version":1,"packet":6,"time":"2023-11-14T22:13:20.000000006Z","captured_bytes":85,\
                "length_bytes":85,"link":"ethernet","vlans":[7],"pppoe_session":4660,"source":"2001:db8::1",\
                "destination":"2001:db8::2","dialect":"deployed","key":42,"message_type":5,\
                "message":"GRE Tunnel Tear Down","tunnel_type":0,"leg":"lte","attributes":[{"offset":9,"type":17,\
                "name":"Error Code","value":13,"meaning":"unknown error code 13"}],"end_marker":true,\
                "damaged":false,"problems":[{"severity":"warning","reason":"out_of_range","offset":9,\
                "attribute":17,"text":"Error Code 13 is not in 1–12"}]}
                """)
    }

    @Test func linkTypesOfFiles() throws {
        // The numbers that files carry (LINKTYPE), which for raw IP is not libpcap's own number.
        let gre = Samples.hello.serialized(dialect: .rfc8157)
        for (number, header) in [
            (0, "02000000"), (1, "020000000001 020000000002 0800"), (9, "ff030021"), (50, "ff030021"), (101, ""),
            (108, "00000002"), (113, "0004 0001 0006 020000000001 0000 0800"), (228, ""),
            (276, "0800 0000 00000003 0001 04 06 020000000001 0000"),
            (51, "1100 1234 \(String(gre.count + 22, radix: 16).leftPadded(4)) 0021"),
        ] as [(UInt32, String)] {
            let record = CaptureFile.Record(bytes: [UInt8](hex: header) + Build.ipv4(gre))
            let outcome = try Self.decode(file: CaptureFile.pcap([record], linkType: number))
            #expect(outcome.output.hasSuffix("\n\(Self.oneGoodMessage)"), "\(number)")
        }
        let record = CaptureFile.Record(bytes: Build.ipv6(gre))
        let outcome = try Self.decode(file: CaptureFile.pcap([record], linkType: 229))
        #expect(outcome.output.hasSuffix("\n\(Self.oneGoodMessage)"))
    }

    private static let oneGoodMessage = "1 packets: 1 control messages (0 damaged, 0 with warnings)\n"

    @Test func failures() throws {
        let missing = try Self.decode(["/nonexistent/file"])
        #expect(missing.code == 1)
        #expect(missing.errors == "/nonexistent/file: No such file or directory\n")
        #expect(try Self.decode([]).code == 2)
        #expect(try Self.decode(["--jsn", "x"]).code == 2)

        #expect(try Self.decode(file: Array("no capture".utf8)).code == 1)
        #expect(try Self.decode(file: []).code == 1)
        let wireless = try Self.decode(file: CaptureFile.pcap([], linkType: 105))
        #expect(wireless.code == 1)
        #expect(wireless.errors == "FILE: packets of link type IEEE802_11 cannot be read\n")
        let empty = try Self.decode(file: CaptureFile.pcap([], linkType: 1))
        #expect(empty.code == 0)
        #expect(empty.output == "0 packets: 0 control messages (0 damaged, 0 with warnings)\n")
    }

    @Test func aFullDiskIsAFailure() throws {
        for records in [Self.records, []] {
            try Self.withFile(CaptureFile.pcap(records, linkType: 1)) { file in
                let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
                let outcome = try Self.decode([file.path], writing: full)
                #expect(outcome.code == 1)
                #expect(outcome.errors == "\(file.path): the output could not be written\n")
            }
        }
    }

    @Test func whatComesBeforeTheDamageIsShown() throws {
        let outcome = try Self.decode(file: CaptureFile.pcap(Self.records, linkType: 1).dropLast(3))
        #expect(outcome.code == 1)
        #expect(outcome.output.contains("\n#5 ") && !outcome.output.contains("\n#6 "))
        let summary = "5 packets: 3 control messages (1 damaged, 0 with warnings), 1 GRE data, 1 not GRE"
        #expect(outcome.output.hasSuffix("\n\(summary)\n"))
        #expect(outcome.errors.hasPrefix("FILE: truncated dump file"))
    }

    /// A file cut off at any place ends with 0 or 1, never by a signal.
    @Test func damagedFiles() throws {
        let files = [CaptureFile.pcap(Self.records, linkType: 1), CaptureFile.pcapng(Self.records, linkType: 1)]
        for whole in files {
            for count in stride(from: 0, to: whole.count, by: 13) {
                let outcome = try Self.decode(file: Array(whole.prefix(count)))
                #expect([0, 1].contains(outcome.code))
            }
        }
    }
}

extension String {
    fileprivate func leftPadded(_ count: Int) -> String {
        String(repeating: "0", count: max(0, count - self.count)) + self
    }
}
