import GREBonding
import Glibc

/// What a run of the daemon leaves for the next one: bonds, leases, and what there was before. It is kept beside the
/// control socket, in a folder that ends with the system, and holds for one start of the system and for one role and
/// identity. Anything may stand in it: lines are checked by those who read them.
final class RunRecord {
    /// Of the lines. A record of another version is not read.
    static let version = 1

    private let file: StateFile
    private let header: String
    private var written: [String]?
    /// Lines that were appended since all was written.
    private(set) var appended = 0

    /// - Parameters:
    ///   - socket: path of the control socket
    ///   - identity: what a bond of a run before must have been made for
    ///   - boot: which start of the system this is
    init(socket: String, identity: [String], boot: String = RunRecord.bootID()) {
        let slash = socket.lastIndex(of: "/") ?? socket.startIndex
        let name = socket[slash...].drop { $0 == "/" }
        file = StateFile(directory: String(socket[..<slash]), name: "\(name).record")
        // FNV-1a: names in settings may hold anything.
        let text = identity.joined(separator: "\u{0}")
        let hash = text.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        header = "spillway-record \(Self.version) \(boot) \(String(hash, radix: 16))"
    }

    /// Lines of the run before; nil: there is none that this run can go on with. What was being written when it ended is
    /// left out.
    func read() -> [Substring]? {
        guard let text = try? file.read() else { return nil }
        // As bytes: by characters it would cost more than all that is then done with the lines.
        let bytes = text.utf8.span
        var lines: [Substring] = []
        var start = text.startIndex, offset = 0
        for at in bytes.indices where bytes[at] == UInt8(ascii: "\n") {
            let end = text.utf8.index(start, offsetBy: at - offset)
            lines.append(text[start..<end])
            start = text.utf8.index(after: end)
            offset = at + 1
        }
        guard lines.first == header[...] else { return nil }
        return Array(lines.dropFirst())
    }

    /// Replaces all, when it is another than before.
    func write(_ lines: [String]) throws(SystemError) {
        guard lines != written else { return }
        try file.replace(Self.text([header]) + Self.text(lines))
        written = lines
        appended = 0
    }

    func append(_ lines: [String]) throws(SystemError) {
        try file.append(Self.text(lines))
        written = nil
        appended += lines.count
    }

    func remove() {
        file.remove()
        written = nil
    }

    private static func text(_ lines: [String]) -> String {
        lines.reduce(into: "") { text, line in
            text += line
            text += "\n"
        }
    }

    private static func bootID() -> String {
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "unknown" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = max(0, Glibc.read(descriptor, &bytes, bytes.count))
        return String(decoding: bytes.prefix(count).filter { $0 > 0x20 }, as: UTF8.self)
    }
}
