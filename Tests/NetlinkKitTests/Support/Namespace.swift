import CLinux
import Foundation
import Testing

@testable import NetlinkKit

extension Trait where Self == ConditionTrait {
    /// The test changes the network of its own namespace: root, and a kernel that has what it is about, are needed.
    /// With SPILLWAY_KERNEL_TESTS=1 it runs, and a missing feature makes it fail.
    static var kernel: Self {
        .enabled(if: ProcessInfo.processInfo.environment["SPILLWAY_KERNEL_TESTS"] == "1", "SPILLWAY_KERNEL_TESTS=1")
    }
}

/// Runs `body` with its thread in a new, empty network namespace; processes it starts are in it too. A synchronous test
/// keeps its thread to itself, and the thread returns to its namespace at the end.
func inNewNamespace<Result>(_ body: (Exchange) throws -> Result) throws -> Result {
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    try #require(home >= 0)
    defer { close(home) }
    try #require(clinux_unshare(Int32(CLINUX_NEW_NETWORK)) == 0, "unshare: \(Errno.last)")
    defer {
        if clinux_setns(home, Int32(CLINUX_NEW_NETWORK)) != 0 { fatalError("cannot return to the first namespace") }
    }
    return try body(Exchange(NetlinkSocket(.route)))
}

/// Runs a command in this thread's namespace and returns what it prints.
@discardableResult
func shell(_ command: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    let pipe = try #require(popen(command + " 2>&1", "r"))
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&chunk, 1, chunk.count, pipe)
        if count == 0 { break }
        output += chunk[..<count]
    }
    let text = String(decoding: output, as: UTF8.self)
    let status = pclose(pipe)
    try #require(status == 0, "\(command): \(text)", sourceLocation: sourceLocation)
    return text
}

/// A value in JSON, for looking into the output of `ip -j` and `tc -j`.
struct JSON {
    let value: Any?

    init(_ value: Any?) { self.value = value }

    /// The output of a command.
    init(from command: String) throws {
        value = try JSONSerialization.jsonObject(with: Data(try shell(command).utf8))
    }

    subscript(_ key: String) -> JSON { JSON((value as? [String: Any])?[key]) }
    subscript(_ index: Int) -> JSON {
        guard let list = value as? [Any], list.indices.contains(index) else { return JSON(nil) }
        return JSON(list[index])
    }
    var list: [JSON] { (value as? [Any] ?? []).map(JSON.init) }
    var string: String? { value as? String }
    var int: Int? { (value as? NSNumber)?.intValue }
    var bool: Bool? { value as? Bool }
}
