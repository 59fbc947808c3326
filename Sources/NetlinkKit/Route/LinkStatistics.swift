import CLinux

/// A device's counters (`rtnl_link_stats64`), since it was created.
public struct LinkStatistics: Hashable, Sendable {
    public var receivedPackets: UInt64
    public var receivedBytes: UInt64
    public var receiveErrors: UInt64
    public var receiveDropped: UInt64
    public var transmittedPackets: UInt64
    public var transmittedBytes: UInt64
    public var transmitErrors: UInt64
    public var transmitDropped: UInt64
    /// A GRE device counts a checksum error here.
    public var receiveCRCErrors: UInt64
    /// A GRE device counts what it drops for its sequence number here.
    public var receiveFIFOErrors: UInt64
    public var carrierErrors: UInt64

    init(_ raw: rtnl_link_stats64) {
        receivedPackets = raw.rx_packets
        receivedBytes = raw.rx_bytes
        receiveErrors = raw.rx_errors
        receiveDropped = raw.rx_dropped
        transmittedPackets = raw.tx_packets
        transmittedBytes = raw.tx_bytes
        transmitErrors = raw.tx_errors
        transmitDropped = raw.tx_dropped
        receiveCRCErrors = raw.rx_crc_errors
        receiveFIFOErrors = raw.rx_fifo_errors
        carrierErrors = raw.tx_carrier_errors
    }

    /// The counters in an `RTM_NEWLINK` message, with the device's index.
    public static func read(_ message: borrowing Message) -> (index: UInt32, statistics: LinkStatistics)? {
        guard Int(message.type) == RTM_NEWLINK, let header = message.header(ifinfomsg.self) else { return nil }
        let attributes = message.attributes(after: MemoryLayout<ifinfomsg>.size, of: LinkSpace.self)
        // Kernels append members, so an older one sends a shorter structure than this header declares.
        guard let raw = attributes.get(LinkSpace.statistics64) else { return nil }
        var full = raw
        while full.count < MemoryLayout<rtnl_link_stats64>.size { full.append(0) }
        guard let layout = full.span.bytes.load(rtnl_link_stats64.self, at: 0) else { return nil }
        return (UInt32(bitPattern: header.ifi_index), LinkStatistics(layout))
    }
}
