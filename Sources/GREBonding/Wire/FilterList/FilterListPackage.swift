import ProtocolSupport

/// A part of a filter list: the value of the Filter List Package attribute, RFC 8157 §5.6.2.
public struct FilterListPackage: Hashable, Sendable {
    /// The largest value in bytes that may be sent.
    public static let maximumLength = 969
    /// Commit_Count, Packet_Sum and Packet_ID.
    static let headerLength = 8

    /// The version of the list that this is a part of.
    public var commitCount: UInt32
    /// How many packages the list has, from 1.
    public var packetSum: UInt16
    /// Which of them this is: 1…``packetSum``.
    public var packetID: UInt16
    /// The whole items of the package, those of reserved types included.
    public var items: [FilterItem]
    /// What follows the last whole item, as received: empty in a well-formed package. It is kept rather than failing
    /// the message, because the standard has an answer for such a package (``FilterListPackageACK``).
    public var malformedRemainder: [UInt8]

    /// Nothing is checked; ``split(_:commitCount:)`` makes packages that may be sent.
    public init(
        commitCount: UInt32, packetSum: UInt16 = 1, packetID: UInt16 = 1, items: [FilterItem],
        malformedRemainder: [UInt8] = []
    ) {
        self.commitCount = commitCount
        self.packetSum = packetSum
        self.packetID = packetID
        self.items = items
        self.malformedRemainder = malformedRemainder
    }

    /// The length of the attribute's value in bytes.
    public var valueLength: Int {
        items.reduce(Self.headerLength + malformedRemainder.count) { $0 + $1.wireLength }
    }

    func appendValue(to bytes: inout [UInt8]) {
        bytes.append(bigEndian: commitCount)
        bytes.append(bigEndian: packetSum)
        bytes.append(bigEndian: packetID)
        for item in items { item.append(to: &bytes) }
        bytes += malformedRemainder
    }

    /// nil when there are fewer than `length` bytes or `length` is below 8.
    init?(from reader: inout ByteReader, length: Int) {
        guard var value = reader.slice(length), let commitCount = value.uint32(), let packetSum = value.uint16(),
            let packetID = value.uint16()
        else { return nil }
        var items: [FilterItem] = []
        while value.remaining > 0, let item = FilterItem(from: &value) { items.append(item) }
        guard let remainder = value.array(value.remaining) else { return nil }
        self.init(
            commitCount: commitCount, packetSum: packetSum, packetID: packetID, items: items,
            malformedRemainder: remainder)
    }
}
