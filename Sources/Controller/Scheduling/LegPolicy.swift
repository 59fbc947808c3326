import Configuration
import Formatting
import GREBonding

/// What the operator wants of the legs in the direction that this end sends.
struct LegPolicy: Hashable {
    var distribution: LegDistribution
    /// What each leg may carry at most; nil: no limit.
    var limits: [LegID: BitRate]
    /// The legs' shares, at most 100 Gbit/s; only their ratio counts.
    private var firstWeight: UInt64 = 1
    private var secondWeight: UInt64 = 1

    /// Without weights the legs' rates stand for them, and without these the legs are equals.
    init(
        _ distribution: LegDistribution, limits: [LegID: BitRate], weights: LegWeights?, rates: (BitRate?, BitRate?)
    ) {
        self.distribution = distribution
        self.limits = limits
        if let weights {
            (firstWeight, secondWeight) = (UInt64(weights.dsl), UInt64(weights.lte))
        } else if let first = rates.0, let second = rates.1 {
            // What a leg may not carry is no reason to give it flows.
            firstWeight = min(first, limits[.primary] ?? first).bitsPerSecond
            secondWeight = min(second, limits[.secondary] ?? second).bitsPerSecond
        }
    }

    /// The primary leg's CIR, which its limit lowers and stands for where it is not known; nil: neither is.
    /// - Parameter kilobits: rate of the leg less what bypasses the bond, kbit/s; 0: not known
    func committed(_ kilobits: UInt32, _ colour: ColourConfiguration) -> BitRate? {
        let cir = kilobits > 0 ? colour.cir(of: BitRate(kilobitsPerSecond: UInt64(kilobits))) : nil
        return [cir, limits[.primary]].compactMap { $0 }.min()
    }

    /// Without a rate of the first leg nothing can overflow: it takes all.
    func distribution(_ wanted: Bond.Distribution, isRateKnown: Bool) -> Bond.Distribution {
        isRateKnown || distribution != .overflow ? wanted : wanted.first
    }

    /// The first leg's share of 65536, 1…65535.
    var share: UInt32 {
        let sum = max(1, firstWeight &+ secondWeight)
        return min(max(UInt32(clamping: firstWeight &* 65536 / sum), 1), 65535)
    }

    var sharing: Colouring.Sharing {
        switch distribution {
        case .overflow: .overflow
        case .weighted: .packets(share)
        case .perFlow: .flows(share)
        }
    }

    /// Where each flow keeps to its leg, nothing has to be put in order at the other end: packets are not numbered, so
    /// that it does not wait for those of other flows.
    var numbersPackets: Bool { distribution != .perFlow }
}

extension LegPolicy {
    /// Of a gateway: upstream.
    init(_ settings: HomeGatewayConfiguration) {
        var limits: [LegID: BitRate] = [:]
        limits[.primary] = settings.dsl.limit
        limits[.secondary] = settings.lte.limit
        let weights: LegWeights? =
            if let dsl = settings.dsl.weight, let lte = settings.lte.weight { LegWeights(dsl: dsl, lte: lte) } else { nil }
        self.init(
            settings.colour.distribution, limits: limits, weights: weights,
            rates: (settings.dsl.upstream, settings.lte.upstream))
    }

    /// Of an aggregation point: downstream, to one subscriber.
    init(_ colour: ColourConfiguration, _ rates: SubscriberRates) {
        var limits: [LegID: BitRate] = [:]
        limits[.primary] = rates.dslLimit
        limits[.secondary] = rates.lteLimit
        self.init(
            colour.distribution, limits: limits, weights: rates.weights, rates: (rates.dslDownstream, rates.lteDownstream))
    }
}

// MARK: Status

extension LegPolicy {
    /// What is not the default: `dsl_share_percent`, `limits_kbit`.
    func write(to bond: inout JSONObject) {
        if distribution != .overflow { bond.add("dsl_share_percent", (share * 100 + 32_768) / 65_536) }
        guard !limits.isEmpty else { return }
        var object = JSONObject()
        for (leg, name) in [(LegID.primary, "dsl"), (.secondary, "lte")] {
            if let limit = limits[leg] { object.add(name, limit.kilobitsPerSecond) }
        }
        bond.add("limits_kbit", object)
    }
}
