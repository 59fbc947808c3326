import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Logging
import NetlinkKit
import Observation
import Quota

/// Counts what LTE carries against its quota, and remembers it in a file.
struct QuotaKeeper {
    let interface: String
    private let file: StateFile
    private(set) var quota: DataQuota
    private let boot: String
    private let log: Log
    /// When the link is read next.
    private(set) var next: Instant
    private var savedAt: Instant
    private var saved: QuotaRecord?
    private var isSaveRefused = false

    /// How often the link is read: so much too late may LTE be left.
    static let interval = Duration.seconds(1)
    /// So much is forgotten at most when power fails; not when the daemon dies, for the kernel goes on counting.
    static let saveInterval = Duration.seconds(60)

    init(_ settings: QuotaConfiguration, interface: String, file: StateFile, log: Log, now: Instant) {
        self.interface = interface
        self.log = log
        self.file = file
        boot = Self.bootID()
        next = now
        savedAt = now
        var record: QuotaRecord?
        do throws(SystemError) {
            let text = try file.read()
            record = QuotaRecord(text: text)
            if text.isEmpty {
                log(.notice, "quota-file", "none yet, LTE is counted from now on", ["file": file.path])
            } else if record == nil {
                log(.warning, "quota-file", "damaged, LTE is counted anew", ["file": file.path])
            }
        } catch {
            log(.warning, "quota-file", "\(error): LTE is counted anew", ["file": file.path])
        }
        saved = record
        quota = DataQuota(
            .init(volume: settings.volume.bytes, resetDay: settings.resetDay, warnings: settings.warnings),
            record: record, wallClock: Self.wallClock())
    }

    /// Reads the link. - Returns: whether LTE is only a reserve
    mutating func count(_ route: Exchange, _ events: EventStream, _ now: Instant) -> Bool {
        next = now + Self.interval
        let wasReached = quota.isReached
        for what in quota.count(read(route), wallClock: Self.wallClock()) { events.publish(event(what)) }
        if (saved == nil && !isSaveRefused) || quota.isReached != wasReached || now - savedAt >= Self.saveInterval { save(now) }
        return quota.isReached
    }

    /// Nothing is written when nothing has changed.
    mutating func save(_ now: Instant) {
        savedAt = now
        guard quota.record != saved else { return }
        do throws(SystemError) {
            try file.replace(quota.record.text)
            saved = quota.record
            isSaveRefused = false
        } catch {
            if !isSaveRefused { log(.warning, "quota-file", "\(error): a restart will not know it", ["file": file.path]) }
            isSaveRefused = true
        }
    }

    private func read(_ route: Exchange) -> LinkCount? {
        guard let link = (try? route.link(.name(interface))) ?? nil,
            let statistics = (try? route.linkStatistics(.index(link.index))) ?? nil
        else { return nil }
        return LinkCount(
            name: interface, boot: boot, index: link.index, receivedBytes: statistics.receivedBytes,
            sentBytes: statistics.transmittedBytes, packets: statistics.receivedPackets &+ statistics.transmittedPackets,
            headerLength: link.address.count == 6 ? 14 : 0)
    }

    private func event(_ what: DataQuota.Event) -> Event {
        var event =
            switch what {
            case .warning(let percent): Event(.quotaShare, [.share: percent])
            case .reached: Event(.quotaReached)
            case .available: Event(.quotaAvailable)
            case .clockWentBack: Event(.quotaClock)
            }
        event.add(.used, quota.used)
        event.add(.volume, quota.settings.volume)
        if let resets = quota.resets { event.add(.resets, UTCTime.text(seconds: resets, milliseconds: 0)) }
        return event
    }

    /// Names this start of the kernel.
    private static func bootID() -> String {
        var bytes = [UInt8](repeating: 0, count: 64)
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "-" }
        defer { close(descriptor) }
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return count > 1 ? String(decoding: bytes.prefix(count).filter { $0 > 0x20 && $0 < 0x7F }, as: UTF8.self) : "-"
    }

    private static func wallClock() -> Int64 { Int64(time(nil)) }

    // MARK: Status

    var json: JSONObject {
        var object = JSONObject()
        object.add("used_bytes", quota.used)
        object.add("volume_bytes", quota.settings.volume)
        object.add("used_percent", quota.percent)
        if let current = quota.current {
            object.add("began", UTCTime.text(seconds: current.begins(resetDay: quota.settings.resetDay), milliseconds: 0))
        }
        if let resets = quota.resets { object.add("resets", UTCTime.text(seconds: resets, milliseconds: 0)) }
        object.add("reserve", quota.isReached)
        return object
    }
}
