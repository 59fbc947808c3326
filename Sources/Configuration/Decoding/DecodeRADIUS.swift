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
            result.password = table.secret("password", "password_file", context)
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
        let secret = table.secret("secret", "secret_file", context)
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
    fileprivate func port(_ key: String) -> UInt16? { integer(key, in: 1...65535).map { UInt16($0) } }
}
