import NetlinkKit

extension Colouring {
    /// A burst that a whole packet of segmentation offload fits into: one that does not would never pass a limit.
    static let burstOfLimit: UInt32 = 70_000

    /// The actions of the two filters of a device without a queue: what conforms takes the first, the rest the second.
    var actions: [[Action.Kind]] {
        let first = marking(primary)
        let second = marking(secondary)
        guard limits.contains(where: { $0 > 0 }) else { return [[.police(police), first], [second]] }
        if primary != secondary { return [[.police(police), first], [.police(limiting(limits[1])), second]] }
        // One leg: what is beyond its limit comes to the second filter, and no further.
        let isSecond = legs == 2
        let limit = limits[isSecond ? 1 : 0]
        guard limit > 0 else { return [[.police(police), first], [.police(limiting(0)), second]] }
        let within = Police(
            rate: limit, burst: max(burst, Self.burstOfLimit), overhead: isSecond ? secondaryOverhead : overhead,
            conform: .pipe, exceed: .continue)
        return [[.police(within), first], [.police(Police(rate: 1, burst: 0, exceed: .drop)), second]]
    }

    private var police: Police {
        Police(rate: max(rate, 1), burst: burst, overhead: overhead, conform: .pipe, exceed: .continue)
    }

    /// Drops what is beyond a limit; 0 drops nothing.
    private func limiting(_ limit: UInt64) -> Police {
        Police(
            rate: max(limit, 1), burst: max(burst, Self.burstOfLimit), overhead: secondaryOverhead, conform: .pipe,
            exceed: limit > 0 ? .drop : .pipe)
    }

    private func marking(_ mark: UInt32) -> Action.Kind { .skbedit(SkbEdit(mark: .init(mark, mask: mask), verdict: .pass)) }
}
