import Addresses

/// Numbers of bonds: the lowest that is free, so that devices keep short names and addresses of the pool return.
struct BondNumbers {
    private var taken: [UInt32: UInt32] = [:]
    private var free: [UInt32] = []
    private var next: UInt32 = 0

    func number(of session: UInt32) -> UInt32? { taken[session] }

    mutating func take(_ session: UInt32) -> UInt32 {
        if let number = taken[session] { return number }
        let number: UInt32
        if let index = free.indices.min(by: { free[$0] < free[$1] }) {
            number = free.remove(at: index)
        } else {
            number = next
            next += 1
        }
        taken[session] = number
        return number
    }

    /// Gives a session the number that it had.
    /// - Returns: whether nobody else has it
    mutating func take(_ session: UInt32, as number: UInt32) -> Bool {
        guard number < Self.limit, taken[session] == nil else { return false }
        if number < next {
            guard let place = free.firstIndex(of: number) else { return false }
            free.remove(at: place)
        } else {
            free += next..<number
            next = number + 1
        }
        taken[session] = number
        return true
    }

    /// Devices of one kind at most.
    private static let limit: UInt32 = 1 << 17

    mutating func release(_ session: UInt32) {
        if let number = taken.removeValue(forKey: session) { free.append(number) }
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
}
