import CLibnftnl
import CLinux

/// Hands the packet to user space (`queue`).
public struct Queue: Hashable, Sendable {
    public var target: Target
    public var flags: Flags

    public enum Target: Hashable, Sendable {
        /// Queues `first`…`first + count - 1`; the kernel spreads flows over them. One queue: count 1.
        case numbers(first: UInt16, count: UInt16)
        /// The queue whose number a register holds (32 bits, host byte order), for instance a `Hash` with an offset.
        case register(Register)
    }

    public struct Flags: OptionSet, Hashable, Sendable {
        public var rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        /// Go on as if accepted when nobody listens to the queue.
        public static let bypass = Flags(rawValue: 1)
        /// The CPU's number chooses the queue, not the flow.
        public static let fanout = Flags(rawValue: 2)
    }

    public init(_ target: Target, flags: Flags = []) {
        self.target = target
        self.flags = flags
    }
}

extension Queue: ExpressionCoding {
    static let name = "queue"

    func encode(to handle: ExpressionHandle) {
        switch target {
        case .numbers(let first, let count):
            handle.set(NFTNL_EXPR_QUEUE_NUM, u16: first)
            handle.set(NFTNL_EXPR_QUEUE_TOTAL, u16: count)
        case .register(let register):
            handle.set(NFTNL_EXPR_QUEUE_SREG_QNUM, register)
        }
        if !flags.isEmpty { handle.set(NFTNL_EXPR_QUEUE_FLAGS, u16: flags.rawValue) }
    }

    init?(from reader: borrowing ExpressionReader) {
        let flags = Flags(rawValue: reader.u16(NFTA_QUEUE_FLAGS) ?? 0)
        if let register = reader.register(NFTA_QUEUE_SREG_QNUM) {
            self.init(.register(register), flags: flags)
        } else if let first = reader.u16(NFTA_QUEUE_NUM) {
            self.init(.numbers(first: first, count: reader.u16(NFTA_QUEUE_TOTAL) ?? 1), flags: flags)
        } else {
            return nil
        }
    }
}
