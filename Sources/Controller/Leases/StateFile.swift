import CLinux
import Glibc

/// A text file that is replaced as a whole or grows by lines, for what must survive a restart.
final class StateFile {
    let path: String
    private var descriptor: Int32 = -1

    /// A file that is larger was not written by this program.
    private static let limit = 64 << 20

    /// Makes the folder when it is not there.
    init(directory: String, name: String) {
        path = "\(directory)/\(name)"
        var end = directory.startIndex
        while let slash = directory[end...].dropFirst().firstIndex(of: "/") {
            mkdir(String(directory[..<slash]), 0o755)
            end = slash
        }
        mkdir(directory, 0o755)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// What the file holds; empty when there is none.
    func read() throws(SystemError) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if file < 0 {
            if errno == ENOENT { return "" }
            throw SystemError(call: "open \(path)", number: errno)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw SystemError(call: "read \(path)", number: errno) }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk.prefix(count)
            if bytes.count > Self.limit { throw SystemError(call: "read \(path)", number: EFBIG) }
        }
    }

    /// Replaces the file; whoever reads it, also after a power cut, finds the old text or the new one.
    func replace(_ text: String, mode: mode_t = 0o600) throws(SystemError) {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        let new = path + ".new"
        let file = try SystemError.check(
            "open \(new)", open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode))
        do throws(SystemError) {
            try Self.write(text, file, new)
            try SystemError.check("fsync \(new)", fsync(file))
            try SystemError.check("rename \(new)", rename(new, path))
        } catch {
            close(file)
            unlink(new)
            throw error
        }
        close(file)
    }

    /// Appends lines with their ends. They survive the end of this program at once, a power cut soon.
    func append(_ text: String) throws(SystemError) {
        if descriptor < 0 {
            descriptor = try SystemError.check(
                "open \(path)", open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600))
        }
        try Self.write(text, descriptor, path)
    }

    func remove() { unlink(path) }

    private static func write(_ text: String, _ file: Int32, _ path: String) throws(SystemError) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw SystemError(call: "write \(path)", number: errno) }
            bytes = bytes.dropFirst(count)
        }
    }
}
