/// What a bond has carried. Counted from the subscriber's point of view as RFC 2866 §5.3, §5.4 have it: input came
/// from the subscriber, output went there.
public struct Usage: Hashable, Sendable {
    public struct Leg: Hashable, Sendable {
        public var inputOctets: UInt64
        public var outputOctets: UInt64
        public var inputPackets: UInt64
        public var outputPackets: UInt64

        public init(
            inputOctets: UInt64 = 0, outputOctets: UInt64 = 0, inputPackets: UInt64 = 0, outputPackets: UInt64 = 0
        ) {
            self.inputOctets = inputOctets
            self.outputOctets = outputOctets
            self.inputPackets = inputPackets
            self.outputPackets = outputPackets
        }

        public static func + (a: Self, b: Self) -> Self {
            Self(
                inputOctets: a.inputOctets &+ b.inputOctets, outputOctets: a.outputOctets &+ b.outputOctets,
                inputPackets: a.inputPackets &+ b.inputPackets, outputPackets: a.outputPackets &+ b.outputPackets)
        }
    }

    public var legs: [AccessLeg: Leg]

    public init(_ legs: [AccessLeg: Leg] = [:]) { self.legs = legs }

    public var total: Leg { legs.values.reduce(Leg()) { $0 + $1 } }

    /// Octets and packets, of the sum and of each leg; 64-bit counts in two attributes (RFC 2869 §5.1, §5.2).
    func add(to attributes: inout AttributeList) {
        let total = total
        attributes.add(.acctInputOctets, UInt32(truncatingIfNeeded: total.inputOctets))
        attributes.add(.acctOutputOctets, UInt32(truncatingIfNeeded: total.outputOctets))
        attributes.add(.acctInputGigawords, UInt32(truncatingIfNeeded: total.inputOctets >> 32))
        attributes.add(.acctOutputGigawords, UInt32(truncatingIfNeeded: total.outputOctets >> 32))
        attributes.add(.acctInputPackets, UInt32(truncatingIfNeeded: total.inputPackets))
        attributes.add(.acctOutputPackets, UInt32(truncatingIfNeeded: total.outputPackets))
        for leg in AccessLeg.allCases {
            let count = legs[leg] ?? Leg()
            let values = [
                count.inputOctets, count.outputOctets, count.inputOctets >> 32, count.outputOctets >> 32,
                count.inputPackets, count.outputPackets,
            ]
            for (key, value) in zip(leg.counters, values) { attributes.add(key, UInt32(truncatingIfNeeded: value)) }
        }
    }
}
