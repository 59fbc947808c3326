import GREBonding
import Testing

@testable import Configuration

@Suite struct FilterListTests {
    private let head = "role = \"haap\"\naddress = \"192.0.2.1\"\n"

    @Test func everyKind() throws {
        let values: [(FilterItem.Kind, key: String, toml: String, sent: String)] = [
            (.fqdn, "fqdn", "'www.example.net'", "www.example.net"),
            (.dscp, "dscp", "46", "46"),
            (.destinationPort, "destination_port", "'8000-8080'", "8000-8080"),
            (.destinationIP, "destination_ip", "'2001:db8::/32'", "2001:db8::/32"),
            (.destinationIPAndPort, "destination_ip_port", "'[2001:db8::1]:443'", "[2001:db8::1]:443"),
            (.sourcePort, "source_port", "53", "53"),
            (.sourceIP, "source_ip", "'192.0.2.1'", "192.0.2.1"),
            (.sourceIPAndPort, "source_ip_port", "'192.0.2.0/24:443'", "192.0.2.0/24:443"),
            (.sourceMAC, "source_mac", "'02:00:5e:10:00:01'", "02:00:5e:10:00:01"),
            (.protocol, "protocol", "'udp'", "udp"),
            (.sourceIPRange, "source_ip_range", "'192.0.2.1-192.0.2.9'", "192.0.2.1-192.0.2.9"),
            (.destinationIPRange, "destination_ip_range", "'192.0.2.0/24'", "192.0.2.0/24"),
            (.sourceIPRangeAndPort, "source_ip_range_port", "'192.0.2.1-192.0.2.9:1'", "192.0.2.1-192.0.2.9:1"),
            (.destinationIPRangeAndPort, "destination_ip_range_port", "'10.0.0.0/8:1-2'", "10.0.0.0/8:1-2"),
        ]
        #expect(values.map(\.0) == FilterItem.Kind.allCases)
        let items = values.map { "[[filter_list.item]]\n\($0.key) = \($0.toml)\n" }.joined()
        let c = try aggregationPoint(["a.toml": head + "[[filter_list]]\nname = 'all'\n" + items])
        #expect(c.filterLists == ["all": values.map { FilterItem($0.0, description: "", value: $0.sent) }])
    }

    @Test func namesAreResolved() throws {
        let c = try aggregationPoint([
            "a.toml": head + """
            [defaults]
            filter_list = "a b"
            [[subscriber]]
            cin = "1"
            [[subscriber]]
            cin = "2"
            filter_list = "none"
            [[filter_list]]
            name = "a b"
            item = [{ dscp = 8, description = "Fernsehen – Süd", enabled = false }, { dscp = "9" }]
            """,
            "a.toml.d/1.toml": "[[filter_list]]\nname = 'none'",
        ])
        #expect(c.defaultFilterList == "a b" && c.subscribers.map(\.filterList) == ["a b", "none"])
        #expect(c.filterLists == [
            "a b": [
                FilterItem(.dscp, enabled: false, description: "Fernsehen – Süd", value: "8"),
                FilterItem(.dscp, description: "", value: "9"),
            ], "none": [],
        ])
        let none = try aggregationPoint(["a.toml": head + "[[subscriber]]\ncin = '1'"])
        #expect(none.subscribers[0].filterList == nil)
    }

    @Test(arguments: [
        ("subscriber = [{cin = 'a', filter_list = 'x'}]", 3,
         "subscriber.filter_list: there is no [[filter_list]] with the name \"x\""),
        ("defaults.filter_list = 'x'", 3, "defaults.filter_list: there is no [[filter_list]] with the name \"x\""),
        ("defaults.filter_list = 1", 3, "defaults.filter_list: expected the name of a filter list, found an integer"),
        ("filter_list = 'x'", 3, "filter_list: expected an array of tables ([[filter_list]]), found a string"),
        ("[[filter_list]]", 3, "filter_list.name: required, but missing"),
        ("[[filter_list]]\nname = ''", 4, "filter_list.name: \"\" is not 1…64 printable ASCII characters"),
        ("[[filter_list]]\nname = 'é'", 4, "filter_list.name: \"é\" is not 1…64 printable"),
        ("[[filter_list]]\nname = '\(String(repeating: "x", count: 65))'", 4, "filter_list.name: \"xxx"),
        ("[[filter_list]]\nname = 'a'\nfiel = 'a'", 5, "filter_list.fiel: unknown key; did you mean \"file\"?"),
        ("[[filter_list]]\nname = 'a'\n[[filter_list]]\nname = 'a'", 6,
         "filter_list.name: \"a\" is already that of another list (a.toml:4)"),
        ("[[filter_list]]\nname = 'a'\nfile = 'none.toml'", 5, "filter_list.file: none.toml: no such file"),
        ("[[filter_list]]\nname = 'list'\n[[subscriber]]\ncin = 'a'\nfilter_list = 'List'", 7,
         "subscriber.filter_list: there is no [[filter_list]] with the name \"List\""),
    ] as [(String, Int, String)])
    func refuses(text: String, at line: Int, reason: String) {
        let found = problems(head + text)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix("a.toml:\(line): \(reason)") == true, "\(found)")
    }

    /// The item's table begins in line 5, its first key stands in line 6.
    @Test(arguments: [
        ("", 5, ": expected one key that says what to match, found none of fqdn, dscp, destination_port, "),
        ("dscp = 1\nfqdn = 'a'", 5, ": expected one key that says what to match, found fqdn, dscp"),
        ("fdqn = 'a'\ndscp = 1", 6, ".fdqn: unknown key; did you mean \"fqdn\"?"),
        ("fqdn = '*.example.net'", 6, ".fqdn: gateways would ignore \"*.example.net\": invalid_fqdn"),
        ("fqdn = 1", 6, ".fqdn: expected a string, found an integer"),
        ("dscp = 64", 6, ".dscp: gateways would ignore \"64\": invalid_dscp"),
        ("dscp = true", 6, ".dscp: expected a string or an integer, found true or false"),
        ("source_port = -1", 6, ".source_port: gateways would ignore \"-1\": invalid_port"),
        ("destination_port = '2-1'", 6, ".destination_port: gateways would ignore \"2-1\": invalid_port"),
        ("destination_ip = '192.0.2'", 6, ".destination_ip: gateways would ignore \"192.0.2\": invalid_prefix"),
        ("source_ip_port = '192.0.2.1'", 6, ".source_ip_port: gateways would ignore \"192.0.2.1\": missing_port"),
        ("source_mac = '00:00'", 6, ".source_mac: gateways would ignore \"00:00\": invalid_mac"),
        ("protocol = 'udpp'", 6, ".protocol: gateways would ignore \"udpp\": unknown_protocol"),
        ("source_ip_range = '10.0.0.2-10.0.0.1'", 6,
         ".source_ip_range: gateways would ignore \"10.0.0.2-10.0.0.1\": invalid_address_range"),
        ("dscp = 1\nenabled = 1", 7, ".enabled: expected true or false, found an integer"),
        ("dscp = 1\ndescription = 1", 7, ".description: expected a text, found an integer"),
        ("dscp = 1\ndescription = '\(String(repeating: "x", count: 953))'", 7,
         ".description: 953 bytes, and 1 of the value: more than one package of 969 bytes can hold"),
    ] as [(String, Int, String)])
    func refusesItem(text: String, at line: Int, reason: String) {
        let found = problems(head + "[[filter_list]]\nname = 'a'\n[[filter_list.item]]\n" + text)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix("a.toml:\(line): filter_list.item\(reason)") == true, "\(found)")
    }

    @Test func lengthIsBounded() throws {
        func list(_ count: Int, _ description: Int) -> [String: String] {
            let item = "[[item]]\ndscp = 1\ndescription = '\(String(repeating: "x", count: description))'\n"
            return [
                "a.toml": head + "[[filter_list]]\nname = 'a'\nfile = 'f.toml'",
                "f.toml": String(repeating: item, count: count),
            ]
        }
        #expect(try aggregationPoint(list(16_384, 0)).filterLists["a"]?.count == 16_384)
        #expect(Machine(files: list(16_385, 0)).problems()
            == ["a.toml:3: filter_list: 16385 items is out of range: at most 16384"])
        // Each of these takes a package of its own.
        #expect(try aggregationPoint(list(2048, 952)).filterLists["a"]?.count == 2048)
        #expect(Machine(files: list(2049, 952)).problems()
            == ["a.toml:3: filter_list: does not fit into 2048 packages of 969 bytes"])

        func lists(_ count: Int) -> String {
            head + "defaults.filter_list = '0'\n" + (0..<count).map { "[[filter_list]]\nname = '\($0)'\n" }.joined()
        }
        #expect(try aggregationPoint(["a.toml": lists(256)]).filterLists.count == 256)
        #expect(problems(lists(257)) == ["a.toml:4: filter_list: 257 lists is out of range: at most 256"])
    }

    @Test func filesOfItems() throws {
        let named = head + "[[filter_list]]\nname = 'a'\nfile = 'lists/f.toml'\n[[filter_list.item]]\ndscp = 1\n"
        let c = try aggregationPoint(["a.toml": named, "lists/f.toml": "[[item]]\ndscp = 2\n[[item]]\nfqdn = 'x'\n"])
        #expect(c.filterLists["a"]?.map(\.valueText) == ["1", "2", "x"])

        // A path in a drop-in file is seen from there.
        let dropIn = [
            "a.toml": head, "a.toml.d/1.toml": "[[filter_list]]\nname = 'a'\nfile = 'f.list'",
            "a.toml.d/f.list": "item = [{ dscp = 3 }]",
        ]
        #expect(try aggregationPoint(dropIn).filterLists["a"]?.map(\.valueText) == ["3"])

        let bad = Machine(files: ["a.toml": named, "lists/f.toml": "name = 'a'\n[[item]]\nfqdn = '-'\n"])
        #expect(bad.problems() == [
            "lists/f.toml:1: name: unknown key",
            "lists/f.toml:3: item.fqdn: gateways would ignore \"-\": invalid_fqdn",
        ])
        let broken = Machine(files: ["a.toml": named, "lists/f.toml": "\n=="])
        #expect(broken.problems().first?.hasPrefix("lists/f.toml:2: not TOML") == true)
    }
}
