import Addresses
import ProtocolSupport

/// A name somebody wants the addresses of. `use` is theirs, and says what for: one name may have several.
package struct WatchedName: Hashable, Sendable {
    package var pattern: NamePattern
    package var use: Int

    package init(_ pattern: NamePattern, use: Int = 0) {
        self.pattern = pattern
        self.use = use
    }
}

/// What is to become of an address.
package enum NameChange: Hashable, Sendable {
    /// It belongs to a watched name for as long as said from now on, in place of what was said before.
    case hold(IPAddress, use: Int, NameTable.Origin)
    /// It belongs to none any more. Where time alone ends it nothing is said.
    case release(IPAddress, use: Int)
}

/// The addresses of watched names, as answers tell them, until their time is over. Without input or output: answers
/// and times come in, changes go out. Times count from an origin of the caller's choice.
package struct NameTable: Sendable {
    package struct Settings: Hashable, Sendable {
        /// A TTL is held to this range.
        package var timeToLive: ClosedRange<Duration>
        /// How long an address lives on when its TTL is over: programs keep addresses longer than they should.
        package var grace: Duration
        /// Addresses of one pattern; a further one takes the place of the one with the least time left.
        package var addressesPerName: Int
        /// Addresses of private networks are believed, too.
        package var takesPrivate: Bool

        package init(
            timeToLive: ClosedRange<Duration> = .seconds(60)...Duration.seconds(86_400),
            grace: Duration = .seconds(120), addressesPerName: Int = 256, takesPrivate: Bool = false
        ) {
            self.timeToLive = timeToLive
            self.grace = grace
            self.addressesPerName = addressesPerName
            self.takesPrivate = takesPrivate
        }
    }

    /// Why an address was not taken. The names are stable: they are names of counters.
    package enum Refusal: String, CaseIterable, Sendable {
        /// No single host of another network could have it.
        case notUnicast = "not_unicast"
        case privateNetwork = "private_network"
        /// This host's, or of a network that is not behind an access link.
        case ownNetwork = "own_network"
        /// ``addressLimit`` are known.
        case tooMany = "too_many"
        /// Another address of the same name gave way; it was taken.
        case replaced
    }

    /// Addresses of all patterns together.
    package static let addressLimit = 16_384

    private struct Place: Hashable {
        var pattern: NamePattern
        var address: IPAddress
    }

    private struct Entry {
        var until: Duration
        /// The name in the question.
        var asked: DomainName
    }

    private struct Held: Hashable {
        var address: IPAddress
        var use: Int
    }

    package let settings: Settings
    private var index = NameIndex()
    private var uses: [NamePattern: Set<Int>] = [:]
    private var entries: [NamePattern: [IPAddress: Entry]] = [:]
    private var patterns: [IPAddress: Set<NamePattern>] = [:]
    private var deadlines = DeadlineQueue<Duration, Place>()
    /// Until when the changes so far say it.
    private var held: [Held: Duration] = [:]
    private var own: [IPPrefix] = []
    package private(set) var refused: [Refusal: UInt64] = [:]

    package init(settings: Settings) { self.settings = settings }

    package var isEmpty: Bool { uses.isEmpty }
    package var nameCount: Int { uses.count }
    package var addressCount: Int { deadlines.count }
    /// When ``expire(now:)`` is due.
    package var deadline: Duration? { deadlines.first }

    // MARK: What is watched

    /// From now on these names and no other. What is known of names that stay is kept.
    package mutating func watch(_ names: some Sequence<WatchedName>, now: Duration) -> [NameChange] {
        var wanted: [NamePattern: Set<Int>] = [:]
        for name in names { wanted[name.pattern, default: []].insert(name.use) }
        let before = uses
        uses = wanted
        index = NameIndex(wanted.keys)
        var changes: [NameChange] = []
        for (pattern, known) in entries where wanted[pattern] != before[pattern] {
            let affected = before[pattern, default: []].union(wanted[pattern, default: []])
            for address in known.keys {
                if wanted[pattern] == nil { forget(pattern, address) }
                for use in affected { settle(address, use, now, &changes) }
            }
        }
        return changes
    }

    /// Addresses of this host, and networks on which nothing that answers name may stand.
    package mutating func setOwn(_ prefixes: [IPPrefix], now: Duration) -> [NameChange] {
        guard prefixes != own else { return [] }
        own = prefixes
        var changes: [NameChange] = []
        for (address, holders) in patterns where isOwn(address) {
            for pattern in holders { drop(pattern, address, now, &changes) }
        }
        return changes
    }

    // MARK: What is known

    /// Whether the answer names something that is watched, and what changes.
    package mutating func take(_ answer: DNSAnswer, now: Duration) -> (isWatched: Bool, changes: [NameChange]) {
        // By how many of the names lead there, the patterns that are on the way.
        var reached: [[NamePattern]] = [[]]
        for name in answer.names {
            let before = reached[reached.count - 1]
            reached.append(before + index.patterns(matching: name).filter { !before.contains($0) })
        }
        var isWatched = false
        var changes: [NameChange] = []
        for entry in answer.addresses {
            let matching = reached[min(entry.depth, reached.count - 1)]
            guard !matching.isEmpty else { continue }
            isWatched = true
            if let refusal = refusal(of: entry.address) {
                count(refusal)
                continue
            }
            let time = Duration.seconds(Int64(entry.timeToLive))
            let life = min(max(time, settings.timeToLive.lowerBound), settings.timeToLive.upperBound) + settings.grace
            for pattern in matching {
                hold(pattern, entry.address, until: now + life, asked: answer.names[0], now, &changes)
            }
        }
        return (isWatched, changes)
    }

    /// Nothing came of these changes: what is to become of the same addresses by now, each once.
    package func again(_ changes: [NameChange], now: Duration) -> [NameChange] {
        var seen: Set<Held> = []
        return changes.compactMap { change in
            let key =
                switch change {
                case .hold(let address, let use, _), .release(let address, let use): Held(address: address, use: use)
                }
            return seen.insert(key).inserted ? self.change(key, now) : nil
        }
    }

    /// Forgets what is over. Whoever holds the addresses has been told their time.
    package mutating func expire(now: Duration) {
        while let place = deadlines.popDue(now) {
            forget(place.pattern, place.address)
            for use in uses[place.pattern] ?? [] where longest(place.address, use) == nil {
                held[Held(address: place.address, use: use)] = nil
            }
        }
    }

    /// All that is held, with the time that is left.
    package func holds(now: Duration) -> [NameChange] {
        held.keys.compactMap { key in
            guard let (pattern, entry) = longest(key.address, key.use), entry.until > now else { return nil }
            let origin = Origin(pattern: pattern, asked: entry.asked, left: entry.until - now)
            return .hold(key.address, use: key.use, origin)
        }
    }

    /// Why an address is held.
    package struct Origin: Hashable, Sendable, CustomStringConvertible {
        package var pattern: NamePattern
        /// The name in the question.
        package var asked: DomainName
        /// How long it will be held.
        package var left: Duration

        /// `*.example.net (www.example.net)`, or the name alone where it is the pattern.
        package var description: String {
            pattern.description == asked.description ? "\(pattern)" : "\(pattern) (\(asked))"
        }
    }

    /// Which names an address is known by, the one with the most time first.
    package func origins(of address: IPAddress, now: Duration) -> [Origin] {
        (patterns[address] ?? []).compactMap { pattern in
            guard let entry = entries[pattern]?[address], entry.until > now else { return nil }
            return Origin(pattern: pattern, asked: entry.asked, left: entry.until - now)
        }.sorted { ($1.left, $0.pattern.description) < ($0.left, $1.pattern.description) }
    }

    /// Addresses of each watched name.
    package func counts() -> [(pattern: NamePattern, addresses: Int)] {
        uses.keys.map { ($0, entries[$0]?.count ?? 0) }
    }

    // MARK: -

    private mutating func hold(
        _ pattern: NamePattern, _ address: IPAddress, until: Duration, asked: DomainName, _ now: Duration,
        _ changes: inout [NameChange]
    ) {
        var until = until
        if let entry = entries[pattern]?[address] {
            // Servers count a TTL down: what hardly lives longer is not worth a change in the kernel.
            if until - entry.until <= max(.seconds(1), settings.grace / 8) { until = entry.until }
        } else {
            if let known = entries[pattern], known.count >= settings.addressesPerName,
                let oldest = known.min(by: { $0.value.until < $1.value.until })
            {
                count(.replaced)
                drop(pattern, oldest.key, now, &changes)
            }
            guard deadlines.count < Self.addressLimit else { return count(.tooMany) }
        }
        entries[pattern, default: [:]][address] = Entry(until: until, asked: asked)
        patterns[address, default: []].insert(pattern)
        deadlines.set(Place(pattern: pattern, address: address), until)
        for use in uses[pattern] ?? [] { settle(address, use, now, &changes) }
    }

    private mutating func drop(
        _ pattern: NamePattern, _ address: IPAddress, _ now: Duration, _ changes: inout [NameChange]
    ) {
        forget(pattern, address)
        for use in uses[pattern] ?? [] { settle(address, use, now, &changes) }
    }

    private mutating func forget(_ pattern: NamePattern, _ address: IPAddress) {
        entries[pattern]?[address] = nil
        if entries[pattern]?.isEmpty == true { entries[pattern] = nil }
        patterns[address]?.remove(pattern)
        if patterns[address]?.isEmpty == true { patterns[address] = nil }
        deadlines.remove(Place(pattern: pattern, address: address))
    }

    /// What holds an address longest for a use.
    private func longest(_ address: IPAddress, _ use: Int) -> (pattern: NamePattern, entry: Entry)? {
        (patterns[address] ?? []).filter { uses[$0]?.contains(use) == true }
            .compactMap { pattern in entries[pattern]?[address].map { (pattern, $0) } }
            .max { $0.1.until < $1.1.until }
    }

    private mutating func settle(_ address: IPAddress, _ use: Int, _ now: Duration, _ changes: inout [NameChange]) {
        let key = Held(address: address, use: use)
        let wanted = longest(address, use)
        guard wanted?.entry.until != held[key] else { return }
        held[key] = wanted?.entry.until
        changes.append(change(key, now))
    }

    private func change(_ key: Held, _ now: Duration) -> NameChange {
        guard let (pattern, entry) = longest(key.address, key.use), entry.until > now else {
            return .release(key.address, use: key.use)
        }
        let origin = Origin(pattern: pattern, asked: entry.asked, left: entry.until - now)
        return .hold(key.address, use: key.use, origin)
    }

    private mutating func count(_ refusal: Refusal) { refused[refusal, default: 0] &+= 1 }

    private func isOwn(_ address: IPAddress) -> Bool { own.contains { $0.contains(address) } }

    private func refusal(of address: IPAddress) -> Refusal? {
        if !address.isUnicast || address.isLinkLocal || Self.noHosts.contains(where: { $0.contains(address) }) {
            return .notUnicast
        }
        if isOwn(address) { return .ownNetwork }
        if !settings.takesPrivate, Self.privateNetworks.contains(where: { $0.contains(address) }) {
            return .privateNetwork
        }
        return nil
    }

    /// "This network" and the reserved class; IPv4 addresses in IPv6 form, and site-local ones.
    private static let noHosts = prefixes("0.0.0.0/8", "240.0.0.0/4", "::/96", "::ffff:0:0/96", "fec0::/10")
    /// RFC 1918, RFC 6598, RFC 4193.
    private static let privateNetworks = prefixes(
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")

    private static func prefixes(_ texts: String...) -> [IPPrefix] { texts.compactMap { IPPrefix($0) } }
}
