import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Logging
import NFTables
import NetlinkKit
import Observation

/// Watches the states that protect the legs: whether they are there, how much they have carried, what they refused.
/// Keeps the numbers of configured ones over restarts.
final class IPsecKeeper {
    let settings: IPsecConfiguration
    private let common: Common
    private let monitor: SecurityMonitor
    private let numbers: StateFile
    private let usedKeys: StateFile
    /// Ours that are to be there and are not.
    private var missing: Set<SecurityStateID> = []
    private var present: [SecurityStateID: ObservedSecurityState] = [:]
    /// By SPI: the last numbers of all states that there were, also of those that are not there now.
    private var last: [UInt32: (replay: ReplayState, destination: IPAddress)] = [:]
    private(set) var facts = Facts.IPsec()
    /// The tables that count what came in the clear.
    private let tables: [TableName]
    /// With keys from an IKE daemon.
    private let early: EarlyPackets?
    private var next: Instant

    private static let interval = Duration.seconds(10)
    private static let usedKeysLimit = 64

    /// - Parameter goesOn: with the states of a run before
    /// - Throws: when keys that must be new are not
    init(
        _ settings: IPsecConfiguration, _ state: StateConfiguration, _ common: Common, _ tables: [OuterTable],
        _ loop: EventLoop, goesOn: Bool = false
    ) throws {
        self.settings = settings
        self.common = common
        self.tables = tables.map(\.table)
        early = settings.keys == .ike ? try EarlyPackets(settings.queue, common.state, tables) : nil
        numbers = StateFile(directory: state.directory, name: "ipsec-numbers")
        usedKeys = StateFile(directory: state.directory, name: "ipsec-used")
        monitor = try SecurityMonitor()
        next = Clock.now() + Self.interval
        if settings.keys == .configured {
            // States that were never away go on with their numbers.
            if !goesOn { try refuseUsedKeys() }
            common.kernelLog(
                .warning, "ipsec-configured-keys",
                "keys from the settings are for labs: they have no forward secrecy, and whoever learns the secret "
                    + "reads what was recorded; take keys = \"ike\" for anything else")
        }
        common.state.security.onOffloadRefused = { [common] id, error in
            common.kernelLog(.notice, "ipsec-offload-refused", "the kernel does it: \(error)", ["state": "\(id)"])
        }
        try loop.watch(monitor.descriptor) { [weak self] in self?.receive() }
        if let early { try loop.watch(early.descriptor) { early.receive() } }
    }

    // MARK: Keys

    /// RFC 8221 §5: with AES-GCM a number that is used twice under one key reveals the key that authenticates. So a key
    /// is used in one run only.
    private func refuseUsedKeys() throws {
        guard settings.cipher == .aesGCM else { return }
        let fingerprint = LegKeys(settings: settings).fingerprint
        let used = try usedKeys.read().split(separator: "\n").map(String.init)
        if used.contains(fingerprint) {
            throw Daemon.Failure(
                description: "ipsec.salt: a run before this one had it with the same secret: AES-GCM takes a new "
                    + "one at each start")
        }
        try usedKeys.replace((used + [fingerprint]).suffix(Self.usedKeysLimit).map { $0 + "\n" }.joined())
    }

    /// The numbers of a run before, and where it sent to. What the kernel still had has been read by then.
    /// - Throws: when they are there and cannot be read: they would be used twice
    func restore() throws(SystemError) -> [UInt32: IPAddress] {
        guard settings.keys == .configured else { return [:] }
        let text = try numbers.read()
        var destinations: [UInt32: IPAddress] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 4, let spi = UInt32(words[0], radix: 16), let sent = UInt64(words[1]),
                let received = UInt64(words[2]), let destination = IPAddress(String(words[3]))
            else { continue }
            let replay = ReplayState(
                sent: sent == 0 ? 0 : SecurityKernel.beyond(sent), received: received, window: settings.replayWindow)
            common.state.security.carry(spi, replay)
            last[spi] = (replay, destination)
            destinations[spi] = destination
        }
        return destinations
    }

    private func save() {
        guard settings.keys == .configured else { return }
        for state in present.values { last[state.id.spi] = state.replay.map { ($0, state.id.destination) } }
        let lines = last.sorted { $0.key < $1.key }.map { spi, state in
            "\(String(spi, radix: 16)) \(state.replay.sent) \(state.replay.received) \(state.destination)\n"
        }
        do throws(SystemError) {
            try numbers.replace(lines.joined())
        } catch {
            common.kernelLog(.warning, "state-not-written", "\(error)")
        }
    }

    // MARK: Watching

    private var wanted: Set<SecurityStateID> {
        Set(common.state.objects(of: .security).compactMap { if case .state(let state) = $0 { state.id } else { nil } })
    }

    private func receive() {
        let notices = (try? monitor.receive()) ?? [SecurityNotice(.overrun, port: 0)]
        guard !notices.isEmpty else { return }
        let wanted = wanted
        common.state.heard(notices)
        for notice in notices {
            switch notice.event {
            case .expired(let state, let isHard) where settings.requestIDs.contains(state.requestID):
                publish(isHard ? .ipsecExpired : .ipsecExpiring, state)
                if isHard {
                    early?.gone(state.id)
                    lost(state, wanted)
                }
            case .deleted(let state) where settings.requestIDs.contains(state.requestID):
                early?.gone(state.id)
                lost(state, wanted)
            case .added(let state) where settings.requestIDs.contains(state.requestID):
                if state.isKeyed { early?.keyed(state.id) }
                if missing.remove(state.id) != nil { publish(.ipsecBack, state) }
            case .flushed, .overrun: sample(Clock.now())
            default: break
            }
        }
    }

    private func lost(_ state: ObservedSecurityState, _ wanted: Set<SecurityStateID>) {
        // One that moved with its leg was made anew by the time this is heard.
        guard wanted.contains(state.id), !common.state.security.has(state.id), missing.insert(state.id).inserted
        else { return }
        publish(.ipsecLost, state)
    }

    private func publish(_ kind: EventKind, _ state: ObservedSecurityState) {
        common.events.publish(
            Event(
                kind,
                [
                    .spi: "0x\(String(state.id.spi, radix: 16))", .source: state.source,
                    .address: state.id.destination,
                ]))
    }

    func work(_ now: Instant) -> Instant? {
        if next <= now { sample(now) }
        return min(next, early?.work(now) ?? next)
    }

    /// Reads what the kernel has counted, and tells of what it refused since the last time.
    func sample(_ now: Instant) {
        next = now + Self.interval
        guard let states = try? common.state.security.states(settings.requestIDs) else { return }
        let before = (facts.replayed, facts.forged, facts.clear)
        let wanted = wanted
        for state in states {
            let old = present[state.id]
            facts.replayed &+= UInt64(state.replayed &- min(state.replayed, old?.replayed ?? 0))
            facts.forged &+= UInt64(state.forged &- min(state.forged, old?.forged ?? 0))
            if wanted.contains(state.id), let replay = state.replay { common.state.security.saw(state.id.spi, replay) }
        }
        let old = present
        present = Dictionary(states.map { ($0.id, $0) }, uniquingKeysWith: { _, new in new })
        for (id, state) in old where wanted.contains(id) && present[id] == nil { lost(state, wanted) }
        for id in missing where present[id] != nil || !wanted.contains(id) { missing.remove(id) }
        facts.clear = tables.reduce(0) { $0 &+ (common.counter(OuterTable.clearCounter, in: $1) ?? 0) }
        facts.states = UInt64(states.count)
        facts.missing = UInt64(missing.count)
        for (why, more) in [
            ("replayed", facts.replayed &- before.0), ("forged", facts.forged &- before.1),
            ("in the clear", facts.clear &- before.2),
        ] where more > 0 { common.events.publish(Event(.ipsecRefused, [.why: why, .count: more])) }
        save()
    }

    /// What was sent at the very end is in the next run's numbers, too.
    func stop() {
        sample(Clock.now())
        next = .distantFuture
    }

    // MARK: Status

    /// With few states each of them is there.
    var json: JSONObject {
        sample(Clock.now())
        var object = JSONObject()
        object.add("keys", settings.keys.rawValue)
        object.add("cipher", settings.cipher.rawValue)
        object.add("states_present", facts.states)
        object.add("states_missing", facts.missing)
        object.add("replayed", facts.replayed)
        object.add("forged", facts.forged)
        object.add("in_the_clear", facts.clear)
        if let early { object.add("early", early.held) }
        object.add("states", present.values.sorted { $0.id.spi < $1.id.spi }.prefix(Self.shown).map(\.json))
        var errors = JSONObject()
        for (name, count) in Self.errors() { errors.add(name, count) }
        object.add("errors", errors)
        return object
    }

    private static let shown = 8

    /// Of the whole network namespace; only what has happened.
    private static func errors() -> [(String, UInt64)] {
        let file = open("/proc/net/xfrm_stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = max(0, read(file, &bytes, bytes.count))
        return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count == 2, let value = UInt64(words[1]), value > 0 else { return nil }
            return (String(words[0]), value)
        }
    }
}

extension ObservedSecurityState {
    fileprivate var json: JSONObject {
        var object = JSONObject()
        object.add("spi", "0x\(String(id.spi, radix: 16))")
        object.add("source", source.description)
        object.add("destination", id.destination.description)
        object.add("packets", packets)
        object.add("bytes", bytes)
        if let replay {
            object.add("sequence", max(replay.sent, replay.received))
            object.add("replay_window", replay.window)
        }
        object.add("replayed", replayed)
        object.add("forged", forged)
        object.add("offloaded", offload != nil)
        return object
    }
}
