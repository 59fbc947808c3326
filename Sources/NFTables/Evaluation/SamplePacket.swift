public import Addresses

/// The headers of one packet as rules see them, to find out what rules do with it. A byte that is not known is nil.
public struct SamplePacket: Hashable, Sendable {
    /// An Ethernet header.
    public var link: [UInt8?]
    public var network: [UInt8?]
    public var transport: [UInt8?]
    public var family: IPFamily
    public var transportProtocol: UInt8
    public var mark: UInt32 = 0
    /// Names; nil where it does not come from, or go to, a device.
    public var input: String?
    public var output: String?
    /// Whether what it came by has Ethernet headers.
    public var isOverEthernet = true
    /// Of its connection; the status is `IPS_*`.
    public var connectionMark: UInt32 = 0
    public var connectionStatus: UInt32 = 0

    /// Protocols whose headers begin with a source and a destination port.
    public static let protocolsWithPorts: Set<UInt8> = [6, 17, 33, 132, 136]

    /// - Parameters:
    ///   - destination: of the same family as `source`
    ///   - dscp: 0…63 (RFC 2474 §3)
    ///   - sourcePort, destinationPort: nil: not known
    ///   - hardwareAddress: of the Ethernet source, 6 bytes; nil: not known
    public init(
        from source: IPAddress, to destination: IPAddress, ipProtocol: UInt8, sourcePort: UInt16? = nil,
        destinationPort: UInt16? = nil, dscp: UInt8 = 0, hardwareAddress: [UInt8]? = nil
    ) {
        family = source.family
        transportProtocol = ipProtocol
        let hardware: [UInt8?] = hardwareAddress ?? [UInt8?](repeating: nil, count: 6)
        let type: [UInt8?] = family == .v4 ? [0x08, 0x00] : [0x86, 0xDD]
        link = [UInt8?](repeating: nil, count: 6) + hardware + type
        let addresses: [UInt8?] = source.bytes + destination.bytes
        switch family {
        case .v4: network = [0x45, dscp << 2, nil, nil, nil, nil, 0, 0, nil, ipProtocol, nil, nil] + addresses
        case .v6: network = [0x60 | dscp >> 2, dscp << 6, 0, 0, nil, nil, ipProtocol, nil] + addresses
        }
        transport = []
        guard Self.protocolsWithPorts.contains(ipProtocol) else { return }
        for port in [sourcePort, destinationPort] {
            let bytes: [UInt8?] = port.map(\.networkOrderBytes) ?? [nil, nil]
            transport += bytes
        }
    }

    /// nil: a byte of it is not known.
    func bytes(_ base: PayloadBase, offset: UInt32, length: UInt32) -> [UInt8]? {
        let header =
            switch base {
            case .linkLayer: link
            case .network: network
            case .transport: transport
            default: [UInt8?]()
            }
        let end = Int(offset) + Int(length)
        guard end <= header.count else { return nil }
        let found = header[Int(offset)..<end].compactMap { $0 }
        return found.count == Int(length) ? found : nil
    }

    mutating func store(_ bytes: [UInt8], _ base: PayloadBase, offset: UInt32) {
        func write(_ header: inout [UInt8?]) {
            for (i, byte) in bytes.enumerated() where Int(offset) + i < header.count { header[Int(offset) + i] = byte }
        }
        switch base {
        case .linkLayer: write(&link)
        case .network: write(&network)
        case .transport: write(&transport)
        default: break
        }
    }

    public var source: IPAddress? { address(family == .v4 ? 12 : 8) }
    public var destination: IPAddress? { address(family == .v4 ? 16 : 24) }

    private func address(_ offset: UInt32) -> IPAddress? {
        bytes(.network, offset: offset, length: family == .v4 ? 4 : 16).flatMap { IPAddress(bytes: $0) }
    }
}
