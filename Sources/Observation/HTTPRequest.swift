/// What a client of the local HTTP server asks for: GET and HEAD of RFC 9110, in the form of RFC 9112, nothing more.
public struct HTTPRequest: Hashable, Sendable {
    /// HEAD: the answer without its content.
    public var wantsContent: Bool
    /// Without the query; begins with "/".
    public var path: String
    /// Without the port; empty where HTTP/1.0 left it out.
    public var host: String
    /// Whether the connection goes on after the answer.
    public var keepsConnection: Bool

    public init(wantsContent: Bool = true, path: String, host: String = "", keepsConnection: Bool = true) {
        self.wantsContent = wantsContent
        self.path = path
        self.host = host
        self.keepsConnection = keepsConnection
    }
}

/// Finds requests in what a connection brings. Takes bytes in pieces of any size; holds at most ``limit`` of them.
public struct HTTPParser: Sendable {
    public enum Outcome: Hashable, Sendable {
        /// More bytes are needed.
        case incomplete
        case request(HTTPRequest)
        /// Nothing that follows can be trusted: answer with this status and close.
        case refused(HTTPStatus)
    }

    /// Bytes of a request line with its header.
    public static let limit = 8192

    private var bytes: [UInt8] = []
    private var refusal: HTTPStatus?

    public init() {}

    /// Whether a request has begun.
    public var hasBytes: Bool { !bytes.isEmpty }

    public mutating func append(_ more: some Sequence<UInt8>) { if refusal == nil { bytes += more } }

    public mutating func next() -> Outcome {
        if let refusal { return .refused(refusal) }
        // An empty line before a request is left out (RFC 9112 §2.2).
        while bytes.starts(with: [0x0D, 0x0A]) { bytes.removeFirst(2) }
        guard let end = Self.end(of: bytes) else {
            return bytes.count >= Self.limit ? refuse(.headerTooLarge) : .incomplete
        }
        guard end <= Self.limit else { return refuse(.headerTooLarge) }
        let lines = Self.lines(bytes[..<(end - 4)])
        bytes.removeFirst(end)
        switch Self.parse(lines) {
        case .success(let request): return .request(request)
        case .failure(let status): return refuse(status)
        }
    }

    private mutating func refuse(_ status: HTTPStatus) -> Outcome {
        refusal = status
        bytes = []
        return .refused(status)
    }

    /// The number of bytes up to and with the empty line.
    private static func end(of bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (3..<min(bytes.count, limit + 1)).first {
            bytes[$0] == 0x0A && bytes[$0 - 1] == 0x0D && bytes[$0 - 2] == 0x0A && bytes[$0 - 3] == 0x0D
        }.map { $0 + 1 }
    }

    private static func lines(_ bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = bytes.startIndex
        var at = start
        while at + 1 < bytes.endIndex {
            if bytes[at] == 0x0D, bytes[at + 1] == 0x0A {
                lines.append(bytes[start..<at])
                at += 2
                start = at
            } else {
                at += 1
            }
        }
        return lines + [bytes[start...]]
    }

    private static func parse(_ lines: [ArraySlice<UInt8>]) -> Result<HTTPRequest, HTTPStatus> {
        guard let first = lines.first, lines.allSatisfy({ $0.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 } })
        else { return .failure(.badRequest) }
        let words = first.split(separator: 0x20, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        guard words.count == 3, words[2].hasPrefix("HTTP/") else { return .failure(.badRequest) }
        guard words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0" else { return .failure(.versionNotSupported) }
        guard words[0] == "GET" || words[0] == "HEAD" else { return .failure(.methodNotAllowed) }
        guard let path = path(words[1]) else { return .failure(.badRequest) }
        var request = HTTPRequest(wantsContent: words[0] == "GET", path: path, keepsConnection: words[2] == "HTTP/1.1")
        var hosts = 0
        for line in lines.dropFirst() {
            // A line that begins with white space continued the one before, long ago (RFC 9112 §5.2).
            guard let colon = line.firstIndex(of: 0x3A), colon > line.startIndex,
                line[..<colon].allSatisfy(isToken)
            else { return .failure(.badRequest) }
            let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
            let value = String(decoding: line[(colon + 1)...].trimmed, as: UTF8.self)
            switch name {
            case "host":
                hosts += 1
                guard let host = host(value) else { return .failure(.badRequest) }
                request.host = host
            case "content-length" where value != "0": return .failure(.contentTooLarge)
            case "transfer-encoding": return .failure(.contentTooLarge)
            case "connection":
                let options = value.lowercased().split { $0 == "," || $0 == " " }
                if options.contains("close") { request.keepsConnection = false }
            default: break
            }
        }
        guard hosts == 1 || (hosts == 0 && words[2] == "HTTP/1.0") else { return .failure(.badRequest) }
        return .success(request)
    }

    /// "/a" of "/a?b" or of "http://host/a"; nil when it is neither.
    private static func path(_ target: String) -> String? {
        var rest = target[...]
        if rest.lowercased().hasPrefix("http://") {
            rest = rest.dropFirst(7).drop { $0 != "/" }
            if rest.isEmpty { rest = "/" }
        }
        guard rest.hasPrefix("/") else { return nil }
        return String(rest.prefix { $0 != "?" && $0 != "#" })
    }

    /// The name or address of "name:80", "192.0.2.1", "[2001:db8::1]:80".
    private static func host(_ value: String) -> String? {
        if value.hasPrefix("[") {
            guard let end = value.firstIndex(of: "]") else { return nil }
            let rest = value[value.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            return String(value[value.index(after: value.startIndex)..<end])
        }
        return String(value.prefix { $0 != ":" })
    }

    /// RFC 9110 §5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

extension ArraySlice<UInt8> {
    /// Without blanks and tabs at its ends.
    fileprivate var trimmed: ArraySlice<UInt8> {
        var slice = self
        while let first = slice.first, first == 0x20 || first == 0x09 { slice.removeFirst() }
        while let last = slice.last, last == 0x20 || last == 0x09 { slice.removeLast() }
        return slice
    }
}

public enum HTTPStatus: Int, Error, Hashable, Sendable, CaseIterable {
    case ok = 200
    case badRequest = 400
    case notFound = 404
    case methodNotAllowed = 405
    case contentTooLarge = 413
    case misdirectedRequest = 421
    case headerTooLarge = 431
    case versionNotSupported = 505

    public var phrase: String {
        switch self {
        case .ok: "OK"
        case .badRequest: "Bad Request"
        case .notFound: "Not Found"
        case .methodNotAllowed: "Method Not Allowed"
        case .contentTooLarge: "Content Too Large"
        case .misdirectedRequest: "Misdirected Request"
        case .headerTooLarge: "Request Header Fields Too Large"
        case .versionNotSupported: "HTTP Version Not Supported"
        }
    }
}

/// An answer, to be sent as a whole.
public struct HTTPResponse: Sendable {
    public var status: HTTPStatus
    public var type: String
    public var content: [UInt8]
    /// Content-Security-Policy, for pages.
    public var policy: String?

    public init(_ status: HTTPStatus, type: String, content: [UInt8], policy: String? = nil) {
        self.status = status
        self.type = type
        self.content = content
        self.policy = policy
    }

    public init(_ status: HTTPStatus) {
        self.init(status, type: "text/plain; charset=utf-8", content: Array("\(status.rawValue) \(status.phrase)\n".utf8))
    }

    /// `date`: IMF-fixdate (RFC 9110 §5.6.7).
    public func serialized(date: String, wantsContent: Bool, keepsConnection: Bool) -> [UInt8] {
        var lines = [
            "HTTP/1.1 \(status.rawValue) \(status.phrase)", "Date: \(date)", "Content-Type: \(type)",
            "Content-Length: \(content.count)", "Cache-Control: no-store", "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
        ]
        if let policy { lines.append("Content-Security-Policy: \(policy)") }
        if status == .methodNotAllowed { lines.append("Allow: GET, HEAD") }
        if !keepsConnection { lines.append("Connection: close") }
        let head = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return wantsContent ? head + content : head
    }
}
