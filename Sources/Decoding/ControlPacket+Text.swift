import GREBonding

extension ControlPacket {
    /// For a person: one line for the message, one for each attribute, one for each problem; without a final newline.
    public func text(_ context: CaptureContext) -> String {
        var lines = ["#\(context.number) \(context.time) \(source) > \(destination) \(summary)"]
        for element in message.attributes {
            let attribute = element.attribute
            let name = "  \(attribute.type) \(attribute.name ?? "(not defined)")"
            lines += attribute.displayValue.lines(after: name)
        }
        if !message.remainder.isEmpty { lines.append("  not read: \(Hexadecimal.text(message.remainder))") }
        for problem in problems {
            let place = problem.offset.map { " at byte \($0)" } ?? ""
            lines.append("  \(problem.severity.rawValue)\(place): \(problem.text) [\(problem.reason)]")
        }
        return lines.joined(separator: "\n")
    }

    private var summary: String {
        var words = vlans.map { "vlan \($0)" }
        if let pppoeSession { words.append("pppoe \(pppoeSession)") }
        words.append(message.dialect.rawValue)
        if let key = message.key { words.append("key \(Hexadecimal.text(key))") }
        if let code = message.tunnelType { words.append(message.leg?.defaultLabel ?? "T-Type \(code)") }
        if let code = message.messageType {
            words.append(MessageType(rawValue: code)?.description ?? "message type \(code)")
        }
        return words.joined(separator: " ")
    }
}

extension AttributeValue {
    /// What looks like a name is shown as one, too.
    private static func asText(_ bytes: [UInt8]) -> String {
        let text = bytes.prefix { $0 != 0 }
        guard text.count >= 4, text.allSatisfy({ (0x20..<0x7F).contains($0) }),
            bytes[text.endIndex...].allSatisfy({ $0 == 0 })
        else { return "" }
        return " (\"\(String(decoding: text, as: UTF8.self))\")"
    }

    /// The attribute's lines; the first begins with `name`.
    fileprivate func lines(after name: String) -> [String] {
        switch self {
        case .none: [name]
        case .number(let value, let unit): ["\(name): \(value)\(unit.map { " \($0)" } ?? "")"]
        case .identifier(let value): ["\(name): \(Hexadecimal.text(value))"]
        case .code(let value, let meaning): ["\(name): \(value) (\(meaning))"]
        case .address(let text): ["\(name): \(text)"]
        case .text(let text): ["\(name): \"\(text)\""]
        case .timestamp(let value): ["\(name): \(value.seconds) s \(value.milliseconds) ms"]
        case .filterListPackageACK(let ack):
            ["\(name): commit \(ack.commitCount), code \(ack.code.rawValue) (\(ack.code.meaning))"]
        case .bytes([]): ["\(name): no value"]
        case .bytes(let bytes): ["\(name): \(Hexadecimal.text(bytes))\(Self.asText(bytes))"]
        case .filterListPackage(let package):
            ["\(name): commit \(package.commitCount), package \(package.packetID) of \(package.packetSum)"]
                + package.items.map { item in
                    let state = item.enable == 1 ? "" : item.enable == 0 ? ", disabled" : ", enable \(item.enable)"
                    return "    \(item.type) \(item.kind?.name ?? "(not defined)"): \"\(item.valueText)\""
                        + " (\"\(item.description)\"\(state))"
                }
                + (package.malformedRemainder.isEmpty
                    ? [] : ["    not read: \(Hexadecimal.text(package.malformedRemainder))"])
        }
    }
}
