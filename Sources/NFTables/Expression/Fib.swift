import CLibnftnl
import CLinux

/// Asks the routing tables about the packet: `fib saddr . iif oif missing` is a reverse-path check.
public struct Fib: Hashable, Sendable {
    public var result: Result
    public var flags: Flags
    public var destination: Register

    public enum Result: UInt32, Hashable, Sendable {
        case outputInterface = 1
        case outputInterfaceName
        case addressType
    }

    public struct Flags: OptionSet, Hashable, Sendable {
        public var rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let sourceAddress = Flags(rawValue: 1)
        public static let destinationAddress = Flags(rawValue: 2)
        public static let mark = Flags(rawValue: 4)
        public static let inputInterface = Flags(rawValue: 8)
        public static let outputInterface = Flags(rawValue: 16)
        /// Load whether there is a route instead of where it leads.
        public static let present = Flags(rawValue: 32)
    }

    public init(_ result: Result, _ flags: Flags, to destination: Register = .first) {
        self.result = result
        self.flags = flags
        self.destination = destination
    }
}

extension Fib: ExpressionCoding {
    static let name = "fib"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_FIB_DREG, destination)
        handle.set(NFTNL_EXPR_FIB_RESULT, result.rawValue)
        handle.set(NFTNL_EXPR_FIB_FLAGS, flags.rawValue)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let destination = reader.register(NFTA_FIB_DREG),
            let result = reader.u32(NFTA_FIB_RESULT).flatMap(Result.init(rawValue:))
        else { return nil }
        self.init(result, Flags(rawValue: reader.u32(NFTA_FIB_FLAGS) ?? 0), to: destination)
    }
}
