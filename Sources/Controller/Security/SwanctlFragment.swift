import Addresses
public import Configuration
import GREBonding
import NetlinkKit
import RADIUS

/// What strongSwan needs to key the legs (`keys = "ike"`), as a file for `/etc/swanctl/conf.d`. Its states carry no
/// selectors of their own and it installs no policies: those are this program's.
public enum SwanctlFragment {
    /// Why there is nothing to write.
    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    /// - Throws: when the settings do not ask for IKE, or an access link of a gateway has no address now
    public static func text(_ configuration: Configuration) throws(Failure) -> String {
        switch configuration {
        case .homeGateway(let settings):
            guard let ipsec = settings.ipsec, ipsec.keys == .ike else { throw noIKE }
            var addresses: [(label: String, address: IPAddress)] = []
            for (label, leg) in [("dsl", settings.dsl), ("lte", settings.lte)] where leg.isEnabled {
                addresses.append((label, try address(of: leg, settings)))
            }
            return gateway(settings, ipsec, addresses)
        case .aggregationPoint(let settings):
            guard let ipsec = settings.ipsec, ipsec.keys == .ike else { throw noIKE }
            return aggregationPoint(settings, ipsec)
        }
    }

    private static let noIKE = Failure(description: "the settings have no [ipsec] with keys = \"ike\"")

    private static func address(
        of leg: LegConfiguration, _ settings: HomeGatewayConfiguration
    ) throws(Failure) -> IPAddress {
        let name = leg.interface.description
        do {
            let exchange = Exchange(try NetlinkSocket(.route))
            if let address = (try? WAN.read(exchange, name, settings.family, leg.gateway, settings.kernel))??.address {
                return address
            }
        } catch {
            throw Failure(description: "\(error)")
        }
        throw Failure(description: "\(name) has no address of the aggregation point's family, or no carrier")
    }

    /// One connection a leg: each is bound to its leg's address, and stays there.
    static func gateway(
        _ settings: HomeGatewayConfiguration, _ ipsec: IPsecConfiguration,
        _ addresses: [(label: String, address: IPAddress)]
    ) -> String {
        let peer = ipsec.peerIdentity ?? settings.haap.description
        let own = ipsec.identity ?? settings.cin.description
        var text = Block()
        text.open("connections")
        for (label, address) in addresses {
            text.open("spillway-\(label)")
            text.add("local_addrs", address.description)
            text.add("remote_addrs", settings.haap.description)
            text.connection(ipsec, own: own, peer: peer)
            text.open("children")
            let number = ipsec.requestID(label == "dsl" ? .primary : .secondary)
            text.child("spillway-\(label)", ipsec, address.family, number, starts: true)
            text.close()
            text.close()
        }
        text.close()
        text.secrets(ipsec, [own, peer])
        return text.text
    }

    /// One connection for all gateways.
    static func aggregationPoint(_ settings: AggregationPointConfiguration, _ ipsec: IPsecConfiguration) -> String {
        let addresses = settings.addresses + settings.anycast
        let own = ipsec.identity ?? settings.addresses.first?.description ?? ""
        var text = Block()
        text.open("connections")
        text.open("spillway")
        text.add("local_addrs", addresses.map(\.description).joined(separator: ","))
        text.add("remote_addrs", "%any")
        text.connection(ipsec, own: own, peer: ipsec.peerIdentity)
        text.open("children")
        for family in Set(addresses.map(\.family)).sorted(by: { $0 == .v4 && $1 == .v6 }) {
            text.child("spillway-\(family == .v4 ? "ipv4" : "ipv6")", ipsec, family, ipsec.requestID, starts: false)
        }
        text.close()
        text.close()
        text.close()
        text.secrets(ipsec, [])
        return text.text
    }

    /// Text of nested blocks.
    struct Block {
        private(set) var text = ""
        private var depth = 0

        mutating func open(_ name: String) {
            line("\(name) {")
            depth += 1
        }

        mutating func close() {
            depth -= 1
            line("}")
        }

        /// A value in quotes: names come from settings and may hold anything printable.
        mutating func add(_ key: String, _ value: String) {
            var quoted = ""
            for scalar in value.unicodeScalars {
                if scalar == "\"" || scalar == "\\" { quoted.unicodeScalars.append("\\") }
                quoted.unicodeScalars.append(scalar)
            }
            line("\(key) = \"\(quoted)\"")
        }

        private mutating func line(_ line: String) { text += String(repeating: "    ", count: depth) + line + "\n" }
    }
}

extension SwanctlFragment.Block {
    /// A gateway has one IKE SA a leg, with the same names: neither may end the other.
    fileprivate mutating func connection(_ ipsec: IPsecConfiguration, own: String, peer: String?) {
        add("version", "2")
        add("unique", "never")
        add("mobike", "no")
        add("dpd_delay", "10s")
        add("keyingtries", "0")
        for (end, name) in [("local", own), ("remote", peer ?? "%any")] {
            open(end)
            add("auth", ipsec.certificate == nil ? "psk" : "pubkey")
            add("id", name)
            if end == "local", let certificate = ipsec.certificate { add("certs", certificate) }
            close()
        }
    }

    /// All GRE of the family, so that the states carry no addresses to compare with: the kernel would compare them with
    /// those that packets have behind the rewrite. Transport mode for more than two hosts is what `transport_proxy` is.
    fileprivate mutating func child(
        _ name: String, _ ipsec: IPsecConfiguration, _ family: IPFamily, _ requestID: UInt32, starts: Bool
    ) {
        open(name)
        add("mode", "transport_proxy")
        let all = "\(IPPrefix.all(family))[gre]"
        add("local_ts", all)
        add("remote_ts", all)
        add("policies", "no")
        add("reqid", "\(requestID)")
        // With a new exchange of keys at each renewal.
        add(
            "esp_proposals",
            ipsec.cipher == .aesGCM ? "aes256gcm16-ecp256-esn" : "aes256-sha256-ecp256-esn")
        add("replay_window", "\(ipsec.replayWindow)")
        if ipsec.offload == .auto { add("hw_offload", "auto") }
        if let time = ipsec.rekeyTime { add("rekey_time", "\(time.rawValue / 1000)s") }
        add("dpd_action", starts ? "restart" : "clear")
        if starts {
            add("start_action", "start")
            add("close_action", "start")
        }
        close()
    }

    fileprivate mutating func secrets(_ ipsec: IPsecConfiguration, _ names: [String]) {
        guard let secret = ipsec.secret, ipsec.certificate == nil else { return }
        open("secrets")
        open("ike-spillway")
        for (number, name) in names.enumerated() { add("id-\(number + 1)", name) }
        add("secret", "0x" + secret.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
        close()
        close()
    }
}
