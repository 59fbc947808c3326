import Addresses
import RADIUS
import Testing

@testable import Configuration

private let head = "role = \"haap\"\naddress = \"192.0.2.1\"\n"

/// `[radius]` with one server; what is in the braces of the server and of the section.
private func radius(server: String = "secret = 'abc'", section: String = "") -> String {
    head + "[radius]\n\(section)\n[[radius.server]]\naddress = '192.0.2.10'\n\(server)\n"
}

@Suite struct RADIUSSettingsTests {
    @Test func withoutTheSectionNobodyIsAsked() throws {
        #expect(try aggregationPoint(["a.toml": head]).radius == nil)
    }

    @Test func defaults() throws {
        let c = try #require(try aggregationPoint(["a.toml": radius()]).radius)
        #expect(c == RADIUSConfiguration(
            servers: [.init(address: IPAddress("192.0.2.10")!, secret: SharedSecret(Array("abc".utf8)))],
            nasIdentifier: "gateway"))
        #expect(c.tries == 3 && c.timeout == .seconds(1) && c.interimInterval == .seconds(600))
    }

    @Test func everyKey() throws {
        let c = try #require(
            try aggregationPoint([
                "a.toml": head + """
                    [radius]
                    nas_identifier = "haap-1"
                    source = ["192.0.2.2", "2001:db8::2"]
                    user_name = "{cin}@example.net"
                    password_file = "secrets/password"
                    timeout = "500 ms"
                    tries = 2
                    dead_time = "2 min"
                    accounting = false
                    interim_interval = 0
                    accounting_queue = 100
                    dynamic_authorization = true
                    dynamic_authorization_port = 1700
                    event_timestamp = true
                    vendor = 9
                    [[radius.server]]
                    address = "192.0.2.10"
                    secret_file = "secrets/radius"
                    authentication_port = 1645
                    accounting_port = 1646
                    message_authenticator = false
                    [[radius.server]]
                    address = "2001:db8::10"
                    secret = "x"
                    """, "secrets/radius": "abc def\n", "secrets/password": "p\r\n",
            ]).radius)
        #expect(c.nasIdentifier == "haap-1" && c.source.count == 2 && c.userName == "{cin}@example.net")
        #expect(c.password == SharedSecret([0x70]) && c.timeout == Milliseconds(500) && c.tries == 2)
        #expect(c.deadTime == .seconds(120) && !c.accounting && c.interimInterval.rawValue == 0)
        #expect(c.accountingQueue == 100 && c.dynamicAuthorization && c.dynamicAuthorizationPort == 1700)
        #expect(c.requiresEventTimestamp && c.vendor == 9 && c.servers.count == 2)
        #expect(c.servers[0].secret == SharedSecret(Array("abc def".utf8)))
        #expect(c.servers[0].authenticationPort == 1645 && c.servers[0].accountingPort == 1646)
        #expect(!c.servers[0].requiresMessageAuthenticator && c.servers[1].requiresMessageAuthenticator)
    }

    @Test(arguments: [
        (head + "[radius]", 3, "radius.server: required, but missing"),
        (radius(server: ""), 5, "radius.server.secret: required, but missing"),
        (radius(server: "secret = ''"), 7, "radius.server.secret: 0 bytes is out of range: 1…253 bytes"),
        (radius(server: "secret = 5"), 7, "radius.server.secret: expected a string, found an integer"),
        (radius(server: "secret_file = 'none'"), 7, "radius.server.secret_file: none: no such file"),
        (radius(server: "secret = 'a'\naccounting_port = 0"), 8, "radius.server.accounting_port: 0 is out of range"),
        (radius(section: "tries = 11"), 4, "radius.tries: 11 is out of range: 1…10"),
        (radius(section: "timeout = '20 s'"), 4, "radius.timeout: 20 s is out of range: 100…10000 ms"),
        (radius(section: "interim_interval = 30"), 4, "radius.interim_interval: 30 s is out of range: 60…86400 s"),
        (radius(section: "user_name = 'all'"), 4, "radius.user_name: \"all\" is not a text"),
        (radius(section: "source = ['10.0.0.1', '10.0.0.2']"), 4, "radius.source: more than one IPv4 address"),
        (radius(section: "vendor = 0"), 4, "radius.vendor: 0 is out of range: 1…16777215"),
        (radius(section: "servers = 1"), 4, "radius.servers: unknown key"),
        (radius(section: "password = 'a'\npassword_file = 'b'"), 5, "radius.password_file: password is set, too"),
    ] as [(String, Int, String)])
    func refuses(text: String, line: Int, reason: String) {
        let found = Machine(files: ["a.toml": text, "b": "c"]).problems()
        #expect(found.count == 1 && found[0].hasPrefix("a.toml:\(line): \(reason)"), "\(found)")
    }

    /// A file that others can read keeps no secret.
    @Test(arguments: [(UInt32(0o600), true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)])
    func modeOfAFile(mode: UInt32, isUsable: Bool) throws {
        let machine = Machine(files: ["a.toml": radius(server: "secret_file = 's'"), "s": "hush-hush"])
        var context = machine.context
        context.mode = { _ in mode }
        let problems = ProblemCollector()
        let root = try TOMLParser.parse(context.read("a.toml", 1 << 20), file: "a.toml")
        _ = Configuration.decode(root, context: context, problems: problems, interfaceExists: { _ in true })
        let found = problems.problems.map(\.description)
        #expect(found.isEmpty == isUsable, "\(found)")
        if !isUsable {
            let digits = String(mode, radix: 8)
            let reason = "s: others may read or write it (mode \(digits)): make it 600"
            #expect(found == ["a.toml:7: radius.server.secret_file: \(reason)"])
        }
    }

    @Test func secretsAreInNoMessage() {
        let text = radius(
            server: "secret = 'hush-hush'\nsecret_file = 's'\nextra = 'x'",
            section: "password = '\(String(repeating: "hush-hush", count: 40))'")
        let found = Machine(files: ["a.toml": text, "s": "hush-hush"]).problems()
        #expect(!found.isEmpty && !found.contains { $0.contains("hush") }, "\(found)")
        let c = try? aggregationPoint(["a.toml": radius(server: "secret = 'hush-hush'")])
        #expect(c != nil && !"\(c!)".contains("hush"))
    }
}
