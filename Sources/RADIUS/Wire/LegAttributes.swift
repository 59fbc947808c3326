/// One of the two legs of a bond.
public enum AccessLeg: String, Hashable, Sendable, CaseIterable {
    case dsl, lte

    /// The first of its counters among this program's own attributes.
    private var base: UInt8 { self == .dsl ? 16 : 24 }
    private var name: String { self == .dsl ? "DSL" : "LTE" }

    /// What the leg brought, or was given: 64 bits in two attributes, as RFC 2869 §5.1 has it for the sum.
    public var counters: [AttributeKey<UInt32>] {
        let names = [
            "Input-Octets", "Output-Octets", "Input-Gigawords", "Output-Gigawords", "Input-Packets", "Output-Packets",
        ]
        return names.enumerated().map { place, counter in
            .init(integer: .own(base + UInt8(place)), "Spillway-\(name)-\(counter)")
        }
    }
}
