import Addresses

@testable import DNSAnswers

// Answers of the DNS, and what is known by them. The first byte chooses: one message, or a script of messages, times and
// lists for the table of names.

func runNames(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    if first & 1 == 0 {
        _ = answer(Array(bytes.dropFirst()))
    } else {
        runTable(Script(bytes: Array(bytes.dropFirst())))
    }
}

/// What is taken from a message keeps to its limits.
func answer(_ bytes: [UInt8]) -> DNSAnswer? {
    guard let answer = try? DNSAnswer(parsing: bytes.span.bytes) else { return nil }
    check((1...DNSAnswer.nameLimit).contains(answer.names.count), "names")
    check((1...DNSAnswer.addressLimit).contains(answer.addresses.count), "addresses")
    check(answer.addresses.allSatisfy { (1...answer.names.count).contains($0.depth) }, "a depth without a name")
    for name in answer.names {
        check(name.bytes.count < 255, "a long name")
        check(name.description.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "a name that is not safe to print")
    }
    return answer
}

let watched = ["a", "*.a", "b.a", "*.b.a", "www.example.net", "*.example.net", "*.net"].compactMap { NamePattern($0) }

/// Whoever follows the changes, and time, holds just what the table says is held.
func runTable(_ script: Script) {
    struct Held: Hashable {
        var address: IPAddress
        var use: Int
    }

    var script = script
    var now = Duration.zero
    var table = NameTable(settings: .init(grace: .seconds(30), addressesPerName: 3))
    var held: [Held: Duration] = [:]
    func follow(_ changes: [NameChange]) {
        for change in changes {
            switch change {
            case .hold(let address, let use, let origin):
                check(address.isUnicast, "an address that no host has")
                held[Held(address: address, use: use)] = now + origin.left
            case .release(let address, let use): held[Held(address: address, use: use)] = nil
            }
        }
    }
    var refused: [NameChange] = []
    var steps = 0
    while let operation = script.byte(), steps < 100 {
        steps += 1
        switch operation & 7 {
        case 0...3:
            let end = min(script.place + Int(script.byte() ?? 0), script.bytes.count)
            let message = script.place < end ? Array(script.bytes[script.place..<end]) : []
            script.place = max(end, script.place)
            guard let answer = answer(message) else { break }
            let taken = table.take(answer, now: now)
            check(taken.isWatched || taken.changes.isEmpty, "changes by another name")
            if operation & 128 == 0 {
                follow(taken.changes)
            } else {
                // The kernel refused it: it is asked again later, as it is wanted by then.
                refused += taken.changes
            }
        case 4:
            now += .seconds(Int64(script.byte() ?? 0) * (operation & 16 == 0 ? 1 : 100))
            follow(table.again(refused, now: now))
            refused = []
        case 5, 6:
            let mask = Int(script.byte() ?? 0)
            let names = watched.indices.filter { mask >> $0 & 1 == 1 }.flatMap { number in
                (0...(Int(operation >> 4) & 1)).map { WatchedName(watched[number], use: $0) }
            }
            follow(table.watch(names, now: now))
        default:
            let own = (0..<Int(operation >> 6)).map { _ in
                IPPrefix(.v4(IPv4Address(rawValue: script.number())), length: 8 + (operation >> 3 & 7) * 3)
            }
            follow(table.setOwn(own.compactMap { $0?.masked }, now: now))
        }
        table.expire(now: now)
        held = held.filter { $0.value > now }
        var said: [Held: Duration] = [:]
        for case .hold(let address, let use, let origin) in table.holds(now: now) {
            said[Held(address: address, use: use)] = now + origin.left
        }
        if refused.isEmpty { check(said == held, "the table holds something else: \(said) \(held)") }
        if let deadline = table.deadline { check(deadline > now, "the table spins") }
        check(table.addressCount <= watched.count * 3, "more addresses than a name may have")
        check(!table.isEmpty || table.addressCount == 0, "addresses of names that nobody watches")
    }
}
