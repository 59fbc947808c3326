import Addresses

extension TableReader {
    /// `[kernel]`
    func kernel() -> KernelConfiguration {
        section("kernel") { table in
            var result = KernelConfiguration()
            if let mask = table.markMask("mark_mask") { result.markMask = mask }
            if let first = table.routingTable("table") { result.table = first }
            if let priority = table.integer("rule_priority", in: 1...32750) { result.rulePriority = UInt32(priority) }
            if let number = table.routeProtocol("protocol") { result.routeProtocol = number }
            if let queue = table.integer("queue", in: 0...65535) { result.queue = UInt16(queue) }
            if let queues = table.integer("queues", in: 1...16) { result.queues = UInt16(queues) }
            if Int(result.queue) + Int(result.queues) - 1 > 65535 {
                table.report("queue", "\(result.queue) and \(result.queues) queues go beyond the last number, 65535")
            }
            if let pair = table.canonical("canonical", family: .v4) { result.canonical = pair }
            if let pair = table.canonical("canonical6", family: .v6) { result.canonical6 = pair }
            return result
        } ?? KernelConfiguration()
    }

    private func markMask(_ key: String) -> UInt32? {
        guard let value = integer(key, in: 1...Int64(UInt32.max)) else { return nil }
        let mask = UInt32(value)
        let ones = mask >> UInt32(mask.trailingZeroBitCount)
        guard mask.nonzeroBitCount >= 2, ones & (ones &+ 1) == 0 else {
            report(key, "0x\(String(mask, radix: 16)) is not at least two adjacent bits, such as 0xf0000000")
            return nil
        }
        return mask
    }

    /// Tables 253…255 are the kernel's default, main and local.
    private func routingTable(_ key: String) -> UInt32? {
        let last = Int64(UInt32.max) - 15
        guard let value = integer(key, in: 1...last) else { return nil }
        guard !(238...255).contains(value) else {
            report(key, "\(value) to \(value + 15) meet the kernel's own tables 253…255")
            return nil
        }
        return UInt32(value)
    }

    /// The numbers that iproute2's rt_protos and the usual routing daemons give to their routes.
    private static let takenProtocols: [ClosedRange<Int64>] = [0...4, 8...18, 42...42, 99...99, 186...199]

    private func routeProtocol(_ key: String) -> UInt8? {
        guard let value = integer(key, in: 5...254) else { return nil }
        guard !Self.takenProtocols.contains(where: { $0.contains(value) }) else {
            report(key, "\(value) belongs to another routing daemon")
            return nil
        }
        return UInt8(value)
    }

    private func canonical(_ key: String, family: IPFamily) -> CanonicalPair? {
        guard let node = node(key) else { return nil }
        let expected = "two \(family.label) addresses [local, remote]"
        guard case .array(let elements) = node.value, elements.count == 2 else {
            report(key, "expected \(expected)")
            return nil
        }
        let addresses = elements.compactMap { element -> IPAddress? in
            if case .string(let text) = element.value { IPAddress(text) } else { nil }
        }
        guard addresses.count == 2, addresses.allSatisfy({ $0.family == family && $0.isUnicast }) else {
            report(key, "expected \(expected)")
            return nil
        }
        guard addresses[0] != addresses[1] else {
            report(key, "local and remote are both \(addresses[0])")
            return nil
        }
        return CanonicalPair(local: addresses[0], remote: addresses[1])
    }
}
