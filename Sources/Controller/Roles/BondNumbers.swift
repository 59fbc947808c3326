import Addresses

/// Numbers of bonds: the lowest that is free, so that devices keep short names and addresses of the pool return.
struct BondNumbers {
    private var taken: [UInt32: UInt32] = [:]
    private var owners: [UInt32?] = []
    /// The highest first.
    private var free: [UInt32] = []

    func number(of session: UInt32) -> UInt32? { taken[session] }

    func session(of number: UInt32) -> UInt32? { number < owners.count ? owners[Int(number)] : nil }

    mutating func take(_ session: UInt32) -> UInt32 {
        if let number = taken[session] { return number }
        let number: UInt32
        if let lowest = free.popLast() {
            number = lowest
        } else {
            number = UInt32(owners.count)
            owners.append(nil)
        }
        give(number, session)
        return number
    }

    private mutating func give(_ number: UInt32, _ session: UInt32) {
        taken[session] = number
        owners[Int(number)] = session
    }

    /// Gives a session the number that it had.
    /// - Returns: whether nobody else has it
    mutating func take(_ session: UInt32, as number: UInt32) -> Bool {
        guard number < Self.limit, taken[session] == nil else { return false }
        if number < owners.count {
            let place = place(number)
            guard place < free.count, free[place] == number else { return false }
            free.remove(at: place)
        } else {
            free.insert(contentsOf: (UInt32(owners.count)..<number).reversed(), at: 0)
            owners += repeatElement(nil, count: Int(number) + 1 - owners.count)
        }
        give(number, session)
        return true
    }

    /// Devices of one kind at most.
    private static let limit: UInt32 = 1 << 17

    mutating func release(_ session: UInt32) {
        guard let number = taken.removeValue(forKey: session) else { return }
        owners[Int(number)] = nil
        free.insert(number, at: place(number))
    }

    /// Where a number is among those that are free, or would be.
    private func place(_ number: UInt32) -> Int {
        var low = 0, high = free.count
        while low < high {
            let middle = (low + high) / 2
            if free[middle] > number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Addresses that stand for bonds inside this host and never leave it: class E, which nobody routes, and a
    /// unique local prefix.
    static func pool(_ family: IPFamily) -> IPPrefix {
        IPPrefix(address(0, family), length: family == .v4 ? 8 : 80)?.masked ?? .all(family)
    }

    static func address(_ number: UInt32, _ family: IPFamily) -> IPAddress {
        switch family {
        case .v4: .v4(IPv4Address(rawValue: 0xF000_0001 &+ number & 0xFF_FFFF))
        case .v6: .v6(IPv6Address(high: 0xFD53_7069_6C6C_7761, low: 0x0080_0000_0000_0001 &+ UInt64(number)))
        }
    }
    /// The number whose address in the pool this is, in bytes as in packets; nil: it is none.
    static func number(_ address: RawSpan) -> UInt32? {
        guard address.byteCount == 4 || address.byteCount == 16 else { return nil }
        let last = address.unsafeLoadUnaligned(fromByteOffset: address.byteCount - 4, as: UInt32.self)
        let number = UInt32(bigEndian: last) &- (address.byteCount == 4 ? 0xF000_0001 : 1)
        return number < limit ? number : nil
    }
}
