import Foundation
import GREBonding
import Synchronization
import Testing

@testable import Controller

@Suite struct StatusServerTests {
    private final class Answers: Sendable {
        let sizes = Mutex<[Int]>([])
    }

    private static let path = "/tmp/spillway-status-\(getpid())"

    /// An answer in pieces comes whole, and between two pieces the loop looks at what else has happened. Two clients share
    /// the time.
    @Test func aLongAnswerKeepsNobodyWaiting() throws {
        let loop = try EventLoop()
        var made = 0, slices: Set<Duration> = []
        let server = try StatusServer(path: Self.path, loop: loop) { request in
            guard request == "status" else { return .text("{}") }
            var rest = 500
            return .pieces { slice in
                guard rest > 0 else { return nil }
                (rest, made) = (rest - 1, made + 1)
                slices.insert(slice)
                // Together more than a socket's buffer takes at once.
                return String(repeating: "x", count: 4000)
            }
        }
        defer { server.close() }
        let answers = Answers()
        for _ in 0..<2 {
            // A task of its own would keep one of the few threads that all tests have.
            Thread.detachNewThread {
                let answer = StatusClient.ask(.status(StatusQuery()), socket: Self.path)
                answers.sizes.withLock { $0.append(answer?.utf8.count ?? -1) }
            }
        }
        var rounds = 0
        let limit = Clock.now() + .seconds(60)
        try loop.run {
            rounds += 1
            let next = server.work()
            if answers.sizes.withLock({ $0.count }) == 2 || Clock.now() > limit { loop.stop() }
            return min(next ?? .distantFuture, Clock.now() + .milliseconds(100))
        }
        #expect(answers.sizes.withLock { $0 } == [2_000_000, 2_000_000] && made == 1000)
        #expect(rounds > 500, "\(rounds)")
        #expect(slices.isSubset(of: [.milliseconds(5), .milliseconds(10)]), "\(slices)")
    }

    /// A client that takes nothing gets nothing more than its socket holds.
    @Test func aClientThatDoesNotReadCostsNothing() throws {
        let loop = try EventLoop()
        var made = 0
        let server = try StatusServer(path: Self.path + "-idle", loop: loop) { _ in
            .pieces { _ in
                made += 1
                return String(repeating: "x", count: 100_000)
            }
        }
        defer { server.close() }
        let idle = try #require(Self.connected(Self.path + "-idle"))
        defer { close(idle) }
        _ = "status\n".withCString { send(idle, $0, 7, 0) }
        let limit = Clock.now() + .milliseconds(200)
        try loop.run {
            let next = server.work()
            if Clock.now() > limit { loop.stop() }
            return min(next ?? .distantFuture, limit + .milliseconds(1))
        }
        #expect((1..<20).contains(made), "\(made)")
    }

    private static func connected(_ path: String) -> Int32? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let isThere = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        return isThere ? descriptor : nil
    }
}
