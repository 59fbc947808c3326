import Addresses
import Formatting
import GREBonding

extension ControlPacket {
    /// The schema that docs/decode.md describes. Members may be added to a version; what is there keeps its meaning.
    public static let schemaVersion = 1

    /// One JSON object on one line, without a newline.
    public func json(_ context: CaptureContext) -> String {
        var object = JSONObject()
        object.add("version", Self.schemaVersion)
        object.add("packet", context.number)
        object.add("time", context.time)
        object.add("captured_bytes", context.captured)
        object.add("length_bytes", context.length)
        object.add("link", linkType.name)
        if !vlans.isEmpty { object.addRaw("vlans", "[\(vlans.map(String.init).joined(separator: ","))]") }
        if let pppoeSession { object.add("pppoe_session", pppoeSession) }
        object.add("source", source.description)
        object.add("destination", destination.description)
        object.add("dialect", message.dialect.rawValue)
        if let key = message.key { object.add("key", key) }
        if let code = message.messageType {
            object.add("message_type", code)
            if let type = MessageType(rawValue: code) { object.add("message", type.description) }
        }
        if let code = message.tunnelType {
            object.add("tunnel_type", code)
            if let leg = message.leg { object.add("leg", leg == .primary ? "dsl" : "lte") }
        }
        object.add("attributes", message.attributes.map(\.json))
        if message.dialect.hasEndMarker { object.add("end_marker", message.hasEndMarker) }
        if !message.remainder.isEmpty { object.add("unread_hex", Hexadecimal.text(message.remainder)) }
        object.add("damaged", isDamaged)
        object.add("problems", problems.map(\.json))
        return object.description
    }
}

extension MessageInspection.Element {
    fileprivate var json: JSONObject {
        var object = JSONObject()
        object.add("offset", offset)
        object.add("type", attribute.type)
        if let name = attribute.name { object.add("name", name) }
        switch attribute.displayValue {
        case .none: break
        case .number(let value, let unit):
            object.add("value", value)
            if let unit { object.add("unit", unit) }
        case .identifier(let value): object.add("value", value)
        case .code(let value, let meaning):
            object.add("value", value)
            object.add("meaning", meaning)
        case .address(let text), .text(let text): object.add("value", text)
        case .timestamp(let timestamp):
            object.add("seconds", timestamp.seconds)
            object.add("milliseconds", timestamp.milliseconds)
        case .filterListPackage(let package):
            object.add("commit_count", package.commitCount)
            object.add("packet_sum", package.packetSum)
            object.add("packet_id", package.packetID)
            object.add("items", package.items.map(\.json))
            if !package.malformedRemainder.isEmpty {
                object.add("unread_hex", Hexadecimal.text(package.malformedRemainder))
            }
        case .filterListPackageACK(let ack):
            object.add("commit_count", ack.commitCount)
            object.add("code", ack.code.rawValue)
            object.add("meaning", ack.code.meaning)
        case .bytes(let bytes): object.add("hex", Hexadecimal.text(bytes))
        }
        return object
    }
}

extension FilterItem {
    fileprivate var json: JSONObject {
        var object = JSONObject()
        object.add("type", type)
        if let kind { object.add("name", kind.name) }
        object.add("enable", enable)
        object.add("description", description)
        object.add("value", valueText)
        return object
    }
}

extension Problem {
    fileprivate var json: JSONObject {
        var object = JSONObject()
        object.add("severity", severity.rawValue)
        object.add("reason", reason)
        if let offset { object.add("offset", offset) }
        if let attributeType { object.add("attribute", attributeType) }
        object.add("text", text)
        return object
    }
}
