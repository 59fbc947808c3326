/// Figures as people read them.
public enum Wording {
    /// "850 kbit/s", "12.3 Mbit/s", "1.25 Gbit/s"
    public static func rate(_ bits: UInt64) -> String {
        switch bits {
        case 0: "0"
        case ..<1_000_000: "\(bits / 1000) kbit/s"
        case ..<1_000_000_000: "\(decimal(bits / 100_000, places: 1)) Mbit/s"
        default: "\(decimal(bits / 10_000_000, places: 2)) Gbit/s"
        }
    }

    /// Microseconds as "0.35 ms", "20.3 ms", "1250 ms".
    public static func milliseconds(_ us: Int64) -> String {
        let us = UInt64(max(0, us))
        return switch us {
        case ..<1000: "\(decimal(us / 10, places: 2)) ms"
        case ..<1_000_000: "\(decimal(us / 100, places: 1)) ms"
        default: "\(us / 1000) ms"
        }
    }

    /// Seconds as "35 s", "12 min 5 s", "3 h 2 min", "2 d 3 h".
    public static func time(_ seconds: Int64) -> String {
        let s = max(0, seconds)
        switch s {
        case ..<60: return "\(s) s"
        case ..<3600: return "\(s / 60) min \(s % 60) s"
        case ..<86400: return "\(s / 3600) h \(s / 60 % 60) min"
        default: return "\(s / 86400) d \(s / 3600 % 24) h"
        }
    }

    /// Hellos that were not answered, in percent; the one that is under way is not counted. nil before the first.
    public static func helloLoss(sent: UInt64, answered: UInt64) -> String? {
        guard sent > 1 else { return nil }
        let lost = sent > answered &+ 1 ? sent - answered - 1 : 0
        return "\(decimal(lost &* 1000 / (sent - 1), places: 1)) %"
    }

    private static func decimal(_ value: UInt64, places: Int) -> String {
        let unit: UInt64 = places == 1 ? 10 : 100
        let rest = String(value % unit)
        return "\(value / unit).\(String(repeating: "0", count: places - rest.utf8.count))\(rest)"
    }
}
