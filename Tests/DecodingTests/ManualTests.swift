import Foundation
import GREBonding
import Testing

@testable import Decoding

/// What docs/decode.md says has to be so.
@Suite struct ManualTests {
    private static func manual() throws -> String {
        try String(contentsOfFile: "\(Repository.root)/docs/decode.md", encoding: .utf8)
    }

    @Test func exampleIsRealOutput() throws {
        #expect(try Self.manual().contains("```\n\(CommandTests.expectedText)```\n"))
    }

    /// The two reasons that are left out are for sessions: a decoder takes what is not theirs for data.
    @Test func allNamesAreThere() throws {
        let manual = try Self.manual()
        let reasons = WireError.Reason.allCases.filter { $0 != .notControlMessage && $0 != .otherDialect }
        let names =
            reasons.map(\.rawValue) + Problem.Finding.allCases.map(\.rawValue) + LinkType.allCases.map(\.name)
            + Dialect.allCases.map(\.rawValue)
        for name in names { #expect(manual.contains("`\(name)`"), "\(name)") }
    }

    @Test func allMembersAreThere() throws {
        var members: Set<String> = []
        func collect(_ value: Any) {
            if let object = value as? [String: Any] {
                members.formUnion(object.keys)
                object.values.forEach(collect)
            } else if let list = value as? [Any] {
                list.forEach(collect)
            }
        }
        let records =
            CommandTests.records
            + Samples.messages.map {
                .init(bytes: Build.ethernet(0x86DD, Build.ipv6($0.serialized(dialect: .deployed))))
            }
        for record in records {
            guard let packet = control(record.bytes, .ethernet, length: record.length) else { continue }
            collect(try JSONSerialization.jsonObject(with: Data(packet.json(.first).utf8)))
        }
        let manual = try Self.manual()
        #expect(members.count > 30)
        for member in members { #expect(manual.contains("`\(member)`"), "\(member)") }
    }
}
