import Glibc

/// What the terminal can show.
struct Style {
    var hasColours: Bool
    /// Block characters for pictures; otherwise plain ASCII.
    var hasBlocks: Bool

    enum Colour: Int {
        case red = 31, green = 32, yellow = 33, blue = 34
        case bold = 1, dim = 2
    }

    /// Whether the locale's characters are UTF-8, as far as the environment says.
    static var isUTF8: Bool {
        for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
            guard let value = getenv(name).map({ String(cString: $0).lowercased() }), !value.isEmpty else { continue }
            return value.contains("utf-8") || value.contains("utf8")
        }
        return false
    }

    func paint(_ text: String, _ colour: Colour) -> String {
        hasColours ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// A bar of `width` places, of which `share` percent are filled.
    func bar(_ share: Int, width: Int) -> String {
        let filled = min(max(share, 0), 100) * width / 100
        return String(repeating: hasBlocks ? "█" : "#", count: filled)
            + String(repeating: hasBlocks ? "░" : ".", count: width - filled)
    }

    /// The last `width` values as a line of little columns, the highest as high as a line.
    func sparkline(_ values: [Int64], width: Int) -> String {
        let steps = Array(hasBlocks ? "▁▂▃▄▅▆▇█" : "_.-:=+*#")
        let last = values.suffix(width)
        let most = max(last.max() ?? 0, 1)
        return String(last.map { steps[Int(max(0, $0) * Int64(steps.count - 1) / most)] })
    }
}

extension String {
    /// Cut or filled to so many places.
    func fitted(_ width: Int) -> String {
        count > width ? String(prefix(max(0, width - 1))) + "…" : self + String(repeating: " ", count: width - count)
    }

    /// Without what gives orders to a terminal.
    var printable: String {
        var text = String.UnicodeScalarView()
        for scalar in unicodeScalars { text.append(scalar.properties.generalCategory == .control ? " " : scalar) }
        return String(text)
    }
}
