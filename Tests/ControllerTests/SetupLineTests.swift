import Addresses
import GREBonding
import Testing

@testable import Controller

@Suite struct SetupLineTests {
    private func request(_ number: UInt32) -> SetupLine.Request {
        SetupLine.Request(
            message: ControlMessage(type: .setupRequest, leg: .secondary, key: 0, attributes: []),
            source: .v4(IPv4Address(rawValue: number)), destination: .v4(IPv4Address(10, 9, 0, 1)))
    }

    @Test func eachHasItsTurnInOrderAndOnce() {
        var line = SetupLine()
        #expect(line.isEmpty && line.next() == nil)
        for number in 0..<10 as Range<UInt32> { #expect(line.add(request(number)) == .waits) }
        #expect(line.add(request(3)) == .waitsAlready)
        for number in 0..<10 as Range<UInt32> { #expect(line.next() == request(number)) }
        #expect(line.isEmpty && line.next() == nil)
        #expect(line.add(request(3)) == .waits)
    }

    /// There is room for the end of each bond, whoever else waits, and a second Tear Down, by the other leg, is the same.
    @Test func eachBondEndsOnce() {
        var line = SetupLine()
        func end(_ key: UInt32, _ leg: LegID = .primary) -> SetupLine.Request {
            SetupLine.Request(
                message: ControlMessage(type: .tearDown, leg: leg, key: key), source: .v4(IPv4Address(10, 1, 0, 1)),
                destination: .v4(IPv4Address(10, 9, 0, 1)))
        }
        for number in 0..<UInt32(SetupLine.limit) { #expect(line.add(request(number)) == .waits) }
        #expect(line.add(end(1)) == .waits && line.add(end(2)) == .waits)
        #expect(line.add(end(1, .secondary)) == .waitsAlready)
        for number in 0..<UInt32(SetupLine.limit) { #expect(line.next() == request(number)) }
        #expect(!line.isEmpty && line.next() == end(1) && line.next() == end(2) && line.isEmpty)
        #expect(line.add(end(1)) == .waits)
    }

    /// Whatever comes, and however long: so many wait, and no more.
    @Test func thereIsAnEnd() {
        var line = SetupLine()
        var taken: UInt32 = 0
        for number in 0..<UInt32(10 * SetupLine.limit) {
            let outcome = line.add(request(number))
            if number < SetupLine.limit { #expect(outcome == .waits) }
            if number >= SetupLine.limit, number < 2 * SetupLine.limit { #expect(outcome == .noRoom) }
            if number >= 2 * SetupLine.limit, number % 2 == 0, line.next() != nil { taken += 1 }
        }
        var left = 0
        while line.next() != nil { left += 1 }
        #expect(left <= SetupLine.limit && taken == 8 * SetupLine.limit / 2)
    }
}
