import CLinux
import GREBonding
import Glibc

/// Tells a service manager how this process is (sd_notify(3)): one datagram a message to the socket that `NOTIFY_SOCKET`
/// names. Nothing is said where there is none, and nothing waits for an answer.
final class ServiceManager {
    private let descriptor: Int32
    private var address = sockaddr_un()
    private var addressLength: socklen_t = 0
    /// Between two signs of life: half of what `WATCHDOG_USEC` allows.
    private let watchdog: Duration?
    private var nextSign: Instant?
    private var status = ""
    private var wantsStatusAt: Instant?
    private let describe: () -> String

    /// A status of a bond that comes and goes is told once a second.
    private static let statusInterval = Duration.seconds(1)

    /// - Parameter describe: the state in a few words, for `systemctl status`
    init?(describe: @escaping () -> String) {
        guard let name = getenv("NOTIFY_SOCKET").map({ Array(String(cString: $0).utf8) }), name.count > 1,
            name[0] == 0x40 || name[0] == 0x2F, name.count < MemoryLayout.size(ofValue: address.sun_path)
        else { return nil }
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        self.describe = describe
        watchdog = Self.watchdogInterval()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: name)
            // "@" stands for the zero that an abstract name begins with.
            if name[0] == 0x40 { $0[0] = 0 }
        }
        addressLength = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
    }

    deinit { close(descriptor) }

    private static func watchdogInterval() -> Duration? {
        guard let text = getenv("WATCHDOG_USEC"), let limit = Int64(String(cString: text)), limit > 1 else { return nil }
        if let process = getenv("WATCHDOG_PID"), Int32(String(cString: process)) != getpid() { return nil }
        return .nanoseconds(min(limit, 86_400_000_000) * 500)
    }

    func ready() {
        nextSign = watchdog.map { Clock.now() + $0 }
        status = describe()
        send("READY=1\nSTATUS=\(status)")
    }

    /// Settings are being read anew; ``ready()`` follows. The manager wants to know when (CLOCK_MONOTONIC).
    func reloading() {
        send("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonic() / 1000)")
    }

    func stopping() {
        wantsStatusAt = nil
        send("STOPPING=1")
    }

    /// The state may be another one now.
    func changed() { if wantsStatusAt == nil { wantsStatusAt = Clock.now() + Self.statusInterval } }

    /// Says what is due; when it wants to be called next.
    func work() -> Instant? {
        let now = Clock.now()
        if let due = nextSign, due <= now, let watchdog {
            send("WATCHDOG=1")
            nextSign = now + watchdog
        }
        if let due = wantsStatusAt, due <= now {
            wantsStatusAt = nil
            let text = describe()
            if text != status { send("STATUS=\(text)") }
            status = text
        }
        return [nextSign, wantsStatusAt].compactMap { $0 }.min()
    }

    private func send(_ text: String) {
        let bytes = Array(text.utf8)
        withUnsafePointer(to: &address) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, addressLength)
            }
        }
    }
}
