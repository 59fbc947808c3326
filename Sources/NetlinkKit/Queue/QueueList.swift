import Glibc

/// The kernel's list of bound NFQUEUEs.
enum QueueList {
    /// The netlink port that has a queue of this network namespace; nil: none has, or the list cannot be read.
    static func port(of number: UInt16) -> UInt32? {
        let file = open("/proc/thread-self/net/netfilter/nfnetlink_queue", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while case let count = read(file, &part, part.count), count > 0 { bytes += part[..<count] }
        return port(of: number, in: String(decoding: bytes, as: UTF8.self))
    }

    /// Of each line number and port come first.
    static func port(of number: UInt16, in text: String) -> UInt32? {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count > 1, UInt16(words[0]) == number { return UInt32(words[1]) }
        }
        return nil
    }
}
