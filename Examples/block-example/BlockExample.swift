import Addresses
import Glibc
import NFTables
import NetlinkKit

/// Drops what some IPv4 hosts send to this one, each for a time, and tells how long that goes on and what it dropped.
/// Ends when all have had their time, or by SIGINT (Control-C) or SIGTERM; nothing is left then. Needs CAP_NET_ADMIN.
///
///     block-example 60 198.51.100.7 198.51.100.8      # seconds, hosts
@main
struct BlockExample {
    // A table of its own: what is in others' tables stays theirs.
    static let table = TableName(.inet, "block_example")
    static let blocked = NamedSet(table, "blocked", key: [.ipv4Address], flags: .timeout, hasCounters: true)

    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        let hosts = arguments.dropFirst().compactMap { IPv4Address($0) }
        guard let seconds = arguments.first.flatMap({ UInt32($0) }), seconds > 0, !hosts.isEmpty,
            hosts.count + 1 == arguments.count
        else {
            print("usage: block-example SECONDS ADDRESS...")
            exit(64)
        }
        // From here on the signals wait until `sigtimedwait` asks for them: no end comes half-way.
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGINT, SIGTERM] { sigaddset(&signals, signal) }
        sigprocmask(SIG_BLOCK, &signals, nil)
        do {
            try run(hosts.map { Element(.ipv4($0), timeout: UInt64(seconds) * 1000) }, &signals)
        } catch {
            // For example `begin nftables transaction: EPERM`.
            print("block-example: \(error)")
            exit(1)
        }
    }

    static func run(_ elements: [Element], _ signals: inout sigset_t) throws {
        let client = try NFTablesClient()
        var setUp = Transaction()
        // What a run left that was killed; in the same step, so that no packet meets a state in between.
        setUp.deleteIfPresent(table)
        setUp.add(Table(table.family, table.name, comment: "made by block-example"))
        setUp.add(blocked)
        setUp.add(StatefulObject(table, "dropped", .counter(Counter())))
        setUp.add(Chain(table, "input", hook: Hook(.filter, .input, .filter)))
        // The table sees both families: an IPv6 packet has something else where IPv4 has its source.
        let rule = ChainRule(
            table, "input", .family(.v4), .match(.ipSaddr, .inSet(blocked.name)), .counter("dropped"), .drop)
        setUp.add(rule)
        setUp.add(elements, to: blocked)
        try client.commit(setUp)
        defer {
            var takeDown = Transaction()
            takeDown.deleteIfPresent(table)
            _ = try? client.commit(takeDown)
        }
        var second = timespec(tv_sec: 1, tv_nsec: 0)
        repeat {
            // All of one moment, whatever others do to the rule set meanwhile.
            guard let now = try client.snapshot(of: table) else { return print("somebody deleted table \(table)") }
            let left = now.elements[blocked.name] ?? []
            for element in left {
                let time = (element.expiration ?? 0) / 1000
                print("\(element.key[0]): \(time) s left, \(element.counter?.packets ?? 0) packets")
            }
            for case .counter(let counter) in now.objects.map(\.state) { print("dropped \(counter.packets) packets") }
            fflush(nil)
            if left.isEmpty { return }
        } while sigtimedwait(&signals, nil, &second) < 0
    }
}
