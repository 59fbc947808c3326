/// Ranges that may overlap, cut into pieces that do not, because a set of the kernel takes no others. A piece belongs to
/// the first of the ranges that cover it.
struct DisjointRanges {
    typealias Range = ClosedRange<UInt128>

    struct Piece: Hashable {
        var range: Range
        /// Position of the range in what was given.
        var owner: Int
    }

    private(set) var pieces: [Piece] = []

    init(_ ranges: [Range]) {
        // The first in the list comes last here.
        var active: [Int] = []
        Sweep.run(ranges) { segment, starting in
            for new in starting {
                var (low, high) = (0, active.count)
                while low < high {
                    let middle = (low + high) / 2
                    if active[middle] > new { low = middle + 1 } else { high = middle }
                }
                active.insert(new, at: low)
            }
            while let first = active.last, ranges[first].upperBound < segment.lowerBound { active.removeLast() }
            guard let owner = active.last else { return }
            append(Piece(range: segment, owner: owner))
        }
    }

    private mutating func append(_ piece: Piece) {
        if let last = pieces.last, last.owner == piece.owner, last.range.upperBound &+ 1 == piece.range.lowerBound {
            pieces[pieces.count - 1].range = last.range.lowerBound...piece.range.upperBound
        } else {
            pieces.append(piece)
        }
    }
}

/// The same for pairs of ranges, such as addresses with ports.
///
/// Overlaps multiply the pieces: n lists of ports over nested networks can make n² of them. What overlaps with too much
/// else is left out.
struct DisjointRectangles {
    typealias Range = ClosedRange<UInt128>

    struct Piece: Hashable {
        var first: Range
        var second: Range
        var owner: Int
    }

    /// Rectangles that may lie over one another, and pieces in all before no more overlaps are taken.
    static let depthLimit = 16
    static let pieceLimit = 65_536

    private(set) var pieces: [Piece] = []
    /// Positions of those that were left out.
    private(set) var left: [Int] = []

    init(_ rectangles: [(first: Range, second: Range)]) {
        var active: [Int] = []
        // The pieces that end where the segment before ends, and may grow.
        var open: [DisjointRanges.Piece] = []
        var openFrom = 0
        Sweep.run(rectangles.map(\.first)) { segment, starting in
            active.removeAll { rectangles[$0].first.upperBound < segment.lowerBound }
            for new in starting {
                if !active.isEmpty && (active.count >= Self.depthLimit || pieces.count >= Self.pieceLimit) {
                    left.append(new)
                } else {
                    active.append(new)
                }
            }
            active.sort()
            let found = DisjointRanges(active.map { rectangles[$0].second }).pieces
                .map { DisjointRanges.Piece(range: $0.range, owner: active[$0.owner]) }
            if found == open, let last = pieces.last, last.first.upperBound &+ 1 == segment.lowerBound {
                for i in openFrom..<pieces.count {
                    pieces[i].first = pieces[i].first.lowerBound...segment.upperBound
                }
            } else {
                openFrom = pieces.count
                open = found
                pieces += found.map { Piece(first: segment, second: $0.range, owner: $0.owner) }
            }
        }
    }
}

/// Goes through the segments between all the ends of ranges, in order.
private enum Sweep {
    /// - Parameter visit: gets a segment in which no range begins or ends but at its ends, and the ranges that begin there
    static func run(_ ranges: [ClosedRange<UInt128>], _ visit: (ClosedRange<UInt128>, [Int]) -> Void) {
        let order = ranges.indices.sorted { ranges[$0].lowerBound < ranges[$1].lowerBound }
        guard let last = ranges.map(\.upperBound).max() else { return }
        var cuts = Set(ranges.map(\.lowerBound))
        for range in ranges where range.upperBound < last { cuts.insert(range.upperBound + 1) }
        let sorted = cuts.sorted()
        var next = 0
        for (i, cut) in sorted.enumerated() {
            var starting: [Int] = []
            while next < order.count, ranges[order[next]].lowerBound == cut {
                starting.append(order[next])
                next += 1
            }
            let end = i + 1 < sorted.count ? sorted[i + 1] - 1 : last
            visit(cut...end, starting)
        }
    }
}
