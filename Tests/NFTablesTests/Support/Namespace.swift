import CLinux
import Foundation
import NetlinkKit
import Testing

@testable import NFTables

extension Trait where Self == ConditionTrait {
    /// The test changes the network of its own namespace: root, and a kernel that has what it is about, are needed.
    /// With SPILLWAY_KERNEL_TESTS=1 it runs, and a missing feature makes it fail.
    static var kernel: Self {
        .enabled(if: ProcessInfo.processInfo.environment["SPILLWAY_KERNEL_TESTS"] == "1", "SPILLWAY_KERNEL_TESTS=1")
    }

    /// The same, unless SPILLWAY_KERNEL_LACKS says in so many words that the kernel was built without the feature.
    static func kernel(with feature: String) -> Self {
        let environment = ProcessInfo.processInfo.environment
        let lacking = environment["SPILLWAY_KERNEL_LACKS"]?.split(separator: ",").contains { $0 == feature } ?? false
        return .enabled(if: environment["SPILLWAY_KERNEL_TESTS"] == "1" && !lacking, "kernel with \(feature)")
    }
}

/// Runs `body` with its thread in a new, empty network namespace; processes it starts are in it too. A synchronous test
/// keeps its thread to itself, and the thread returns to its namespace at the end.
func inNewNamespace<Result>(_ body: (NFTablesClient) throws -> Result) throws -> Result {
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    try #require(home >= 0)
    defer { close(home) }
    try #require(clinux_unshare(Int32(CLINUX_NEW_NETWORK)) == 0, "unshare: \(Errno.last)")
    defer {
        if clinux_setns(home, Int32(CLINUX_NEW_NETWORK)) != 0 { fatalError("cannot return to the first namespace") }
    }
    return try body(NFTablesClient())
}

/// Runs a command in this thread's namespace and returns what it prints.
@discardableResult
func shell(_ command: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    let pipe = try #require(popen("exec 2>&1; " + command, "r"))
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

/// Has nft load a rule set.
func nft(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    try shell("nft -f - <<'END'\n\(text)\nEND", sourceLocation: sourceLocation)
}

/// What `nft list ruleset` prints now, and again after it has read that.
func listAndReload(sourceLocation: SourceLocation = #_sourceLocation) throws -> (listed: String, reloaded: String) {
    try shell("nft -j list ruleset", sourceLocation: sourceLocation)
    let listed = try shell("nft list ruleset", sourceLocation: sourceLocation)
    try shell("nft flush ruleset", sourceLocation: sourceLocation)
    try nft(listed, sourceLocation: sourceLocation)
    return (listed, try shell("nft list ruleset", sourceLocation: sourceLocation))
}
