import Addresses
import ProtocolSupport

// Records as lines of text: words `name=value`. What is read may be anything; only what is written here is taken.

extension GatewayRecord {
    /// Its first line, and one for each package of the filter list.
    public var lines: [String] {
        let first = [
            "bond session=\(sessionID)", "key=\(key)", "haap=\(aggregator)", "up=\(primaryUpstreamRate)",
            "down=\(primaryDownstreamRate)", "bypass=\(upstreamBypass)", "legs=\(RecordLine.text(legs))",
            "parameters=\(parameters.text)", "hello=\(helloState.rawValue)", "far=\(isTooFar)",
            "left=\(leavesSecondary)", "diagnostic=\(isDiagnosing)", "delegated=\(RecordLine.text(delegatedPrefix))",
            "host=\(RecordLine.text(hostPrefix))",
        ].joined(separator: " ")
        guard let list = filterList,
            let packages = try? FilterListPackage.split(list.items, commitCount: list.commitCount)
        else { return [first] }
        return [first] + packages.map {
            let message = ControlMessage(type: .notify, leg: .primary, key: 0, attributes: [.filterListPackage($0)])
            return "filter package=\(RecordLine.hex(message.serialized(dialect: .rfc8157)))"
        }
    }

    /// nil for anything that ``lines`` does not give.
    public init?(lines: some Collection<Substring>) {
        guard let first = lines.first, let line = RecordLine(first, "bond", count: 14),
            let sessionID = line.number("session"), let key = line.number("key"), let haap = line.address("haap"),
            let up = line.number("up"), let down = line.number("down"), let bypass = line.number("bypass"),
            let legs = line.legs("legs"), let parameters = line.parameters("parameters"),
            let hello = line["hello"].flatMap({ HelloState(rawValue: String($0)) }), let far = line.flag("far"),
            let left = line.flag("left"), let diagnostic = line.flag("diagnostic"),
            let delegated = line.assigned("delegated"), let host = line.assigned("host")
        else { return nil }
        var assembler = FilterListAssembler()
        for text in lines.dropFirst() {
            guard let line = RecordLine(text, "filter", count: 1), let bytes = line.bytes("package"),
                let message = try? ControlMessage(parsing: bytes, dialect: .rfc8157), message.attributes.count == 1,
                case .filterListPackage(let package) = message.attributes[0]
            else { return nil }
            switch assembler.receive(package) {
            case .collected, .replaced: break
            case .duplicate, .rejected: return nil
            }
        }
        // One that is not whole is no list.
        guard assembler.pendingCommitCount == nil else { return nil }
        self.init(
            sessionID: sessionID, key: key, aggregator: haap, primaryUpstreamRate: up, primaryDownstreamRate: down,
            upstreamBypass: bypass, legs: legs, parameters: parameters, helloState: hello, isTooFar: far,
            leavesSecondary: left, isDiagnosing: diagnostic, delegatedPrefix: delegated, hostPrefix: host,
            filterList: assembler.current)
    }
}

extension AggregationRecord {
    /// - Parameter number: of the bond's device
    public func line(number: UInt32) -> String {
        [
            "bond session=\(sessionID)", "key=\(key)", "client=\(RecordLine.hex(client.bytes))", "haap=\(local)",
            "legs=\(RecordLine.text(legs))",
            "heard=\(confirmed.map(\.rawValue).sorted().map(String.init).joined(separator: ","))",
            "parameters=\(parameters.text)", "sync=\(dslSynchronizationRate)", "bypass=\(bypassRate)",
            "primary=\(primaryOnly)", "hello=\(helloState.rawValue)", "host=\(RecordLine.text(hostPrefix))",
            "commit=\(nextCommitCount)", "number=\(number)",
        ].joined(separator: " ")
    }

    /// nil for anything that ``line(number:)`` does not give.
    public static func read(_ text: Substring) -> (record: AggregationRecord, number: UInt32)? {
        guard let line = RecordLine(text, "bond", count: 14), let sessionID = line.number("session"),
            let key = line.number("key"),
            let client = line.bytes("client").flatMap(ClientIdentificationName.init(bytes:)),
            let local = line.address("haap"), let legs = line.legs("legs"),
            let heard = line.numbers("heard", isLoose: true), let parameters = line.parameters("parameters"),
            let sync = line.number("sync"), let bypass = line.number("bypass"), let primary = line.flag("primary"),
            let hello = line["hello"].flatMap({ HelloState(rawValue: String($0)) }),
            let host = line.assigned("host"), let commit = line.number("commit"), let number = line.number("number")
        else { return nil }
        let confirmed = heard.compactMap { UInt8(exactly: $0).map(LegID.init(rawValue:)) }
        guard confirmed.count == heard.count, confirmed.allSatisfy({ legs[$0] != nil }) else { return nil }
        let record = AggregationRecord(
            sessionID: sessionID, key: key, client: client, local: local, legs: legs,
            confirmed: Set(confirmed), parameters: parameters, dslSynchronizationRate: sync,
            bypassRate: bypass, primaryOnly: primary, helloState: hello, hostPrefix: host, nextCommitCount: commit)
        return (record, number)
    }
}

extension LegRateRecord {
    /// - Parameter sessionID: of the bond that the leg belongs to
    public func line(sessionID: UInt32) -> String {
        [
            "lte session=\(sessionID)", "rate=\(rate)", "capacity=\(capacity.map(String.init) ?? RecordLine.none)",
            "base=\(base.map { String($0.nanoseconds) } ?? RecordLine.none)", "worth=\(isWorthUsing)",
        ].joined(separator: " ")
    }

    /// nil for anything that ``line(sessionID:)`` does not give.
    public static func read(_ text: Substring) -> (record: LegRateRecord, sessionID: UInt32)? {
        guard let line = RecordLine(text, "lte", count: 5), let sessionID = line.number("session"),
            let rate = line.number64("rate"), let capacity = line.optional("capacity"),
            let base = line.optional("base"), let worth = line.flag("worth"),
            let record = LegRateRecord(
                rate: rate, capacity: capacity, base: base.map { .nanoseconds(Int64(clamping: $0)) },
                isWorthUsing: worth)
        else { return nil }
        return (record, sessionID)
    }
}

extension RecordLine {
    fileprivate func assigned(_ name: StaticString) -> AssignedIPv6Prefix? {
        prefix(name).flatMap(AssignedIPv6Prefix.init)
    }

    fileprivate func legs(_ name: StaticString) -> [LegID: IPAddress]? {
        guard let addresses = addresses(name) else { return nil }
        return Dictionary(uniqueKeysWithValues: addresses.map { (LegID(rawValue: $0), $1) })
    }

    fileprivate func parameters(_ name: StaticString) -> SessionParameters? {
        guard let values = numbers(name), values.count == 9 else { return nil }
        return SessionParameters(values)
    }

    fileprivate static func text(_ legs: [LegID: IPAddress]) -> String {
        legs.sorted { $0.key < $1.key }.map { "\($0.key.rawValue)@\($0.value)" }.joined(separator: ",")
    }

    fileprivate static func text(_ prefix: AssignedIPv6Prefix) -> String { "\(prefix.address)/\(prefix.length)" }
}

extension SessionParameters {
    fileprivate var text: String {
        [
            activeHelloInterval, idleHelloInterval, helloRetryTimes, rttDifferenceThreshold,
            rttDifferenceThresholdViolation, rttDifferenceThresholdCompliance, bypassBandwidthCheckInterval,
            idleTimeout, noTrafficMonitoredInterval,
        ].map { String($0) }.joined(separator: ",")
    }

    /// Nine numbers in the order of ``text``, each held inside its range.
    fileprivate init(_ values: [UInt32]) {
        self.init()
        take([
            .activeHelloInterval(values[0]), .idleHelloInterval(values[1]), .helloRetryTimes(values[2]),
            .rttDifferenceThreshold(values[3]), .rttDifferenceThresholdViolation(values[4]),
            .rttDifferenceThresholdCompliance(values[5]), .bypassBandwidthCheckInterval(values[6]),
            .idleTimeout(values[7]), .noTrafficMonitoredInterval(values[8]),
        ])
    }
}
