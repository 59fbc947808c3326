import Testing

@testable import Observation

@Suite struct HTTPTests {
    private func parse(_ text: String) -> HTTPParser.Outcome {
        var parser = HTTPParser()
        parser.append(text.utf8)
        return parser.next()
    }

    @Test func requests() {
        #expect(
            parse("GET /metrics?x=1 HTTP/1.1\r\nHost: localhost:9157\r\nAccept: */*\r\n\r\n")
                == .request(HTTPRequest(path: "/metrics", host: "localhost")))
        #expect(
            parse("HEAD http://a/b HTTP/1.1\r\nHOST:\t[2001:db8::1]:80 \r\nConnection: keep-alive, Close\r\n\r\n")
                == .request(HTTPRequest(wantsContent: false, path: "/b", host: "2001:db8::1", keepsConnection: false)))
        #expect(parse("\r\nGET / HTTP/1.0\r\n\r\n") == .request(HTTPRequest(path: "/", keepsConnection: false)))
        #expect(parse("GET http://a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") == .request(HTTPRequest(path: "/", host: "a")))
    }

    @Test(arguments: [
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", HTTPStatus.methodNotAllowed),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", .methodNotAllowed),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .versionNotSupported),
        ("GET / FTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET /\r\n\r\n", .badRequest),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\n\r\n", .badRequest),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .badRequest),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", .badRequest),
        ("GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .badRequest),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", .badRequest),
        ("GET /\u{0} HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", .contentTooLarge),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n", .contentTooLarge),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .contentTooLarge),
        ("GET /\(String(repeating: "x", count: 9000)) HTTP/1.1\r\nHost: a\r\n\r\n", .headerTooLarge),
        (String(repeating: "x", count: 8192), .headerTooLarge),
    ])
    func refused(text: String, status: HTTPStatus) { #expect(parse(text) == .refused(status), "\(text)") }

    /// Bytes in any portions give the same requests, one after the other.
    @Test func portions() {
        let text = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: b\r\n\r\nGET /3 HTTP/1.0\r\n\r\n"
        for size in 1...text.utf8.count {
            var parser = HTTPParser()
            var paths: [String] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                parser.append(rest.prefix(size))
                rest = rest.dropFirst(size)
                while case .request(let request) = parser.next() { paths.append(request.path) }
            }
            #expect(paths == ["/1", "/2", "/3"] && !parser.hasBytes, "\(size)")
        }
    }

    /// After a refusal nothing that follows is taken for a request.
    @Test func refusalIsFinal() {
        var parser = HTTPParser()
        parser.append("PUT / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        for _ in 0..<3 { #expect(parser.next() == .refused(.methodNotAllowed)) }
        parser.append("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        #expect(parser.next() == .refused(.methodNotAllowed) && !parser.hasBytes)
    }

    /// Random bytes end in a refusal or wait, and never hold more than the limit and one portion.
    @Test func garbage() {
        var random = SystemRandomNumberGenerator()
        let pieces = ["GET ", "/", " HTTP/1.1", "\r\n", "Host: a", "\r", "\n", ":", "\u{0}", "HEAD ", "é", "[", "http://"]
        for _ in 0..<2000 {
            var parser = HTTPParser()
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                parser.append((pieces.randomElement(using: &random) ?? "").utf8)
                for _ in 0..<50 { if case .request = parser.next() { continue } else { break } }
            }
        }
    }

    @Test func response() {
        let response = HTTPResponse(.methodNotAllowed)
        let text = String(decoding: response.serialized(date: "D", wantsContent: true, keepsConnection: false), as: UTF8.self)
        #expect(
            text == "HTTP/1.1 405 Method Not Allowed\r\nDate: D\r\nContent-Type: text/plain; charset=utf-8\r\n"
                + "Content-Length: 23\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                + "Referrer-Policy: no-referrer\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n405 Method Not Allowed\n")
        let head = response.serialized(date: "D", wantsContent: false, keepsConnection: true)
        #expect(head.suffix(4) == [0x0D, 0x0A, 0x0D, 0x0A])
    }
}
