import Addresses
import RADIUS

/// `[radius]`
struct RADIUSDecoder {
    let context: LoadContext

    /// nil without the section.
    func decode(_ table: TableReader) -> RADIUSConfiguration? {
        let isThere = table.entries["radius"] != nil
        return table.section("radius") { table in
            let servers = table.sections("server") { server($0) }
            if isThere, servers.isEmpty, table.entries["server"] == nil {
                table.report("server", "required, but missing")
            }
            if servers.count > 16 { table.report("server", "\(servers.count) servers is out of range: at most 16") }
            var result = RADIUSConfiguration(
                servers: servers, nasIdentifier: table.text("nas_identifier") ?? context.hostName())
            if isThere, result.nasIdentifier.isEmpty { table.report("nas_identifier", "this host has no name") }
            result.source = table.addressPerFamily("source", required: false)
            if let name = userName(table) { result.userName = name }
            result.password = secret("password", "password_file", table)
            if let timeout = table.duration("timeout", in: 100...10_000, unit: .milliseconds) { result.timeout = timeout }
            if let tries = table.integer("tries", in: 1...10) { result.tries = Int(tries) }
            if let time = table.duration("dead_time", in: 1...3600, unit: .seconds) { result.deadTime = time }
            if let accounting = table.boolean("accounting") { result.accounting = accounting }
            if let interval = interimInterval(table) { result.interimInterval = interval }
            if let queue = table.integer("accounting_queue", in: 100...1_000_000, unit: "records") {
                result.accountingQueue = Int(queue)
            }
            if let dynamic = table.boolean("dynamic_authorization") { result.dynamicAuthorization = dynamic }
            if let port = table.port("dynamic_authorization_port") { result.dynamicAuthorizationPort = port }
            if let required = table.boolean("event_timestamp") { result.requiresEventTimestamp = required }
            if let vendor = table.integer("vendor", in: 1...0xFF_FFFF) { result.vendor = UInt32(vendor) }
            return isThere ? result : nil
        }
    }

    private func server(_ table: TableReader) -> RADIUSConfiguration.Server? {
        let address = table.value("address", IPAddress.self, required: true, expected: "an IP address")
        // A server on this host is one, too.
        if let address, !address.isUnicast, !address.isLoopback {
            table.report("address", "\(address) is not a unicast address")
        }
        let secret = secret("secret", "secret_file", table)
        if secret == nil, table.entries["secret"] == nil, table.entries["secret_file"] == nil {
            table.report("secret", "required, but missing; it may be in a file of its own: secret_file")
        }
        let ports = (table.port("authentication_port"), table.port("accounting_port"))
        let required = table.boolean("message_authenticator")
        guard let address, let secret else { return nil }
        var result = RADIUSConfiguration.Server(address: address, secret: secret)
        if let port = ports.0 { result.authenticationPort = port }
        if let port = ports.1 { result.accountingPort = port }
        if let required { result.requiresMessageAuthenticator = required }
        return result
    }

    /// A secret here, or in a file that nobody else may read. What it is, is in no message.
    private func secret(_ key: String, _ fileKey: String, _ table: TableReader) -> SharedSecret? {
        let text = table.hiddenText(key)
        guard let path = table.value(fileKey, String.self, expected: "a path") else {
            guard let text else { return nil }
            return checked(Array(text.utf8), key, table)
        }
        if text != nil { table.report(fileKey, "\(key) is set, too: only one of them can hold") }
        let file = context.resolve(path, relativeTo: table.location(of: fileKey).file)
        if let mode = context.mode(file), mode & 0o077 != 0 {
            let digits = String(mode & 0o777, radix: 8)
            table.report(fileKey, "\(file): others may read or write it (mode \(digits)): make it 600")
            return nil
        }
        do throws(ConfigurationError) {
            var bytes = try context.read(file, 4096)
            while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
            return checked(bytes, fileKey, table)
        } catch {
            for problem in error.problems { table.report(fileKey, "\(problem.file): \(problem.reason)") }
            return nil
        }
    }

    private func checked(_ bytes: [UInt8], _ key: String, _ table: TableReader) -> SharedSecret? {
        guard (1...253).contains(bytes.count) else {
            table.report(key, "\(bytes.count) bytes is out of range: 1…253 bytes")
            return nil
        }
        return SharedSecret(bytes)
    }

    private func userName(_ table: TableReader) -> String? {
        guard let text = table.text("user_name") else { return nil }
        guard text.utf8.count <= 128, text.utf8.contains(0x7B) else {
            table.report("user_name", "\"\(text)\" is not a text of at most 128 bytes with {cin}, {leg} or {address}")
            return nil
        }
        return text
    }

    private func interimInterval(_ table: TableReader) -> Milliseconds? {
        if case .integer(0)? = table.entries["interim_interval"]?.value {
            _ = table.node("interim_interval")
            return Milliseconds(0)
        }
        return table.duration("interim_interval", in: 60...86_400, unit: .seconds)
    }
}

extension TableReader {
    /// 1…253 bytes without control characters.
    fileprivate func text(_ key: String) -> String? {
        guard let text = value(key, String.self, expected: "a text") else { return nil }
        guard (1...253).contains(text.utf8.count), !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            report(key, "is not 1…253 bytes without control characters")
            return nil
        }
        return text
    }

    /// A string that no message repeats.
    fileprivate func hiddenText(_ key: String) -> String? {
        guard let node = node(key) else { return nil }
        guard case .string(let text) = node.value else {
            report(key, "expected a string, found \(node.value.kind)")
            return nil
        }
        return text
    }

    fileprivate func port(_ key: String) -> UInt16? { integer(key, in: 1...65535).map { UInt16($0) } }
}
