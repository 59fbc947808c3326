import Addresses
import TestSupport

@testable import Leases

func at(_ seconds: Double) -> LeaseTime { LeaseTime(nanoseconds: Int64(seconds * 1e9)) }

/// A wall clock that shows 2023-11-14 22:13:20 UTC at time 0.
func clock(_ now: LeaseTime) -> WallClock {
    WallClock(now: now, unixNanoseconds: 1_700_000_000_000_000_000 + now.nanoseconds)
}

func prefix(_ text: String) -> IPPrefix { IPPrefix(text)! }

enum Sample {
    static let serverAddress = IPv4Address(100, 64, 0, 1)
    static let serverDUID = DUID(linkLayer: [2, 0, 0, 0, 0, 1])

    static func pool4(_ count: UInt32) -> LeasePool {
        LeasePool(IPv4Address(100, 64, 0, 2), through: IPv4Address(rawValue: 0x6440_0001 + count))!
    }

    /// Of 256 prefixes for each unit.
    static func pool6(_ length: UInt8 = 48) -> LeasePool {
        LeasePool(prefix("2001:db8::/\(length)"), delegatedLength: 56)!
    }

    static func server4(_ leases: LeaseTable.Settings, leaseTime: UInt32 = 3600) -> DHCPv4Server {
        var settings = DHCPv4Server.Settings(identifier: serverAddress, leases: leases)
        settings.leaseTime = leaseTime
        settings.subnetMaskLength = 16
        settings.routers = [serverAddress]
        settings.nameServers = [IPv4Address(192, 0, 2, 53)]
        settings.interfaceMTU = 1384
        return DHCPv4Server(settings)
    }

    static func server6(_ leases: LeaseTable.Settings, valid: UInt32 = 3600) -> DHCPv6Server {
        var settings = DHCPv6Server.Settings(identifier: serverDUID, leases: leases)
        settings.preferredLifetime = valid / 2
        settings.validLifetime = valid
        settings.nameServers = [IPv6Address("2001:db8:53::1")!]
        settings.maximumSolicitTimeout = 60
        return DHCPv6Server(settings)
    }

    static let relayAddress = IPv4Address(192, 0, 2, 67)
    static let relayLink = IPv6Address("2001:db8:ffff::1")!
    static let serverAddress6 = IPv6Address("2001:db8:53::547")!

    static func relay4(_ change: (inout DHCPv4Relay.Settings) -> Void = { _ in }) -> DHCPv4Relay {
        var settings = DHCPv4Relay.Settings(address: relayAddress, servers: [serverAddress])
        change(&settings)
        return DHCPv4Relay(settings)
    }

    static func relay6(_ change: (inout DHCPv6Relay.Settings) -> Void = { _ in }) -> DHCPv6Relay {
        var settings = DHCPv6Relay.Settings(link: relayLink, servers: [serverAddress6])
        change(&settings)
        return DHCPv6Relay(settings)
    }

    static func client4(_ number: UInt8, seed: UInt64) -> DHCPv4Client {
        let address: [UInt8] = [2, 0, 0, 0, 1, number]
        return DHCPv4Client(
            settings: .init(hardwareAddress: address, clientIdentifier: [1] + address), random: SplitMix(state: seed))
    }

    static func client6(_ number: UInt8, seed: UInt64, rapid: Bool = false) -> DHCPv6Client {
        var settings = DHCPv6Client.Settings(
            identifier: DUID(linkLayer: [2, 0, 0, 0, 1, number]), iaid: UInt32(number))
        settings.prefixLength = 56
        settings.rapidCommit = rapid
        return DHCPv6Client(settings: settings, random: SplitMix(state: seed))
    }
}
