/// A network interface's name, as the kernel's `dev_valid_name` accepts it.
public struct InterfaceName: Hashable, Sendable, LosslessStringConvertible {
    /// 15 bytes: IFNAMSIZ without its terminating zero.
    public static let maximumLength = 15

    public let description: String

    /// nil when empty, longer than 15 bytes, ".", "..", or when it holds "/", ":", "%" (the kernel would take it for
    /// a template), white space or a control character.
    public init?(_ description: String) {
        let bytes = description.utf8
        guard (1...Self.maximumLength).contains(bytes.count), description != ".", description != "..",
            !bytes.contains(where: { $0 <= 0x20 || $0 == 0x7F || $0 == 0x2F || $0 == 0x3A || $0 == 0x25 })
        else { return nil }
        self.description = description
    }

    /// For names written in this module.
    init(trusted name: String) { description = name }
}
