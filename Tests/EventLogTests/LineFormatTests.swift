import Formatting
import Logging
import Testing

@testable import EventLog

@Suite struct LineFormatTests {
    private let fields = ["reason": "leg-up", "leg": "dsl", "cin": "a b", "n": "", "q": "x=\"\n"]

    private func line(_ style: LineFormat.Style, isJournal: Bool, level: Logger.Level = .info) -> String {
        LineFormat(style: style, isJournal: isJournal).line(
            level: level, message: "leg is up", fields: fields, time: "T")
    }

    @Test func text() {
        #expect(line(.text, isJournal: false)
            == #"time=T level=info reason=leg-up message="leg is up" cin="a b" leg=dsl n="" q="x=\"\n""#)
        #expect(line(.text, isJournal: true, level: .warning).hasPrefix("<4>level=warning reason=leg-up "))
    }

    @Test func json() {
        #expect(line(.json, isJournal: false)
            == #"{"time":"T","level":"info","reason":"leg-up","message":"leg is up","cin":"a b","leg":"dsl","n":"","q":"x=\"\n"}"#)
        #expect(line(.json, isJournal: true).hasPrefix(#"<6>{"level":"info","#))
    }

    @Test func priorities() {
        #expect(Logger.Level.allCases.map { LineFormat.priority(of: $0) } == [7, 7, 6, 5, 4, 3, 2])
    }

    @Test func quotesControlCharacters() {
        #expect(JSONText.quoted("a\u{1}\u{1F}\u{7F}\t\r\\é\u{0}") == #""a\u0001\u001f\u007f\t\r\\é\u0000""#)
    }

    @Test func objects() {
        var inner = JSONObject()
        inner.add("n", -5)
        var object = JSONObject()
        object.add("ok", true)
        object.add("list", [inner, JSONObject()])
        object.add("inner", inner)
        #expect(object.description == #"{"ok":true,"list":[{"n":-5},{}],"inner":{"n":-5}}"#)
    }

    /// From `date -u -d @N +%FT%TZ` of GNU coreutils 9.1.
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.007Z"), (-1, "1969-12-31T23:59:59.007Z"), (951_782_399, "2000-02-28T23:59:59.007Z"),
        (951_782_400, "2000-02-29T00:00:00.007Z"), (1_735_689_599, "2024-12-31T23:59:59.007Z"),
        (4_107_542_400, "2100-03-01T00:00:00.007Z"), (4_107_542_399, "2100-02-28T23:59:59.007Z"),
    ] as [(Int64, String)])
    func dates(seconds: Int64, text: String) {
        #expect(UTCTime.text(seconds: seconds, milliseconds: 7) == text)
    }
}
