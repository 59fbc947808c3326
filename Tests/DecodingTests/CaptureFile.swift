/// Capture files as other programs write them.
enum CaptureFile {
    struct Record {
        var bytes: [UInt8]
        /// On the wire; nil when all of it was captured.
        var length: Int?
    }

    static let seconds: UInt32 = 1_700_000_000

    /// pcap 2.4; the packets come one microsecond (or nanosecond) apart.
    static func pcap(
        _ records: [Record], linkType: UInt32, littleEndian: Bool = true, nanoseconds: Bool = false
    ) -> [UInt8] {
        func number<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> [UInt8] {
            littleEndian ? .littleEndian(value) : .bigEndian(value)
        }
        var bytes = number(UInt32(nanoseconds ? 0xa1b2_3c4d : 0xa1b2_c3d4)) + number(UInt16(2)) + number(UInt16(4))
        bytes += [0, 0, 0, 0, 0, 0, 0, 0] + number(UInt32(65535)) + number(linkType)
        for (i, record) in records.enumerated() {
            bytes += number(seconds) + number(UInt32(i + 1)) + number(UInt32(record.bytes.count))
            bytes += number(UInt32(record.length ?? record.bytes.count)) + record.bytes
        }
        return bytes
    }

    /// pcapng 1.0: section header, one interface with times in nanoseconds, enhanced packets.
    static func pcapng(_ records: [Record], linkType: UInt16) -> [UInt8] {
        func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
            let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
            let length: [UInt8] = .littleEndian(UInt32(padded.count + 12))
            return .littleEndian(type) + length + padded + length
        }
        var bytes = block(
            0x0A0D_0D0A, .littleEndian(UInt32(0x1A2B_3C4D)) + [1, 0, 0, 0] + [UInt8](repeating: 0xFF, count: 8))
        // if_tsresol: 10^-9 s.
        let options: [UInt8] = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]
        bytes += block(1, .littleEndian(linkType) + [0, 0] + .littleEndian(UInt32(65535)) + options)
        for (i, record) in records.enumerated() {
            let time = UInt64(seconds) * 1_000_000_000 + UInt64(i + 1)
            var body: [UInt8] = [0, 0, 0, 0]
            body += .littleEndian(UInt32(time >> 32)) + .littleEndian(UInt32(time & 0xFFFF_FFFF))
            body += .littleEndian(UInt32(record.bytes.count))
            body += .littleEndian(UInt32(record.length ?? record.bytes.count)) + record.bytes
            bytes += block(6, body)
        }
        return bytes
    }
}
