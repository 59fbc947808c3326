import CLinux
import GREBonding
import Glibc

/// One thread, one epoll: descriptors that become readable, one timer, signals. Enough for a gateway and for ten
/// thousand bonds, as few packets pass through it; for those that do it does nothing else.
final class EventLoop {
    private let epoll: Int32
    private let timer: Int32
    private var signals: Int32 = -1
    private var handlers: [Int32: () -> Void] = [:]
    /// Descriptors whose events change nothing for all else.
    private var apart: Set<Int32> = []
    private var onSignal: (Int32) -> Void = { _ in }
    private var armed: Instant?
    private var running = true

    init() throws(SystemError) {
        epoll = try SystemError.check("epoll_create1", epoll_create1(Int32(O_CLOEXEC)))
        timer = try SystemError.check(
            "timerfd_create", timerfd_create(CLOCK_BOOTTIME, O_CLOEXEC | O_NONBLOCK))
        try watch(timer) { [timer, weak self] in
            var expirations: UInt64 = 0
            _ = read(timer, &expirations, 8)
            // The same time again is due again: who has not come to an end asks for it.
            self?.armed = nil
        }
    }

    deinit {
        close(epoll)
        close(timer)
        if signals >= 0 { close(signals) }
    }

    struct Interest: OptionSet {
        let rawValue: UInt32
        static let reading = Interest(rawValue: EPOLLIN.rawValue)
        static let writing = Interest(rawValue: EPOLLOUT.rawValue)
    }

    /// Calls `handler` whenever the descriptor can be read, or as `interest` says, or has failed. A descriptor that is
    /// watched already takes the new interest and handler.
    /// - Parameter isApart: what the handler does changes nothing for the work of ``run(_:apart:)``
    func watch(
        _ descriptor: Int32, _ interest: Interest = .reading, isApart: Bool = false, _ handler: @escaping () -> Void
    ) throws(SystemError) {
        var event = epoll_event(events: interest.rawValue, data: epoll_data_t(fd: descriptor))
        let operation = handlers[descriptor] == nil ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
        try SystemError.check("epoll_ctl", epoll_ctl(epoll, operation, descriptor, &event))
        handlers[descriptor] = handler
        if isApart { apart.insert(descriptor) } else { apart.remove(descriptor) }
    }

    /// Must come before the descriptor is closed.
    func unwatch(_ descriptor: Int32) {
        guard handlers.removeValue(forKey: descriptor) != nil else { return }
        apart.remove(descriptor)
        var event = epoll_event()
        epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event)
    }

    /// From now on these signals come through the loop.
    func takeSignals(_ numbers: [Int32], _ handler: @escaping (Int32) -> Void) throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signals = try SystemError.check(
            "signalfd", signalfd(-1, &set, O_CLOEXEC | O_NONBLOCK))
        onSignal = handler
        try watch(signals) { [weak self] in
            guard let self else { return }
            var info = signalfd_siginfo()
            while read(self.signals, &info, MemoryLayout<signalfd_siginfo>.size) == MemoryLayout<signalfd_siginfo>.size {
                self.onSignal(Int32(bitPattern: info.ssi_signo))
            }
        }
    }

    func stop() { running = false }

    /// Runs until ``stop()``. After each round of events `work` does what is due and says when it wants to be called
    /// next; nil: only when something happens. A round in which nothing happened but to descriptors that are apart only
    /// has `apart` called, which comes after `work` in the others: thousands of packets a second come in such rounds.
    func run(_ work: () -> Instant?, apart: (Instant) -> Instant? = { _ in nil }) throws(SystemError) {
        running = true
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var isConcerned = true
        var next: Instant?
        while running {
            if isConcerned || next.map({ $0 <= Clock.now() }) ?? false { next = work() }
            let soon = apart(Clock.now())
            arm([next, soon].lazy.compactMap { $0 }.min())
            if !running { break }
            isConcerned = false
            let count = epoll_wait(epoll, &events, Int32(events.count), -1)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(call: "epoll_wait", number: errno)
            }
            for event in events.prefix(Int(count)) {
                let descriptor = event.data.fd
                // The timer only says that it is time.
                if descriptor != timer, !self.apart.contains(descriptor) { isConcerned = true }
                handlers[descriptor]?()
            }
        }
    }

    /// TFD_TIMER_ABSTIME, which the C importer does not carry over.
    private let timerAbsoluteTime: Int32 = 1

    private func arm(_ deadline: Instant?) {
        guard deadline != armed else { return }
        armed = deadline
        var spec = itimerspec()
        if let deadline, deadline != .distantFuture {
            // A time that has passed must still fire; zero would disarm the timer.
            let ns = max(1, deadline.nanoseconds)
            spec.it_value = timespec(tv_sec: Int(ns / 1_000_000_000), tv_nsec: Int(ns % 1_000_000_000))
        }
        timerfd_settime(timer, timerAbsoluteTime, &spec, nil)
    }
}
