import Addresses
import CLinux

extension xfrm_address_t {
    /// The first four bytes of sixteen for IPv4.
    init(_ address: IPAddress) {
        self.init()
        withUnsafeMutableBytes(of: &self) { $0.copyBytes(from: address.bytes) }
    }

    func address(_ family: IPFamily) -> IPAddress {
        withUnsafeBytes(of: self) { IPAddress(bytes: $0.prefix(Int(family.bits) / 8)) } ?? .any(family)
    }
}

extension IPFamily {
    init?(xfrm number: UInt16) {
        guard let number = UInt8(exactly: number) else { return nil }
        self.init(number)
    }
}

/// What of the traffic a policy is for, or what a state may carry (`xfrm_selector`).
public struct TrafficSelector: Hashable, Sendable {
    public var source: IPPrefix
    /// Of the same family as `source`.
    public var destination: IPPrefix
    /// The IP protocol; 0 is any.
    public var `protocol`: UInt8

    public init(from source: IPPrefix, to destination: IPPrefix, protocol: UInt8 = 0) {
        self.source = source.masked
        self.destination = destination.masked
        self.protocol = `protocol`
    }
}

extension TrafficSelector: CustomStringConvertible {
    /// `192.0.2.1/32 > 192.0.2.2/32 protocol 47`
    public var description: String {
        "\(source) > \(destination)" + (`protocol` == 0 ? "" : " protocol \(`protocol`)")
    }
}

extension xfrm_selector {
    init(_ selector: TrafficSelector) {
        self.init()
        saddr = xfrm_address_t(selector.source.address)
        daddr = xfrm_address_t(selector.destination.address)
        prefixlen_s = selector.source.length
        prefixlen_d = selector.destination.length
        family = UInt16(selector.source.address.family.number)
        proto = selector.protocol
    }

    /// nil where it is of no family: it then selects everything.
    var selector: TrafficSelector? {
        guard let family = IPFamily(xfrm: family), let source = IPPrefix(saddr.address(family), length: prefixlen_s),
            let destination = IPPrefix(daddr.address(family), length: prefixlen_d)
        else { return nil }
        return TrafficSelector(from: source, to: destination, protocol: proto)
    }
}

/// A structure of `linux/xfrm.h`: plain memory, which the compiler does not know because of the union in it.
struct PlainStructure<Layout>: AttributeValue {
    var layout: Layout

    init(_ layout: Layout) { self.layout = layout }

    func append(to bytes: inout [UInt8]) { bytes += self.bytes }

    var bytes: [UInt8] { withUnsafeBytes(of: layout) { [UInt8]($0) } }

    init?(payload: RawSpan) { self.init(payload, at: 0) }

    init?(_ bytes: RawSpan, at offset: Int) {
        let size = MemoryLayout<Layout>.size
        guard offset >= 0, offset <= bytes.byteCount - size else { return nil }
        layout = withUnsafeTemporaryAllocation(of: Layout.self, capacity: 1) { place in
            bytes.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(place).copyMemory(from: .init(rebasing: $0[offset..<(offset + size)]))
            }
            return place[0]
        }
    }
}

extension Message {
    /// The fixed structure after the netlink header; nil when the message is too short for it.
    func plainHeader<Layout>(_ type: Layout.Type) -> Layout? { PlainStructure<Layout>(bytes, at: 16)?.layout }
}
