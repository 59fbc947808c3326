import Foundation
import Testing

@testable import GREBonding

/// What this project sends must be well-formed in the eyes of an independent dissector: tshark's `grebonding`.
/// Seen to pass with TShark 4.0.17 (Debian package).
@Suite struct TsharkTests {
    private static let tshark: URL? = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { URL(fileURLWithPath: "\($0)/tshark") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    private static let isCI = ProcessInfo.processInfo.environment["CI"] == "true"

    /// Every sample, and what the samples do not hold: a list in several packages, attributes of unknown types.
    private static func messages() throws -> [ControlMessage] {
        let items = (0..<80).map { FilterItem(.fqdn, description: "item \($0)", value: "host-\($0).example.net") }
        let packages = try FilterListPackage.split(items, commitCount: 8).map {
            ControlMessage(type: .notify, leg: .primary, key: 1, attributes: [.filterListPackage($0)])
        }
        let ack = Attribute.filterListPackageACK(FilterListPackageACK(commitCount: 7, code: .acknowledged))
        let others = [
            ControlMessage(type: .notify, leg: .primary, key: 1, attributes: [ack, .tunnelVerification]),
            ControlMessage(
                type: .setupRequest, leg: .primary, key: 1, attributes: [.unknown(type: 53, value: [0, 0, 0, 3])]),
        ]
        return Sample.messages + packages + others
    }

    /// What TShark 4.0 says of good messages through faults of its own, which a later version may have mended.
    private static func fault(_ message: ControlMessage, _ dialect: Dialect) -> String {
        // It looks for the ACK code one byte too far on: in the type of the next attribute, which it then prints as
        // the code. Where nothing follows, that is past the end.
        if !dialect.hasEndMarker, message.attributes.last?.knownType == .filterListPackageACK {
            return "[Malformed Packet: GREbond],_ws.malformed|Malformed Packet (Exception occurred)"
        }
        // It takes the value of every unknown attribute for a number. The deployed network's own messages have one of
        // 32 bytes, number 54.
        let isLong = message.attributes.contains { attribute in
            if case .unknown(_, let value) = attribute { value.count > 8 } else { false }
        }
        return isLong ? "_ws.malformed|Trying to fetch an unsigned integer with length 32" : "|"
    }

    @Test func nothingIsMalformed() throws {
        guard let tshark = Self.tshark else {
            let absence: Comment = "tshark is not installed (Debian: apt-get install tshark): messages were not checked"
            if Self.isCI {
                Issue.record(absence)
            } else {
                withKnownIssue(absence) { Issue.record(absence) }
            }
            return
        }
        var capture = CaptureFile()
        var expected: [(plain: String, fault: String)] = []
        func add(_ bytes: [UInt8], _ message: ControlMessage, _ dialect: Dialect, _ outer: CaptureFile.Outer) {
            capture.append(gre: bytes, in: outer)
            let types = message.attributes.map(\.type) + (dialect.hasEndMarker ? [Dialect.endMarkerType] : [])
            let seen = [
                "raw:\(outer == .v4 ? "ip" : "ipv6"):gre:grebonding", "\(message.type.rawValue)",
                types.map { "\($0)" }.joined(separator: ","), "",
            ].joined(separator: "|")
            expected.append((seen + "|", seen + Self.fault(message, dialect)))
        }
        for outer in CaptureFile.Outer.allCases {
            for dialect in Dialect.allCases {
                for message in try Self.messages() {
                    add(message.serialized(dialect: dialect), message, dialect, outer)
                }
            }
            for vector in DeployedSession.messages {
                let message = try ControlMessage(parsing: vector.bytes, dialect: .deployed)
                add(vector.bytes, message, .deployed, outer)
            }
        }
        let lines = try dissect(capture, with: tshark)
        #expect(lines.count == expected.count)
        for (line, expected) in zip(lines, expected) {
            #expect(line == expected.plain || line == expected.fault)
        }
    }

    /// The check above must be able to fail: an attribute that is cut off does not pass the dissector unnoticed.
    @Test(.enabled(if: tshark != nil)) func aTruncatedMessageIsNoticed() throws {
        let tshark = try #require(Self.tshark)
        var capture = CaptureFile()
        let message = ControlMessage(type: .hello, leg: .primary, key: 1, attributes: Sample.helloAttributes)
        capture.append(gre: message.serialized(dialect: .rfc8157).dropLast(3), in: .v4)
        let lines = try dissect(capture, with: tshark)
        #expect(lines.count == 1)
        #expect(lines.first?.hasSuffix("|") == false)
    }

    /// A line for every packet: protocols, MsgType, attribute types, mark of a malformed packet, expert messages.
    private func dissect(_ capture: CaptureFile, with tshark: URL) throws -> [String] {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("grebonding-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("messages.pcap")
        try Data(capture.bytes).write(to: file)

        let process = Process()
        process.executableURL = tshark
        let fields = [
            "frame.protocols", "grebonding.type", "grebonding.attr.type", "_ws.malformed", "_ws.expert.message",
        ]
        process.arguments =
            ["-n", "-r", file.path, "-T", "fields", "-E", "separator=|"] + fields.flatMap { ["-e", $0] }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return text.split(separator: "\n").map(String.init)
    }
}
