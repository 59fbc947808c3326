import Addresses

extension TableReader {
    /// `[names]`
    func names(_ kernel: KernelConfiguration) -> NamesConfiguration {
        let result = section("names") { table in
            var result = NamesConfiguration()
            result.servers = table.nameServers("servers")
            if let floor = table.duration("ttl_floor", in: 0...3600, unit: .seconds) { result.timeToLiveFloor = floor }
            if let ceiling = table.duration("ttl_ceiling", in: 60...604_800, unit: .seconds) {
                result.timeToLiveCeiling = ceiling
            }
            if let grace = table.duration("grace", in: 0...86_400, unit: .seconds) { result.grace = grace }
            if let count = table.integer("addresses", in: 1...4096, unit: "addresses") { result.addresses = Int(count) }
            if let takesPrivate = table.boolean("private") { result.takesPrivate = takesPrivate }
            if let queue = table.integer("queue", in: 0...65535) { result.queue = UInt16(queue) }
            if result.timeToLiveFloor > result.timeToLiveCeiling {
                table.report("ttl_floor", "\(result.timeToLiveFloor) is more than ttl_ceiling")
                result.timeToLiveCeiling = result.timeToLiveFloor
            }
            return result
        } ?? NamesConfiguration()
        if (Int(kernel.queue)..<Int(kernel.queue) + Int(kernel.queues)).contains(Int(result.queue)) {
            report("names", "queue \(result.queue) is one of [kernel]'s: the two need different ones")
        }
        return result
    }

    private func nameServers(_ key: String) -> [IPAddress] {
        let limit = LegConfiguration.dnsServerLimit
        let found = list(key, IPAddress.self, expected: "an IP address")
        if found.count > limit { report(key, "\(found.count) servers are out of range: at most \(limit)") }
        for (address, location) in found where !(address.isUnicast || address.isLoopback) || address.isLinkLocal {
            problems.add(location, "\(name(key)): \(address) is no server that can be asked")
        }
        return found.map(\.value)
    }
}
