import GREBonding

/// A difference between the settings that a daemon runs with and those of its file.
public struct SettingsChange: Hashable, Sendable {
    /// What the file calls it: a table's name, or a key outside tables.
    public var section: String
    /// "gateway-7 added", "2 added, 1 removed", "changed"
    public var what: String
    /// Whether a running daemon takes it; else it counts from the next start on.
    public var isLive: Bool
}

extension Configuration {
    /// What differs, in the order of the manual, and the settings that run on: these with all that is live of `new`.
    public func changes(to new: Configuration) -> (changes: [SettingsChange], result: Configuration) {
        switch (self, new) {
        case (.homeGateway(let old), .homeGateway(let new)):
            let (changes, result) = old.changes(to: new)
            return (changes, .homeGateway(result))
        case (.aggregationPoint(let old), .aggregationPoint(let new)):
            let (changes, result) = old.changes(to: new)
            return (changes, .aggregationPoint(result))
        default: return ([SettingsChange(section: "role", what: "changed", isLive: false)], self)
        }
    }
}

/// Compares two settings section by section.
private struct Comparison<Settings> {
    let old: Settings
    let new: Settings
    var result: Settings
    var changes: [SettingsChange] = []

    init(_ old: Settings, _ new: Settings) {
        self.old = old
        self.new = new
        result = old
    }

    mutating func fixed<Value: Equatable>(_ section: String, _ value: KeyPath<Settings, Value>) {
        if old[keyPath: value] != new[keyPath: value] { note(section, "changed", false) }
    }

    mutating func live<Value: Equatable>(
        _ section: String, _ value: WritableKeyPath<Settings, Value>, if isLive: Bool = true,
        _ what: (Value, Value) -> String = { _, _ in "changed" }
    ) {
        let (before, after) = (old[keyPath: value], new[keyPath: value])
        guard before != after else { return }
        note(section, what(before, after), isLive)
        if isLive { result[keyPath: value] = after }
    }

    mutating func note(_ section: String, _ what: String, _ isLive: Bool) {
        changes.append(SettingsChange(section: section, what: what, isLive: isLive))
    }
}

/// The sections that both roles have.
private protocol SharedSections {
    var resequencer: ResequencerConfiguration { get }
    var colour: ColourConfiguration { get }
    var ipsec: IPsecConfiguration? { get }
    var kernel: KernelConfiguration { get }
    var control: ControlConfiguration { get }
    var state: StateConfiguration { get }
    var hooks: HooksConfiguration { get }
    var http: HTTPConfiguration { get }
    var log: LogConfiguration { get }
}

extension HomeGatewayConfiguration: SharedSections {}
extension AggregationPointConfiguration: SharedSections {}

extension Comparison where Settings: SharedSections {
    mutating func sharedSections() {
        fixed("resequencer", \.resequencer)
        fixed("colour", \.colour)
        fixed("ipsec", \.ipsec)
        fixed("kernel", \.kernel)
        fixed("control", \.control)
        fixed("state", \.state)
        fixed("hooks", \.hooks)
        fixed("http", \.http)
        fixed("log", \.log)
    }
}

/// "2 added, 1 removed"; the order of a list means nothing.
private func counts<Item: Hashable>(_ old: [Item], _ new: [Item]) -> String {
    let (before, after) = (Set(old), Set(new))
    let parts = [(after.subtracting(before).count, "added"), (before.subtracting(after).count, "removed")]
    let text = parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    return text.isEmpty ? "in another order" : text
}

/// Whether pins can come and go without a filter that is replaced: with a queue its program looks for them, with
/// `police` a filter does, which is there or is not.
private func arePinsLive(_ old: [Pin], _ new: [Pin], _ colour: ColourConfiguration) -> Bool {
    colour.overflow == .queue || old.isEmpty == new.isEmpty
}

extension HomeGatewayConfiguration {
    fileprivate func changes(to new: Self) -> ([SettingsChange], Self) {
        var all = Comparison(self, new)
        all.fixed("haap", \.haap)
        all.fixed("family", \.family)
        all.fixed("lan", \.lan)
        all.fixed("cin", \.cin)
        all.fixed("dialect", \.dialect)
        let legs: [(String, WritableKeyPath<Self, LegConfiguration>)] = [("dsl", \.dsl), ("lte", \.lte)]
        for (name, leg) in legs {
            all.live("\(name).limit", leg.appending(path: \.limit))
            all.live("\(name).weight", leg.appending(path: \.weight))
            var rest = self[keyPath: leg]
            (rest.limit, rest.weight) = (new[keyPath: leg].limit, new[keyPath: leg].weight)
            if rest != new[keyPath: leg] { all.note(name, "changed", false) }
        }
        all.fixed("tunnel", \.tunnel)
        all.live("bypass", \.bypass, counts)
        all.live("exception", \.exceptions, counts)
        all.live("pin", \.pins, if: arePinsLive(pins, new.pins, colour), counts)
        all.fixed("names", \.names)
        all.sharedSections()
        return (all.changes, all.result)
    }
}

extension AggregationPointConfiguration {
    fileprivate func changes(to new: Self) -> ([SettingsChange], Self) {
        var all = Comparison(self, new)
        all.fixed("address", \.addresses)
        all.fixed("anycast", \.anycast)
        all.fixed("address_lifetime", \.addressLifetime)
        all.fixed("dialect", \.dialect)
        all.fixed("session", \.session)
        all.fixed("tunnel", \.tunnel)
        all.fixed("dhcp", \.dhcp)
        all.fixed("relay", \.relay)
        all.fixed("pool", \.pools)
        subscribers(&all)
        all.fixed("radius", \.radius)
        all.fixed("limits", \.limits)
        all.live("filter_list", \.filterLists) { before, after in
            let names = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }.sorted()
            return names.map { "\($0) \(Self.word(before[$0], after[$0]))" }.joined(separator: ", ")
        }
        all.live("pin", \.pins, if: arePinsLive(pins, new.pins, colour), counts)
        all.sharedSections()
        return (all.changes, all.result)
    }

    /// One change for each subscriber: `[defaults]` are in them already. What is leased to one that was there is decided
    /// at the start, and what RADIUS servers may grant, too.
    private func subscribers(_ all: inout Comparison<Self>) {
        let isLive = radius == nil && all.new.radius == nil
        if !isLive {
            all.fixed("subscriber", \.subscribers)
            all.fixed("defaults", \.unlisted)
            return
        }
        let before = Dictionary(subscribers.map { ($0.cin, $0) }, uniquingKeysWith: { first, _ in first })
        let after = Set(all.new.subscribers.map(\.cin))
        var taken: [SubscriberConfiguration] = []
        for subscriber in all.new.subscribers {
            let old = before[subscriber.cin]
            guard old != subscriber else {
                taken.append(subscriber)
                continue
            }
            let isLeased = old.map {
                $0.address != subscriber.address || $0.prefix != subscriber.prefix || $0.pool != subscriber.pool
            }
            let isTaken = !dhcp.isEnabled || isLeased != true
            taken.append(isTaken ? subscriber : old ?? subscriber)
            all.note("subscriber", "\(subscriber.cin) \(Self.word(old, subscriber))", isTaken)
        }
        for old in subscribers where !after.contains(old.cin) { all.note("subscriber", "\(old.cin) removed", true) }
        all.result.subscribers = taken
        (all.result.defaults, all.result.unlisted) = (all.new.defaults, all.new.unlisted)
        all.result.defaultFilterList = all.new.defaultFilterList
    }

    private static func word<Value>(_ old: Value?, _ new: Value?) -> String {
        old == nil ? "added" : new == nil ? "removed" : "changed"
    }
}
