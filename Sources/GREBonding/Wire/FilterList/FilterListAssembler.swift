/// A whole filter list: the items of all packages of one Commit_Count, in the order of their Packet_ID.
public struct FilterList: Hashable, Sendable {
    /// The version of the list.
    public var commitCount: UInt32
    /// All items, those that are disabled or of reserved types included.
    public var items: [FilterItem]

    /// A list as one.
    public init(commitCount: UInt32, items: [FilterItem]) {
        self.commitCount = commitCount
        self.items = items
    }
}

/// Collects Filter List Packages until a list is whole, on the HG: RFC 8157 §5.6.2.
///
/// The list in force is replaced as one, by the package that makes a newer list whole; packages may come in any order
/// and more than once. A package of a newer list drops what had been collected of an older one. Newer is meant in
/// serial number arithmetic, so Commit_Count may wrap; an aggregator that starts over with lower counts also starts a
/// new bond, and with it comes a new assembler. Memory is bounded by ``Limits``, whatever the peer sends.
public struct FilterListAssembler: Hashable, Sendable {
    /// What one list may take; a list that needs more is rejected.
    public struct Limits: Hashable, Sendable {
        /// Packages of one list.
        public var packages: Int
        /// Items of one list.
        public var items: Int
        /// Bytes of all package values of one list.
        public var bytes: Int

        /// The defaults leave room for 10 000 items of a usual length and more.
        public init(packages: Int = 2048, items: Int = 16_384, bytes: Int = 2 << 20) {
            self.packages = packages
            self.items = items
            self.bytes = bytes
        }
    }

    /// Why a package was not taken. The raw values are stable: they name counters.
    public enum Rejection: String, Hashable, Sendable, CaseIterable {
        /// Packet_Sum is 0, or Packet_ID is not in 1…Packet_Sum.
        case packetNumbering = "packet_numbering"
        /// An item does not fit its package.
        case malformedItem = "malformed_item"
        /// The Commit_Count is older than that of the list in force, or than that of the list being collected.
        case staleCommitCount = "stale_commit_count"
        /// Packet_Sum differs from that of the list's other packages.
        case packetSumChanged = "packet_sum_changed"
        /// A Packet_ID came again with other items.
        case packageChanged = "package_changed"
        /// Packet_Sum exceeds ``Limits/packages``.
        case tooManyPackages = "too_many_packages"
        /// The items so far and these exceed ``Limits/items``.
        case tooManyItems = "too_many_items"
        /// The packages so far and this one exceed ``Limits/bytes``.
        case tooManyBytes = "too_many_bytes"
    }

    /// What became of a package.
    public enum Outcome: Hashable, Sendable {
        /// Taken; so many packages are missing.
        case collected(missing: Int)
        /// Taken; the list is whole and now the one in force.
        case replaced(FilterList)
        /// Already known, as after a lost acknowledgement: to be acknowledged again.
        case duplicate
        /// Not taken; list in force and packages collected so far are as before.
        case rejected(Rejection)
    }

    /// The bounds of memory.
    public let limits: Limits
    /// The list in force; nil until the first one is whole.
    public private(set) var current: FilterList?

    private struct Pending: Hashable {
        var commitCount: UInt32
        var packetSum: UInt16
        var packages: [UInt16: [FilterItem]] = [:]
        var itemCount = 0
        var byteCount = 0

        init(_ package: FilterListPackage) {
            commitCount = package.commitCount
            packetSum = package.packetSum
        }
    }
    private var pending: Pending?

    /// `current` is a list that is in force already, for example one kept over a restart.
    public init(limits: Limits = Limits(), current: FilterList? = nil) {
        self.limits = limits
        self.current = current
    }

    /// The Commit_Count of a list of which some packages, not all, are there.
    public var pendingCommitCount: UInt32? { pending?.commitCount }

    /// Takes one package in.
    public mutating func receive(_ package: FilterListPackage) -> Outcome {
        guard package.packetID >= 1, package.packetID <= package.packetSum else {
            return .rejected(.packetNumbering)
        }
        guard package.malformedRemainder.isEmpty else { return .rejected(.malformedItem) }
        if let current {
            if package.commitCount == current.commitCount { return .duplicate }
            if !package.commitCount.isNewer(than: current.commitCount) { return .rejected(.staleCommitCount) }
        }
        if let pending, package.commitCount != pending.commitCount,
            !package.commitCount.isNewer(than: pending.commitCount)
        {
            return .rejected(.staleCommitCount)
        }
        guard Int(package.packetSum) <= limits.packages else { return .rejected(.tooManyPackages) }

        var next = Pending(package)
        if let pending, pending.commitCount == package.commitCount {
            guard pending.packetSum == package.packetSum else { return .rejected(.packetSumChanged) }
            if let known = pending.packages[package.packetID] {
                return known == package.items ? .duplicate : .rejected(.packageChanged)
            }
            next = pending
        }
        // The sums cannot overflow: both terms are bounded, by the limits and by the length of an attribute.
        guard next.itemCount &+ package.items.count <= limits.items else { return .rejected(.tooManyItems) }
        guard next.byteCount &+ package.valueLength <= limits.bytes else { return .rejected(.tooManyBytes) }
        next.itemCount &+= package.items.count
        next.byteCount &+= package.valueLength
        next.packages[package.packetID] = package.items

        let missing = Int(next.packetSum) - next.packages.count
        guard missing == 0 else {
            pending = next
            return .collected(missing: missing)
        }
        let items = next.packages.sorted { $0.key < $1.key }.flatMap(\.value)
        let list = FilterList(commitCount: next.commitCount, items: items)
        current = list
        pending = nil
        return .replaced(list)
    }

    /// The answer that the standard has for a package, given what ``receive(_:)`` made of it.
    public func acknowledgement(of package: FilterListPackage, outcome: Outcome) -> FilterListPackageACK {
        let code: FilterListPackageACK.Code =
            switch outcome {
            case .collected, .replaced, .duplicate: .acknowledged
            case .rejected: current == nil ? .noListYet : .oldListKept
            }
        return FilterListPackageACK(commitCount: package.commitCount, code: code)
    }
}

extension UInt32 {
    /// Serial number arithmetic: less than half of the number space ahead.
    fileprivate func isNewer(than other: UInt32) -> Bool { self != other && self &- other < 0x8000_0000 }
}
