public import Addresses
import Formatting
import GREBonding
import NFTables

/// A flow as a person names it, to be told what becomes of it: one packet of it, its first unless it runs already.
public struct Flow: Hashable, Sendable {
    /// 0…255.
    public var ipProtocol: UInt8
    public var source: IPAddress
    /// Of the same family as `source`.
    public var destination: IPAddress
    /// nil: not said, or the protocol has none.
    public var sourcePort: UInt16?
    public var destinationPort: UInt16?
    /// 0…63.
    public var dscp: UInt8 = 0
    /// Ethernet source, 6 bytes; nil: the kernel is asked for it.
    public var hardwareAddress: [UInt8]?
    /// The interface that it comes by; nil: the one that leads to its source.
    public var interface: String?

    /// What is wrong with what somebody typed.
    public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
        public var description: String
    }

    /// - Parameters:
    ///   - protocolText: a number or a name, such as `udp`
    ///   - source, destination: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`
    public init(_ protocolText: String, from sourceText: String, to destinationText: String) throws(Problem) {
        guard case .protocol(let number)? = Self.rule(.protocol, protocolText) else {
            throw Problem(description: "\"\(protocolText)\" is no protocol: a number up to 255 or a name is wanted")
        }
        ipProtocol = number
        (source, sourcePort) = try Self.end(sourceText)
        (destination, destinationPort) = try Self.end(destinationText)
        guard source.family == destination.family else {
            throw Problem(description: "\(source) and \(destination) are not of one family")
        }
        if sourcePort != nil || destinationPort != nil, !SamplePacket.protocolsWithPorts.contains(number) {
            throw Problem(description: "protocol \(protocolText) has no ports")
        }
    }

    /// - Parameters:
    ///   - dscp: 0…63, in decimal
    ///   - mac: six groups of hexadecimal digits
    ///   - interface: 1…15 bytes
    public mutating func add(dscp: String? = nil, mac: String? = nil, interface: String? = nil) throws(Problem) {
        if let dscp {
            guard case .dscp(let value)? = Self.rule(.dscp, dscp) else {
                throw Problem(description: "\"\(dscp)\" is no DSCP from 0 to 63")
            }
            self.dscp = value
        }
        if let mac {
            guard case .sourceMAC(let address)? = Self.rule(.sourceMAC, mac) else {
                throw Problem(description: "\"\(mac)\" is no Ethernet address")
            }
            hardwareAddress = address.bytes
        }
        if let interface {
            guard (1...15).contains(interface.utf8.count), !interface.utf8.contains(where: { $0 <= 0x20 || $0 == 0x2F })
            else { throw Problem(description: "\"\(interface)\" is no interface's name") }
            self.interface = interface
        }
    }

    /// Values are written like those of filter lists.
    private static func rule(_ kind: FilterItem.Kind, _ value: String) -> FilterRule.Match? {
        (try? FilterRule(FilterItem(kind, description: "", value: value)))?.match
    }

    private static func end(_ text: String) throws(Problem) -> (IPAddress, UInt16?) {
        if let address = IPAddress(text) { return (address, nil) }
        var address = text[...]
        var port: Substring?
        if text.hasPrefix("["), let close = text.firstIndex(of: "]") {
            address = text[..<close].dropFirst()
            let rest = text[close...].dropFirst()
            if !rest.isEmpty { port = rest.hasPrefix(":") ? rest.dropFirst() : "" }
        } else if let colon = text.lastIndex(of: ":") {
            address = text[..<colon]
            port = text[colon...].dropFirst()
        }
        let isBracketed = text.hasPrefix("[")
        guard let found = IPAddress(String(address)), (found.family == .v6) == isBracketed else {
            throw Problem(description: "\"\(text)\" is no address, or none with a port: 192.0.2.1:80, [2001:db8::1]:80")
        }
        guard let port else { return (found, nil) }
        guard !port.isEmpty, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(port) else {
            throw Problem(description: "\"\(port)\" is no port")
        }
        return (found, number)
    }

    // MARK: As words of a request

    init?(_ words: [Substring]) {
        guard words.count >= 3,
            var flow = try? Flow(String(words[0]), from: String(words[1]), to: String(words[2]))
        else { return nil }
        for word in words[3...] {
            guard let equal = word.firstIndex(of: "=") else { return nil }
            let value = String(word[equal...].dropFirst())
            do throws(Problem) {
                switch word[..<equal] {
                case "dscp": try flow.add(dscp: value)
                case "mac": try flow.add(mac: value)
                case "interface": try flow.add(interface: value)
                default: return nil
                }
            } catch {
                return nil
            }
        }
        self = flow
    }

    var words: String {
        var words = ["\(ipProtocol)", Self.text(source, sourcePort), Self.text(destination, destinationPort)]
        if dscp != 0 { words.append("dscp=\(dscp)") }
        if let mac { words.append("mac=\(mac)") }
        if let interface { words.append("interface=\(interface)") }
        return words.joined(separator: " ")
    }

    /// "02:00:5e:10:00:01"
    private var mac: String? {
        hardwareAddress.map { $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":") }
    }

    static func text(_ address: IPAddress, _ port: UInt16?) -> String {
        guard let port else { return address.description }
        return address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }

    var json: JSONObject {
        var object = JSONObject()
        object.add("protocol", ipProtocol)
        object.add("source", source.description)
        if let sourcePort { object.add("source_port", sourcePort) }
        object.add("destination", destination.description)
        if let destinationPort { object.add("destination_port", destinationPort) }
        object.add("dscp", dscp)
        if let mac { object.add("mac", mac) }
        if let interface { object.add("interface", interface) }
        return object
    }
}
