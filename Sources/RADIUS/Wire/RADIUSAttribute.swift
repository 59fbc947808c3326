import ProtocolSupport

/// One attribute as it is on the wire: RFC 2865 §5.
public struct RADIUSAttribute: Hashable, Sendable {
    public enum Code: Hashable, Sendable {
        case standard(UInt8)
        /// Vendor-Specific (26) in the recommended form of RFC 2865 §5.26: the vendor's number, and its own type.
        case vendor(UInt32, UInt8)
    }

    public var code: Code
    /// At most 253 bytes; 247 for a vendor's.
    public var value: [UInt8]

    public init(_ code: Code, _ value: [UInt8]) {
        self.code = code
        self.value = value
    }

    static let vendorSpecific: UInt8 = 26
    static let messageAuthenticator: UInt8 = 80

    /// Bytes that it takes.
    var length: Int {
        switch code {
        case .standard: 2 + value.count
        case .vendor: 8 + value.count
        }
    }

    /// A value that does not fit is cut: nothing that this program composes is that long.
    func append(to bytes: inout [UInt8]) {
        switch code {
        case .standard(let type):
            let value = value.prefix(253)
            bytes += [type, UInt8(2 + value.count)]
            bytes += value
        case .vendor(let vendor, let type):
            let value = value.prefix(247)
            bytes += [Self.vendorSpecific, UInt8(8 + value.count)]
            bytes.append(bigEndian: vendor)
            bytes += [type, UInt8(2 + value.count)]
            bytes += value
        }
    }

    /// All that follow, up to the end.
    /// - Parameter signature: takes the value of a Message-Authenticator, and where it ends
    static func read(
        _ reader: inout ByteReader, signature: ([UInt8], Int) throws(PacketError) -> Void
    ) throws(PacketError) -> [RADIUSAttribute] {
        var attributes: [RADIUSAttribute] = []
        while let type = reader.uint8() {
            guard let size = reader.uint8(), size >= 2, let value = reader.array(Int(size) - 2) else {
                throw .badAttribute
            }
            if type == vendorSpecific {
                attributes += vendor(value)
                continue
            }
            if type == messageAuthenticator { try signature(value, reader.offset) }
            attributes.append(RADIUSAttribute(.standard(type), value))
        }
        return attributes
    }

    /// The attributes of one Vendor-Specific; in another form than the recommended one it stays whole.
    static func vendor(_ value: [UInt8]) -> [RADIUSAttribute] {
        let whole = [RADIUSAttribute(.standard(vendorSpecific), value)]
        var reader = ByteReader(value.span.bytes)
        guard let vendor = reader.uint32(), reader.remaining > 0 else { return whole }
        var found: [RADIUSAttribute] = []
        while let type = reader.uint8() {
            guard let length = reader.uint8(), length >= 2, let part = reader.array(Int(length) - 2) else {
                return whole
            }
            found.append(RADIUSAttribute(.vendor(vendor, type), part))
        }
        return found
    }
}
