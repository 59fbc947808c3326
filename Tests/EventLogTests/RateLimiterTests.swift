import Testing

@testable import EventLog

@Suite struct RateLimiterTests {
    @Test func burstThenSteadyRate() {
        var limiter = RateLimiter(burst: 3, interval: 1000)
        for _ in 0..<3 { #expect(limiter.admit("a", now: 5000) == .write(suppressed: 0)) }
        #expect(limiter.admit("a", now: 5000) == .suppress)
        #expect(limiter.admit("a", now: 5999) == .suppress)
        #expect(limiter.admit("a", now: 6000) == .write(suppressed: 2))
        #expect(limiter.admit("a", now: 6000) == .suppress)
        #expect(limiter.admit("a", now: 7000) == .write(suppressed: 1))
    }

    @Test func quietTimeRestoresTheBurstAndNoMore() {
        var limiter = RateLimiter(burst: 2, interval: 10)
        for _ in 0..<5 { _ = limiter.admit("a", now: 0) }
        #expect(limiter.admit("a", now: 1_000_000) == .write(suppressed: 3))
        #expect(limiter.admit("a", now: 1_000_000) == .write(suppressed: 0))
        #expect(limiter.admit("a", now: 1_000_000) == .suppress)
    }

    @Test func reasonsAreApart() {
        var limiter = RateLimiter(burst: 1, interval: 1000)
        #expect(limiter.admit("a", now: 0) == .write(suppressed: 0))
        #expect(limiter.admit("a", now: 0) == .suppress)
        #expect(limiter.admit("b", now: 0) == .write(suppressed: 0))
    }

    @Test func manyReasonsShareOneBucket() {
        var limiter = RateLimiter(burst: 1, interval: 1000)
        for i in 0..<RateLimiter.reasonLimit { #expect(limiter.admit("r\(i)", now: 0) == .write(suppressed: 0)) }
        #expect(limiter.admit("x", now: 0) == .write(suppressed: 0))
        #expect(limiter.admit("y", now: 0) == .suppress)
        #expect(limiter.admit("r0", now: 1000) == .write(suppressed: 0))
    }

    @Test func clockAtItsEndsAndGoingBack() {
        var limiter = RateLimiter(burst: .max, interval: .max)
        #expect(limiter.admit("a", now: .max) == .write(suppressed: 0))
        #expect(limiter.admit("a", now: 0) == .suppress)
        var zero = RateLimiter(burst: 0, interval: 0)
        #expect(zero.admit("a", now: 0) == .write(suppressed: 0))
        #expect(zero.admit("a", now: 0) == .suppress)
        #expect(zero.admit("a", now: .max) == .write(suppressed: 1))
    }
}
