/// Finds the key that was probably meant.
enum Spelling {
    /// The candidate with the fewest edits, when they are few enough for the word's length to make it a likely slip.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        guard word.utf8.count <= 64 else { return nil }
        let limit = max(1, word.utf8.count / 3)
        let best = candidates.map { (name: $0, distance: distance(word, $0)) }.min { $0.distance < $1.distance }
        guard let best, best.distance <= limit else { return nil }
        return best.name
    }

    /// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`; "_", "-" and case don't
    /// count.
    static func distance(_ a: String, _ b: String) -> Int {
        let a = normal(a)
        let b = normal(b)
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, beforeLast[j - 1] + 1) }
                row.append(best)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }

    private static func normal(_ text: String) -> [UInt8] {
        text.utf8.compactMap { byte in
            switch byte {
            case 0x5F, 0x2D: nil
            case 0x41...0x5A: byte | 0x20
            default: byte
            }
        }
    }
}
