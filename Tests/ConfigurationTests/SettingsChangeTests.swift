import Testing

@testable import Configuration

@Suite struct SettingsChangeTests {
    private let head = "role = \"haap\"\naddress = \"192.0.2.1\"\n"

    private func load(_ text: String) throws -> Configuration { try Machine(files: ["a.toml": text]).load() }

    private func told(_ old: String, _ new: String) throws -> (lines: [String], result: Configuration) {
        let (changes, result) = try load(old).changes(to: load(new))
        return (changes.map { "\($0.section): \($0.what)\($0.isLive ? "" : " !")" }, result)
    }

    @Test func nothingDiffers() throws {
        let text = head + "[[subscriber]]\ncin = \"one\""
        let (lines, result) = try told(text, text + "\n# a comment\n")
        #expect(lines.isEmpty)
        #expect(try result == load(text))
    }

    @Test func subscribersComeAndGo() throws {
        let old = head + """
            [[subscriber]]
            cin = "one"
            dsl_downstream = "16 Mbit/s"
            [[subscriber]]
            cin = "two"
            """
        let new = head + """
            [[subscriber]]
            cin = "three"
            [[subscriber]]
            cin = "one"
            dsl_downstream = "50 Mbit/s"
            """
        let (lines, result) = try told(old, new)
        #expect(lines == ["subscriber: three added", "subscriber: one changed", "subscriber: two removed"])
        #expect(try result == load(new))
    }

    @Test func defaultsAreTheirSubscribers() throws {
        let one = "\n[[subscriber]]\ncin = \"one\"\n[[subscriber]]\ncin = \"own\"\nlte_limit = \"1 Mbit/s\""
        let (lines, _) = try told(head + one, head + "[defaults]\nlte_limit = \"5 Mbit/s\"" + one)
        #expect(lines == ["subscriber: one changed"])
    }

    /// Who is leased what is decided at the start.
    @Test func addressesNeedARestart() throws {
        let old = head + "[[subscriber]]\ncin = \"one\"\naddress = \"100.64.0.1\""
        let new = head + "[[subscriber]]\ncin = \"one\"\naddress = \"100.64.0.2\"\nlte_limit = \"1 Mbit/s\""
        let (lines, result) = try told(old, new)
        #expect(lines == ["subscriber: one changed !"])
        #expect(try result == load(old), "not half of it")
        let none = "\n[dhcp]\nenabled = false\n"
        #expect(try told(old + none, new + none).lines == ["subscriber: one changed"])
    }

    @Test func radiusKnowsItsSubscribersFromTheStart() throws {
        let radius = "[radius]\nnas_identifier = \"a\"\n[[radius.server]]\naddress = \"192.0.2.9\"\nsecret = \"0123456789abcdef\"\n"
        let (lines, result) = try told(head + radius, head + radius + "[[subscriber]]\ncin = \"one\"")
        #expect(lines == ["subscriber: changed !"])
        #expect(try result == load(head + radius))
    }

    @Test func listsAndPins() throws {
        let list = "[[filter_list]]\nname = \"a\"\n[[filter_list.item]]\ndscp = 1\n"
        let pin = "[[pin]]\nleg = \"dsl\"\ndscp = "
        let (lines, result) = try told(head + list + pin + "46", head + "[session]\nlte_alone = true\n" + pin + "40\n" + pin + "41")
        #expect(lines == ["session: changed !", "filter_list: a removed", "pin: 2 added, 1 removed"])
        guard case .aggregationPoint(let c) = result else { throw WrongRole() }
        #expect(c.pins.count == 2 && !c.session.lteAlone && c.filterLists.isEmpty)
    }

    /// `police` has a filter for pins or not.
    @Test func withPoliceThePinsStayOrAreNeverThere() throws {
        let police = head + "[colour]\noverflow = \"police\"\n"
        let pin = "[[pin]]\nleg = \"dsl\"\ndscp = "
        #expect(try told(police, police + pin + "46").lines == ["pin: 1 added !"])
        #expect(try told(police + pin + "46", police + pin + "40").lines == ["pin: 1 added, 1 removed"])
    }

    @Test func ofAGateway() throws {
        let (lines, result) = try told(
            gateway(dsl: "upstream = \"5 Mbit/s\""),
            gateway(
                top: "lan = [\"lan\"]", dsl: "upstream = \"6 Mbit/s\"\nlimit = \"4 Mbit/s\"",
                more: "[[bypass]]\ndscp = 1\n[[exception]]\ndscp = 2\n[[pin]]\nleg = \"lte\"\ndscp = 3"))
        #expect(
            lines == [
                "lan: changed !", "dsl.limit: changed", "dsl: changed !", "bypass: 1 added", "exception: 1 added",
                "pin: 1 added",
            ])
        guard case .homeGateway(let c) = result else { throw WrongRole() }
        #expect(c.lan.isEmpty && c.dsl.limit?.kilobitsPerSecond == 4000 && c.dsl.upstream?.kilobitsPerSecond == 5000)
        #expect(c.bypass.count == 1 && c.exceptions.count == 1 && c.pins.count == 1)
        #expect(try told(gateway(), head).lines == ["role: changed !"])
    }

    /// A setting that nobody thought of would be lost silently.
    @Test func everySettingIsCompared() throws {
        guard case .homeGateway(let hg) = try load(gateway()), case .aggregationPoint(let haap) = try load(head) else {
            throw WrongRole()
        }
        func fields(_ value: Any) -> Set<String> { Set(Mirror(reflecting: value).children.compactMap(\.label)) }
        let own: Set = ["unlisted", "defaults", "defaultFilterList", "subscribers"]
        let text = String(
            decoding: try LoadContext.system.read("\(ShippedFilesTests.root)/Sources/Configuration/Model/SettingsChange.swift", 1 << 20),
            as: UTF8.self)
        for field in fields(hg).union(fields(haap)).subtracting(own) {
            #expect(text.contains("\\.\(field)"), "\(field)")
        }
    }
}
