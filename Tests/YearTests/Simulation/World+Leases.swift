import Addresses
import Quota

@testable import GREBonding
@testable import Leases

// Addresses inside the bonds, and what LTE has carried of its quota.
extension World {
    static let leaseTime: UInt32 = 7200

    static func servers() -> (DHCPv4Server, DHCPv6Server) {
        let pool = LeasePool(IPv4Address(100, 64, 0, 2), through: IPv4Address(100, 64, 0, 20))!
        var four = DHCPv4Server.Settings(
            identifier: IPv4Address(100, 64, 0, 1), leases: .init(pools: ["a": [pool]]))
        four.leaseTime = leaseTime
        let prefixes = LeasePool(IPPrefix("2001:db8::/48")!, delegatedLength: 56)!
        var six = DHCPv6Server.Settings(
            identifier: DUID(linkLayer: [2, 0, 0, 0, 0, 1]), leases: .init(pools: ["a": [prefixes]]))
        six.preferredLifetime = leaseTime / 2
        six.validLifetime = leaseTime
        six.maximumSolicitTimeout = 60
        return (DHCPv4Server(four), DHCPv6Server(six))
    }

    /// The clients speak while there is a bond, and begin anew in another one.
    func follow(_ i: Int) {
        let session = homes[i].bond?.sessionID ?? 0
        guard session != homes[i].spoken else { return }
        homes[i].spoken = session
        give4(i, session == 0 ? .suspend : .start(remembered: nil))
        give6(i, session == 0 ? .suspend : .start(remembered: nil))
    }

    func restartClients(_ i: Int) {
        (homes[i].client4, homes[i].client6) = Home.clients(i, &random)
        homes[i].address = nil
        homes[i].delegation = nil
        // What it wrote down is by the wall clock.
        if let line = homes[i].saved4, let lease = RememberedLease(line: line, wall) {
            homes[i].client4.remembered = lease
        }
        if let line = homes[i].saved6, let lease = RememberedLease(line: line, wall) {
            homes[i].client6.remembered = lease
        }
        give4(i, .timeout)
        give6(i, .timeout)
    }

    func give4(_ i: Int, _ input: DHCPv4Client.Input) {
        for effect in homes[i].client4.handle(input, now: leaseTime) {
            switch effect {
            case .send(let request): sendLease(i, request.message.serialized(), isV6: false, toGateway: false)
            case .configure(let lease):
                homes[i].address = lease
                if let lease {
                    leases += 1
                    homes[i].saved4 = lease.remembered.line(wall)
                    give(i, .addressed)
                }
            case .event: break
            }
        }
        set(.client4(i), homes[i].client4.deadline)
    }

    func give6(_ i: Int, _ input: DHCPv6Client.Input) {
        for effect in homes[i].client6.handle(input, now: leaseTime) {
            switch effect {
            case .send(let request): sendLease(i, request.serialized(), isV6: true, toGateway: false)
            case .configure(let lease):
                homes[i].delegation = lease
                if let lease {
                    leases += 1
                    homes[i].saved6 = lease.remembered.line(wall)
                }
                let prefix = lease?.prefixes.first.flatMap { AssignedIPv6Prefix($0.prefix) }
                give(i, .prefixAssigned(prefix ?? .none))
            case .event: break
            }
        }
        set(.client6(i), homes[i].client6.deadline)
    }

    private func sendLease(_ i: Int, _ bytes: [UInt8], isV6: Bool, toGateway: Bool) {
        guard let bond = homes[i].bond, let leg = bond.legs.keys.max() else { return }
        post(
            .lease(home: i, session: bond.sessionID, toGateway: toGateway, isV6: isV6, bytes: bytes), on: leg, of: i)
    }

    func receiveLease(_ i: Int, _ bytes: [UInt8], isV6: Bool) {
        if isV6, let message = try? DHCPv6Message(parsing: bytes) {
            give6(i, .message(message))
        } else if !isV6, let message = try? DHCPv4Message(parsing: bytes) {
            give4(i, .message(message))
        } else {
            report("cannot be parsed: \(bytes)")
        }
    }

    // MARK: Servers

    func askServers(_ i: Int, _ bytes: [UInt8], isV6: Bool) {
        guard serversAreUp else { return }
        if isV6, let message = try? DHCPv6Message(parsing: bytes) {
            take(server6.handle(.message(message, from: homes[i].identity, group: "a"), now: leaseTime)) {
                $0.serialized()
            }
        } else if !isV6, let message = try? DHCPv4Message(parsing: bytes) {
            take(server4.handle(.message(message, from: homes[i].identity, group: "a"), now: leaseTime)) {
                $0.message.serialized(maximumLength: $0.maximumLength)
            }
        } else {
            report("cannot be parsed: \(bytes)")
        }
        checkLeases()
    }

    func runServers() {
        // A lease ends at its client first.
        for i in homes.indices {
            if let due = homes[i].client4.deadline, due <= leaseTime { give4(i, .timeout) }
            if let due = homes[i].client6.deadline, due <= leaseTime { give6(i, .timeout) }
        }
        take(server4.handle(.timeout, now: leaseTime)) { $0.message.serialized(maximumLength: $0.maximumLength) }
        take(server6.handle(.timeout, now: leaseTime)) { $0.serialized() }
        checkLeases()
    }

    private func take<Answer>(_ effects: [ServerEffect<Answer>], _ bytes: (Answer) -> [UInt8]) {
        let isV6 = Answer.self == DHCPv6Message.self
        for effect in effects {
            switch effect {
            case .send(let answer, let client):
                guard let i = homes.firstIndex(where: { $0.identity == client }) else { return report("to nobody") }
                sendLease(i, bytes(answer), isV6: isV6, toGateway: true)
            case .addRoute(let prefix, let client):
                if let old = routes.updateValue(client, forKey: prefix) { report("\(prefix) was of \(old)") }
            case .removeRoute(let prefix, let client):
                if routes.removeValue(forKey: prefix) != client { report("no route \(prefix)") }
            case .event(let event):
                if isV6 { files.v6.append(event.line(wall)) } else { files.v4.append(event.line(wall)) }
                // As the program does: not without end.
                if files.v4.count + files.v6.count > 400 { writeFiles() }
            case .discarded: break
            }
        }
        set(.server4, server4.deadline)
        set(.server6, server6.deadline)
    }

    func writeFiles() { files = (server4.lines(wall), server6.lines(wall)) }

    func restartServers() {
        let (four, six) = Self.servers()
        (server4, server6) = (four, six)
        routes = [:]
        let (effects4, rejected4) = server4.load(files.v4, wall)
        let (effects6, rejected6) = server6.load(files.v6, wall)
        take(effects4) { $0.message.serialized(maximumLength: $0.maximumLength) }
        take(effects6) { $0.serialized() }
        if !rejected4.isEmpty || !rejected6.isEmpty { report("lines rejected: \(rejected4), \(rejected6)") }
    }

    /// The wall clock is set; a running program writes its files anew.
    func setClock(step: Int64) {
        clockStep = step
        writeFiles()
    }

    // MARK: Quota

    static let quota = DataQuota.Settings(volume: 30_000_000_000, resetDay: 31, warnings: [50, 90])
    static let quotaInterval = Duration.seconds(600)

    /// About 50 GB a month, so that it is used up in the third week.
    func countQuota(_ i: Int) {
        let carries = homes[i].bond?.legs[.secondary] != nil && !homes[i].isReserve
        let bytes = carries ? UInt64(random.number(0...23_000_000)) : 0
        homes[i].link.receivedBytes &+= bytes + 140
        homes[i].link.packets &+= 10
        // What a count finds belongs to the time before it.
        let period = BillingPeriod(containing: trueTime - Self.quotaInterval.components.seconds, resetDay: 31)
        homes[i].used[period, default: 0] += bytes
        let link = homes[i].link
        let events = homes[i].quota?.count(link, wallClock: wallTime) ?? []
        if events.contains(.clockWentBack), events.contains(.available) { report("a clock that went back gave volume") }
        for event in events {
            switch event {
            case .reached, .available:
                homes[i].isReserve = event == .reached
                homes[i].resets += event == .available ? 1 : 0
                give(i, .secondaryReserve(event == .reached))
            case .warning, .clockWentBack: break
            }
        }
        checkQuota(i)
        set(.quota(i), now + Self.quotaInterval)
    }
}
