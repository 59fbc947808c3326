public import Addresses

/// An address and a port: "127.0.0.1:9157", "[::1]:9157".
public struct ListenAddress: Hashable, Sendable, LosslessStringConvertible {
    public var address: IPAddress
    /// 1…65535.
    public var port: UInt16

    public init(_ address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// nil for a name, a port outside 1…65535, or an IPv6 address without its brackets.
    public init?(_ description: String) {
        guard let colon = description.lastIndex(of: ":"),
            let port = UInt16(description[description.index(after: colon)...]), port > 0,
            description[description.index(after: colon)...].allSatisfy(\.isNumber)
        else { return nil }
        var host = description[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(String(host)), (address.family == .v6) == isBracketed else { return nil }
        self.init(address, port: port)
    }

    public var description: String { address.family == .v6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}
