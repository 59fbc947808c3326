import RADIUS
import Testing

@testable import Configuration

private let secret = String(repeating: "k", count: 32)
private func ipsec(_ lines: String) -> String { gateway(more: "[ipsec]\n" + lines) }

@Suite struct IPsecSettingsTests {
    @Test func withoutTheSectionNothingIsProtected() throws {
        #expect(try homeGateway(gateway()).ipsec == nil)
    }

    @Test func everyKey() throws {
        let c = try #require(
            try homeGateway(
                ipsec(
                    """
                    keys = "configured"
                    cipher = "aes-cbc"
                    secret = "\(secret)"
                    salt = "run 1"
                    replay_window = 4096
                    volume = "1 GB"
                    offload = "no"
                    reqid = 7
                    """)
            ).ipsec)
        var wanted = IPsecConfiguration(keys: .configured)
        wanted.cipher = .aesCBC
        wanted.secret = SharedSecret(Array(secret.utf8))
        wanted.salt = "run 1"
        wanted.replayWindow = 4096
        wanted.volume = DataVolume(bytes: 1_000_000_000)
        wanted.offload = .no
        wanted.requestID = 7
        #expect(c == wanted)
        #expect(!"\(c)".contains(secret))
    }

    @Test func anAggregationPointHasItToo() throws {
        let c = try aggregationPoint(["a.toml": "role = \"haap\"\naddress = \"192.0.2.1\"\n[ipsec]\nkeys = \"ike\""])
        #expect(c.ipsec == IPsecConfiguration(keys: .ike))
        #expect(c.ipsec?.cipher == .aesGCM && c.ipsec?.replayWindow == 1024 && c.ipsec?.secret == nil)
    }

    /// RFC 8221 §5: one key must never meet the same number twice.
    @Test func gcmWithConfiguredKeysTakesASalt() {
        #expect(problems(ipsec("keys = \"configured\"\nsecret = \"\(secret)\"\ncipher = \"aes-gcm\"")) == [
            "a.toml:10: ipsec.cipher: \"aes-gcm\" with configured keys takes a salt that is new at each start, or one "
                + "key would be used with the same numbers again; \"aes-cbc\" does without"
        ])
        #expect(problems(ipsec("keys = \"configured\"\nsecret = \"\(secret)\"\nsalt = \"x\"")).isEmpty)
        #expect(problems(ipsec("keys = \"configured\"\nsecret = \"\(secret)\"\ncipher = \"aes-cbc\"")).isEmpty)
        #expect(problems(ipsec("keys = \"ike\"\ncipher = \"aes-gcm\"")).isEmpty)
    }

    @Test(arguments: [
        ("", "a.toml:7: ipsec.keys: required, but missing"),
        ("keys = \"none\"", "a.toml:8: ipsec.keys: expected \"configured\" or \"ike\", found \"none\""),
        (
            "keys = \"configured\"\ncipher = \"aes-cbc\"",
            "a.toml:7: ipsec.secret: required, but missing; it may be in a file of its own: secret_file"
        ),
        (
            "keys = \"configured\"\ncipher = \"aes-cbc\"\nsecret = \"short\"",
            "a.toml:10: ipsec.secret: 5 bytes is out of range: 32…253 bytes"
        ),
        (
            "keys = \"ike\"\nreplay_window = 8",
            "a.toml:9: ipsec.replay_window: 8 packets is out of range: 32…4096 packets"
        ),
        ("keys = \"ike\"\nreqid = 0", "a.toml:9: ipsec.reqid: 0 is out of range: 1…2147483646"),
        (
            "keys = \"ike\"\nsalt = \"x\"",
            "a.toml:9: ipsec.salt: the IKE daemon sees to that: leave it out with keys = \"ike\""
        ),
        ("keys = \"ike\"\noffload = \"yes\"", "a.toml:9: ipsec.offload: expected \"auto\" or \"no\", found \"yes\""),
        (
            "keys = \"ike\"\nqueue = 5316",
            "a.toml:7: ipsec: queue 5316 is that of [names], too: the two need different ones"
        ),
        (
            "keys = \"ike\"\nqueue = 5300",
            "a.toml:7: ipsec: queue 5300 is one of [kernel]'s: the two need different ones"
        ),
        (
            "keys = \"configured\"\ncipher = \"aes-cbc\"\nsecret = \"\(secret)\"\nqueue = 9",
            "a.toml:11: ipsec.queue: is for keys = \"ike\""
        ),
        ("keys = \"ike\"\nsecrets = \"x\"", "a.toml:9: ipsec.secrets: unknown key; did you mean \"secret\"?"),
    ])
    func whatIsWrongIsSaid(lines: String, problem: String) { #expect(problems(ipsec(lines)) == [problem]) }

    @Test func theSecretMayBeInAFile() throws {
        let text = ipsec("keys = \"configured\"\ncipher = \"aes-cbc\"\nsecret_file = \"key\"")
        let c = try Machine(files: ["a.toml": text, "key": secret + "\n"]).load()
        guard case .homeGateway(let gateway) = c else { throw WrongRole() }
        #expect(gateway.ipsec?.secret == SharedSecret(Array(secret.utf8)))
    }
}
