import Addresses

extension IPv4Address: AttributeValue {
    public func append(to bytes: inout [UInt8]) { bytes.appendBytes(of: rawValue.bigEndian) }

    public init?(payload: RawSpan) {
        guard payload.byteCount == 4, let raw = payload.load(UInt32.self, at: 0) else { return nil }
        self.init(rawValue: UInt32(bigEndian: raw))
    }
}

extension IPv6Address: AttributeValue {
    public func append(to bytes: inout [UInt8]) {
        bytes.appendBytes(of: high.bigEndian)
        bytes.appendBytes(of: low.bigEndian)
    }

    public init?(payload: RawSpan) {
        guard payload.byteCount == 16, let high = payload.load(UInt64.self, at: 0),
            let low = payload.load(UInt64.self, at: 8)
        else { return nil }
        self.init(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low))
    }
}

/// Four or sixteen bytes; the length says which family.
extension IPAddress: AttributeValue {
    public func append(to bytes: inout [UInt8]) {
        switch self {
        case .v4(let a): a.append(to: &bytes)
        case .v6(let a): a.append(to: &bytes)
        }
    }

    public init?(payload: RawSpan) {
        if let a = IPv4Address(payload: payload) {
            self = .v4(a)
        } else if let a = IPv6Address(payload: payload) {
            self = .v6(a)
        } else {
            return nil
        }
    }
}
