import CLinux
import Foundation
import NetlinkKit
import Testing

@testable import Controller

extension Trait where Self == ConditionTrait {
    /// The test changes the network of its own namespace: root, and a kernel that has what it is about, are needed.
    static var kernel: Self {
        .enabled(if: ProcessInfo.processInfo.environment["SPILLWAY_KERNEL_TESTS"] == "1", "SPILLWAY_KERNEL_TESTS=1")
    }
}

/// Runs `body` with its thread in a new, empty network namespace; processes it starts are in it too.
/// - Parameter report: takes what the kernel refuses
func inNewNamespace<Result>(
    transport: (NetlinkSocket) -> any NetlinkTransport = { $0 },
    report: @escaping (String) -> Void = { Issue.record("\($0)") }, _ body: (KernelState) throws -> Result
) throws -> Result {
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    try #require(home >= 0)
    defer { close(home) }
    try #require(clinux_unshare(Int32(CLINUX_NEW_NETWORK)) == 0, "unshare: \(Errno.last)")
    defer {
        if clinux_setns(home, Int32(CLINUX_NEW_NETWORK)) != 0 { fatalError("cannot return to the first namespace") }
    }
    return try body(KernelState(transport: transport, report: report))
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

/// What a command prints, edited by other programs, which take a tenth of the time that a test without optimization does
/// under the lab's emulated processor. Its failure is not theirs to hide.
/// - Parameter editors: a pipeline
func shell(_ command: String, through editors: String) throws -> String {
    try shell("text=$(\(command)) || { status=$?; echo \"$text\"; exit $status; }; printf '%s\\n' \"$text\" | \(editors)")
}

/// Lines that went (with `-`) and that came (with `+`).
func difference(_ before: String, _ after: String) -> String {
    let changes = after.split(separator: "\n").difference(from: before.split(separator: "\n"))
    return changes.map { change in
        switch change {
        case .remove(_, let line, _): "- \(line)"
        case .insert(_, let line, _): "+ \(line)"
        }
    }.joined(separator: "\n")
}
