import Foundation
import Testing

/// A program that runs beside the test, in its network namespace, and no longer than it is held.
final class Running {
    private let pid: String
    private let output: URL
    private var hasEnded = false

    /// - Parameter command: the program, built in the same folder as the tests, and its arguments
    init(_ command: String) throws {
        output = FileManager.default.temporaryDirectory.appendingPathComponent("spillway-example-\(UUID().uuidString)")
        let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
        pid = try shell("'\(folder)'/\(command) >'\(output.path)' & echo $!")
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    deinit {
        if !hasEnded, let number = Int32(pid) { kill(number, SIGKILL) }
        try? FileManager.default.removeItem(at: output)
    }

    /// What it has printed so far.
    var lines: [String] {
        ((try? String(contentsOf: output, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }

    /// Waits until there is a line that begins like this; twenty seconds at most.
    func waits(for beginning: String) -> Bool {
        for _ in 0..<2000 {
            if lines.contains(where: { $0.hasPrefix(beginning) }) { return true }
            usleep(10_000)
        }
        return false
    }

    /// Sends a signal and waits until the process is gone; twenty seconds at most.
    func end(_ signal: String = "TERM") throws -> Bool {
        try shell("kill -\(signal) \(pid)")
        for _ in 0..<2000 {
            if !FileManager.default.fileExists(atPath: "/proc/\(pid)") {
                hasEnded = true
                return true
            }
            usleep(10_000)
        }
        return false
    }
}
