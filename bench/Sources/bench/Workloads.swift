import Addresses
import GREBonding

/// An Accept as a gateway gets it for LTE: the longest message of a set-up.
let accept = ControlMessage(
    type: .setupAccept, leg: .secondary, key: 0x0102_0304,
    attributes: [
        .hIPv4Address(IPv4Address(192, 0, 2, 1)), .sessionID(7), .rttDifferenceThreshold(100),
        .bypassBandwidthCheckInterval(10), .activeHelloInterval(10), .helloRetryTimes(3), .idleTimeout(86_400),
        .bondingKeyValue(0x0102_0304), .rttDifferenceThresholdViolation(3), .rttDifferenceThresholdCompliance(3),
        .idleHelloInterval(1800), .noTrafficMonitoredInterval(60),
    ])

let acceptBytes = accept.serialized(dialect: .rfc8157)

func parse(_ count: Int) {
    for _ in 0..<count { keep(try? ControlMessage(parsing: acceptBytes, dialect: .rfc8157)) }
}

func serialize(_ count: Int) {
    for _ in 0..<count { keep(accept.serialized(dialect: .rfc8157)) }
}

func parseAndSerialize(_ count: Int) {
    for _ in 0..<count {
        keep((try? ControlMessage(parsing: acceptBytes, dialect: .rfc8157))?.serialized(dialect: .rfc8157))
    }
}

/// What nobody can do without: a new array with the same bytes.
func copy(_ count: Int) {
    for _ in 0..<count { keep(acceptBytes.withUnsafeBytes { Array($0) }) }
}

func inOrder(_ count: Int) {
    resequence(count) { index in (UInt32(truncatingIfNeeded: index), index & 1) }
}

/// Of every 64 packets the first half, on the other leg, comes after the second half, which waits for it.
func outOfOrder(_ count: Int) {
    resequence(count) { index in
        (UInt32(truncatingIfNeeded: index ^ 32), index & 32 == 0 ? 0 : 1)
    }
}

private func resequence(_ count: Int, _ packet: (_ index: Int) -> (sequence: UInt32, leg: Int)) {
    var resequencer = Resequencer(settings: .init(bufferLimit: 1024, timer: 1_000_000_000))
    var released: UInt64 = 0
    // The number before all others: a resequencer starts where its first packet is.
    resequencer.receive(sequence: .max, leg: 0, token: 0, now: 0) { released &+= $0 }
    for index in 0..<count {
        let (sequence, leg) = packet(index)
        resequencer.receive(sequence: sequence, leg: leg, token: UInt64(index), now: Int64(index) * 80_000) {
            released &+= $0
        }
    }
    keep(released)
}
