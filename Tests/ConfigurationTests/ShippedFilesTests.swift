import GREBonding
import Testing

@testable import Configuration

/// What a user is given has to be right: the examples, and the tables of the manual.
@Suite struct ShippedFilesTests {
    static let root: String = {
        let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }()

    @Test(arguments: ["home-gateway", "lab-hg", "lab-haap", "deployed-hg", "aggregation-point"])
    func examples(name: String) throws {
        let configuration = try Configuration.load(path: "\(Self.root)/deploy/examples/\(name).toml")
        switch configuration {
        case .homeGateway(let c):
            #expect(name != "lab-haap")
            #expect((c.dialect == .deployed) == (name == "deployed-hg"))
        case .aggregationPoint(let c):
            #expect(["lab-haap", "aggregation-point"].contains(name) && c.subscribers.count == 1)
            #expect(c.filterLists.mapValues(\.count) == (name == "lab-haap" ? [:] : ["voice": 4]))
            #expect(c.subscribers[0].filterList == (name == "lab-haap" ? nil : "voice"))
        }
    }

    @Test func oneOfABench() throws {
        guard case .aggregationPoint(let c) = try Configuration.load(
            path: "\(Self.root)/deploy/examples/scale-out/haap.toml")
        else { return #expect(Bool(false)) }
        #expect(c.addresses.count == 2 && c.anycast.count == 1 && c.radius?.servers.count == 1)
        // It has gone by the time that gateways call G anew.
        let tolerance = c.session.activeHelloInterval.rawValue * UInt64(c.session.helloRetryTimes)
        #expect(try #require(c.addressLifetime).rawValue <= tolerance)
    }

    @Test(arguments: ["lab-hg", "lab-haap"])
    func exampleOfADropIn(name: String) throws {
        func text(_ name: String) throws -> String {
            let file = "\(Self.root)/deploy/examples/\(name).toml"
            return String(decoding: try LoadContext.system.read(file, 1 << 20), as: UTF8.self)
        }
        let machine = Machine(files: ["a.toml": try text(name), "a.toml.d/ipsec.toml": try text("lab-ipsec")])
        switch try machine.load() {
        case .homeGateway(let c): #expect(c.ipsec?.keys == .configured)
        case .aggregationPoint(let c): #expect(c.ipsec?.keys == .configured)
        }
    }

    /// A table's rows are the keys that the decoder asks for, no more and no fewer.
    @Test func manualHasEveryKey() throws {
        let problems = ProblemCollector()
        let haap = "role='haap'\n[[subscriber]]\n[session]\ndsl_attributes=[{}]\n[[filter_list]]\n[[filter_list.item]]\n[[pool]]"
            + "\n[radius]\n[[radius.server]]\n[relay]\n[[pin]]"
        let hg = "role='hg'\ncin='x'\n[dsl]\n[lte]\n[lte.quota]\n[[bypass]]\n[[exception]]\n[[pin]]"
        for text in [hg, haap] {
            let root = try TOMLParser.parse(Array(text.utf8), file: "t")
            _ = Configuration.decode(
                root, context: Machine(files: [:]).context, problems: problems, interfaceExists: { _ in true })
        }
        let manual = try LoadContext.system.read("\(Self.root)/docs/configuration.md", 1 << 20)
        var documented: Set<String> = []
        for line in String(decoding: manual, as: UTF8.self).split(separator: "\n") where line.hasPrefix("| `") {
            documented.insert(String(line.dropFirst(3).prefix { $0 != "`" }))
        }
        #expect(documented == problems.knownKeys.subtracting(Self.sections))
    }

    private static let sections: Set<String> = [
        "dsl", "lte", "tunnel", "resequencer", "colour", "kernel", "control", "log", "session", "defaults", "subscriber",
        "limits", "item", "quota", "radius", "relay", "state", "hooks", "http", "names", "bypass", "exception", "pin",
        "ipsec",
    ]

    /// The system's own files: a folder that is not there, a folder in place of a file, a file that is too large.
    @Test func systemContext() throws {
        let context = LoadContext.system
        #expect(try context.list("\(Self.root)/none").isEmpty)
        #expect(try context.list("\(Self.root)/deploy/examples").contains("lab-hg.toml"))
        #expect(throws: ConfigurationError.self) { try context.read("\(Self.root)/deploy", 10) }
        #expect(throws: ConfigurationError.self) { try context.read("\(Self.root)/docs/configuration.md", 10) }
        #expect(throws: ConfigurationError.self) { try context.read("\(Self.root)/none", 10) }
        #expect(context.hostName().utf8.count > 0)
    }
}
