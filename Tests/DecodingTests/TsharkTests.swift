import Foundation
import GREBonding
import Testing

@testable import Decoding

/// What the JSON output says, field by field, against an independent dissector: tshark's `grebonding`.
/// Seen to pass with TShark 4.0.17 (Debian package).
@Suite struct TsharkTests {
    private static let tshark: URL? = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { URL(fileURLWithPath: "\($0)/tshark") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    private struct Message: Decodable {
        struct Item: Decodable {
            var type: Int
            var enable: Int
            var description: String
            var value: String
        }
        enum Value: Decodable {
            case number(UInt64)
            case text(String)

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let number = try? container.decode(UInt64.self) {
                    self = .number(number)
                } else {
                    self = .text(try container.decode(String.self))
                }
            }
        }
        struct Attribute: Decodable {
            var type: Int
            var value: Value?
            var seconds: UInt64?
            var milliseconds: UInt64?
            var commit_count: UInt64?
            var packet_sum: Int?
            var packet_id: Int?
            var items: [Item]?
            var hex: String?
        }
        var key: UInt64
        var message_type: Int
        var tunnel_type: Int
        var end_marker: Bool?
        var attributes: [Attribute]
    }

    private static let fields = [
        "gre.key", "grebonding.type", "grebonding.tunneltype", "grebonding.attr.type", "grebonding.attr.val.uint64",
        "grebonding.attr.val.time", "grebonding.attr.val.string", "grebonding.attr.val.ipv4",
        "grebonding.attr.val.ipv6", "grebonding.attr.val.error", "grebonding.attr.val.filter.commit",
        "grebonding.attr.val.filter.packetsum", "grebonding.attr.val.filter.packetid",
        "grebonding.attr.val.filter.item.type", "grebonding.attr.val.filter.item.enabled",
        "grebonding.attr.val.filter.item.desc", "grebonding.attr.val.filter.item.val",
    ]

    /// The line that the dissector prints of a message that says what ours says.
    private static func line(_ message: Message) -> String {
        var values: [String: [String]] = [
            "gre.key": ["0x" + String(repeating: "0", count: 8 - String(message.key, radix: 16).count)
                + String(message.key, radix: 16)],
            "grebonding.type": ["\(message.message_type)"], "grebonding.tunneltype": ["\(message.tunnel_type)"],
        ]
        func add(_ field: String, _ value: String) { values["grebonding.attr.\(field)", default: []].append(value) }
        for attribute in message.attributes {
            add("type", "\(attribute.type)")
            switch (attribute.type, attribute.value) {
            case (1, .text(let address)): add("val.ipv4", address)
            case (2, .text(let address)): add("val.ipv6", address)
            case (13, .text(let prefix)), (21, .text(let prefix)):
                let parts = prefix.split(separator: "/")
                add("val.ipv6", "\(parts[0])")
                add("val.uint64", "\(parts[1])")
            case (_, .text(let text)): add("val.string", text)
            case (17, .number(let code)): add("val.error", "\(code)")
            case (_, .number(let number)): add("val.uint64", "\(number)")
            case (_, nil): break
            }
            if let seconds = attribute.seconds, let milliseconds = attribute.milliseconds {
                // A fault of TShark 4.0: it takes the milliseconds for microseconds.
                add("val.time", "\(seconds).\("\(1_000_000_000 + milliseconds * 1000)".dropFirst())")
            }
            if let commit = attribute.commit_count { add("val.filter.commit", "\(commit)") }
            if let sum = attribute.packet_sum { add("val.filter.packetsum", "\(sum)") }
            if let id = attribute.packet_id { add("val.filter.packetid", "\(id)") }
            for item in attribute.items ?? [] {
                add("val.filter.item.type", "\(item.type)")
                add("val.filter.item.enabled", "\(item.enable)")
                add("val.filter.item.desc", item.description)
                add("val.filter.item.val", item.value)
            }
            // Of an attribute that it does not know, TShark 4.0 shows the first eight bytes as a number.
            if let hex = attribute.hex, let number = UInt64(hex.prefix(16), radix: 16) {
                add("val.uint64", "\(number)")
            }
        }
        if message.end_marker == true { add("type", "\(Dialect.endMarkerType)") }
        return fields.map { (values[$0] ?? []).joined(separator: ";") }.joined(separator: "|")
    }

    @Test func saysTheSameFieldByField() throws {
        guard let tshark = Self.tshark else {
            let absence: Comment = "tshark is not installed (Debian: apt-get install tshark): nothing was compared"
            if ProcessInfo.processInfo.environment["CI"] == "true" {
                Issue.record(absence)
            } else {
                withKnownIssue(absence) { Issue.record(absence) }
            }
            return
        }
        var records: [CaptureFile.Record] = []
        for dialect in Dialect.allCases {
            records += Samples.messages.map { .init(bytes: Build.ipv4($0.serialized(dialect: dialect))) }
        }
        records += try DeployedSession.load().map { .init(bytes: Build.ipv6($0.bytes)) }
        try CommandTests.withFile(CaptureFile.pcap(records, linkType: 101)) { file in
            let ours = try CommandTests.decode(["--json", file.path]).output.split(separator: "\n").map {
                Self.line(try JSONDecoder().decode(Message.self, from: Data($0.utf8)))
            }
            let process = Process()
            process.executableURL = tshark
            process.arguments =
                ["-n", "-r", file.path, "-T", "fields", "-E", "separator=|", "-E", "aggregator=;"]
                + Self.fields.flatMap { ["-e", $0] }
            let output = Pipe()
            process.standardOutput = output
            process.standardError = FileHandle.nullDevice
            try process.run()
            let theirs = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                .split(separator: "\n").map(String.init)
            process.waitUntilExit()
            #expect(ours.count == records.count && theirs.count == records.count)
            for (ours, theirs) in zip(ours, theirs) { #expect(ours == theirs) }
        }
    }
}
