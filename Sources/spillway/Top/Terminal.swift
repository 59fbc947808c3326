import CLinux
import Glibc

/// The terminal in the hands of a full-screen program: single keys, a screen of its own, and everything as it was when it
/// ends, also by a signal.
final class Terminal {
    enum Input: Equatable {
        case key(UInt8)
        case resized
        case signal(Int32)
        /// The time is over.
        case time
        /// Nobody is there any more.
        case end
    }

    private let before: termios
    private let signals: Int32

    /// nil when the terminal cannot be set up.
    init?() {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        before = settings
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH] { sigaddset(&set, number) }
        // Through a descriptor, so that no signal interrupts what is being written.
        sigprocmask(SIG_BLOCK, &set, nil)
        signals = signalfd(-1, &set, O_CLOEXEC | O_NONBLOCK)
        guard signals >= 0 else { return nil }
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        // The other screen, no cursor, no wrapping at the edge.
        Self.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l")
    }

    func restore() {
        Self.write("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l")
        var settings = before
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }

    /// Columns and rows.
    var size: (width: Int, height: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Replaces what is on the screen, line by line, so that nothing flickers.
    func show(_ lines: [String]) {
        Self.write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
    }

    func wait(milliseconds: Int32) -> Input {
        var sources = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0), pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&sources, 2, milliseconds) > 0 else { return .time }
        if sources[1].revents != 0 {
            var info = signalfd_siginfo()
            guard read(signals, &info, MemoryLayout<signalfd_siginfo>.size) > 0 else { return .time }
            let number = Int32(bitPattern: info.ssi_signo)
            return number == SIGWINCH ? .resized : .signal(number)
        }
        var key: UInt8 = 0
        return read(STDIN_FILENO, &key, 1) == 1 ? .key(key) : .end
    }

    /// Ends the process by the signal, as if it had not been held back.
    static func end(by number: Int32) {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, number)
        signal(number, SIG_DFL)
        raise(number)
        sigprocmask(SIG_UNBLOCK, &set, nil)
    }

    private static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 { written += count } else if errno != EINTR { return }
        }
    }
}
