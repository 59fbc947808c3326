import CLibnftnl
import CLinux

/// Reports the packet (`log`).
public struct Log: Hashable, Sendable {
    /// At most 127 bytes.
    public var prefix: String?
    public var target: Target

    public enum Target: Hashable, Sendable {
        /// The kernel's log: syslog level 0…7 (4: warning) and `NF_LOG_*` flags.
        case kernel(level: UInt32, flags: UInt32)
        /// An NFLOG group: bytes of each packet (0: all), and how many packets one message waits for (0: none).
        case group(UInt16, snapLength: UInt32, queueThreshold: UInt16)
    }

    public init(prefix: String? = nil, _ target: Target = .kernel(level: 4, flags: 0)) {
        self.prefix = prefix
        self.target = target
    }
}

extension Log: ExpressionCoding {
    static let name = "log"

    func encode(to handle: ExpressionHandle) {
        if let prefix { handle.set(NFTNL_EXPR_LOG_PREFIX, prefix) }
        switch target {
        case .kernel(let level, let flags):
            handle.set(NFTNL_EXPR_LOG_LEVEL, level)
            if flags != 0 { handle.set(NFTNL_EXPR_LOG_FLAGS, flags) }
        case .group(let group, let snapLength, let threshold):
            handle.set(NFTNL_EXPR_LOG_GROUP, u16: group)
            if snapLength != 0 { handle.set(NFTNL_EXPR_LOG_SNAPLEN, snapLength) }
            if threshold != 0 { handle.set(NFTNL_EXPR_LOG_QTHRESHOLD, u16: threshold) }
        }
    }

    init?(from reader: borrowing ExpressionReader) {
        let target: Target
        if let group = reader.u16(NFTA_LOG_GROUP) {
            target = .group(
                group, snapLength: reader.u32(NFTA_LOG_SNAPLEN) ?? 0,
                queueThreshold: reader.u16(NFTA_LOG_QTHRESHOLD) ?? 0)
        } else {
            target = .kernel(
                level: reader.u32(NFTA_LOG_LEVEL) ?? 4, flags: reader.u32(NFTA_LOG_FLAGS) ?? 0)
        }
        self.init(prefix: reader.string(NFTA_LOG_PREFIX), target)
    }
}
