/// The wall clock's time as text, without a calendar library.
public enum UTCTime {
    /// "2025-01-31T23:59:59.042Z" (RFC 3339) for a time since 1970-01-01T00:00Z.
    public static func text(seconds: Int64, milliseconds: Int64) -> String {
        "\(whole(seconds)).\(String(1000 + milliseconds % 1000).dropFirst())Z"
    }

    /// The same with nine decimal places. Any numbers may come, as from a damaged file: a time outside of the years
    /// 1970 to 9999 or a fraction outside of 0…999999999 becomes the nearest one inside.
    public static func text(seconds: Int64, nanoseconds: Int64) -> String {
        let seconds = min(max(seconds, 0), 253_402_300_799)
        let nanoseconds = min(max(nanoseconds, 0), 999_999_999)
        return "\(whole(seconds)).\(String(1_000_000_000 + nanoseconds).dropFirst())Z"
    }

    /// "Sun, 06 Nov 1994 08:49:37 GMT": IMF-fixdate of RFC 9110 §5.6.7, for a time since 1970-01-01T00:00Z.
    public static func httpDate(seconds: Int64) -> String {
        let seconds = max(0, seconds)
        let days = seconds / 86400
        let (year, month, day) = civil(days: days)
        let names = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let time = whole(seconds).dropFirst(11)
        return "\(names[Int(days % 7)]), \(day < 10 ? "0" : "")\(day) \(months[Int(month) - 1]) \(year) \(time) GMT"
    }

    /// The date of a time since 1970-01-01T00:00Z.
    public static func date(seconds: Int64) -> (year: Int64, month: Int64, day: Int64) {
        civil(days: seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400)
    }

    /// Days from 1970-01-01 to a date of the Gregorian calendar. - Parameter month: 1…12
    public static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func whole(_ seconds: Int64) -> String {
        let days = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400
        let second = seconds - days * 86400
        let (year, month, day) = civil(days: days)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(year)-\(two(month))-\(two(day))T\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
    }

    /// The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is the
    /// last of its year.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468  // since 0000-03-01
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097  // 400 years
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        )
    }
}
