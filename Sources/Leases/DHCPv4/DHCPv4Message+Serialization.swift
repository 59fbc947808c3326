import Addresses
import ProtocolSupport

extension DHCPv4Message {
    /// What every host takes: an IPv4 datagram of 576 bytes less the headers of IP and UDP (RFC 2131 §2).
    public static let standardLength = 548
    /// What a BOOTP relay may ask for at least: RFC 1542 §2.1.
    private static let leastLength = 300

    /// The payload of a UDP datagram. What does not fit in `maximumLength` bytes goes into file and sname while these
    /// are empty (option 52); what does not fit there either makes the message longer than asked.
    public func serialized(maximumLength: Int = standardLength) -> [UInt8] {
        let pieces = options.flatMap { option -> [[UInt8]] in
            if option.value.isEmpty { return [[option.code, 0]] }
            return stride(from: 0, to: option.value.count, by: 255).map { start in
                let part = option.value[start..<min(start + 255, option.value.count)]
                return [option.code, UInt8(part.count)] + part
            }
        }
        let plain = pieces.flatMap { $0 }
        let room = maximumLength - 240
        if plain.count + 1 > room, let fields = overloaded(pieces, room: room) { return message(fields) }
        return message((plain + [255], bootFile, serverName))
    }

    /// The three fields with their ends; nil when they do not hold everything. Pieces stay in their order, so that
    /// those of one option come together again.
    private func overloaded(_ pieces: [[UInt8]], room: Int) -> (options: [UInt8], file: [UInt8], name: [UInt8])? {
        // Three bytes for option 52, and one in each field for its end.
        var rooms = [room - 4]
        let hasFile = bootFile.isEmpty
        let hasName = serverName.isEmpty
        if hasFile { rooms.append(127) }
        if hasName { rooms.append(63) }
        var fields = rooms.map { _ in [UInt8]() }
        var place = 0
        for piece in pieces {
            while place < rooms.count, fields[place].count + piece.count > rooms[place] { place += 1 }
            guard place < rooms.count else { return nil }
            fields[place] += piece
        }
        guard place > 0 else { return nil }
        let file = hasFile ? fields[1] : []
        let name = hasName ? fields[hasFile ? 2 : 1] : []
        let overload: UInt8 = (file.isEmpty ? 0 : 1) | (name.isEmpty ? 0 : 2)
        return (
            fields[0] + [Self.overload, 1, overload, 255], file.isEmpty ? bootFile : file + [255],
            name.isEmpty ? serverName : name + [255]
        )
    }

    private func message(_ fields: (options: [UInt8], file: [UInt8], name: [UInt8])) -> [UInt8] {
        func padded(_ field: [UInt8], _ count: Int) -> [UInt8] {
            field.prefix(count) + [UInt8](repeating: 0, count: max(0, count - field.count))
        }
        var bytes = [operation.rawValue, hardwareType, UInt8(hardwareAddress.count), hops]
        bytes.append(bigEndian: transactionID)
        bytes.append(bigEndian: seconds)
        bytes.append(bigEndian: flags)
        for address in [clientAddress, yourAddress, serverAddress, relayAddress] { bytes += address.bytes }
        bytes += padded(hardwareAddress, 16)
        bytes += padded(fields.name, 64)
        bytes += padded(fields.file, 128)
        bytes.append(bigEndian: Self.cookie)
        bytes += fields.options
        return padded(bytes, max(bytes.count, Self.leastLength))
    }
}
