/// Why something that was asked of the kernel did not happen.
public enum KernelError: Error, Hashable, Sendable {
    /// The kernel answered with an error.
    case refused(Refusal)
    /// This kernel lacks a feature. `minimumKernel` is the first version that has it, such as `4.20`, or the module.
    case unsupported(feature: String, minimumKernel: String)
    /// A system call on the socket failed.
    case socket(Operation, Errno)
    /// No answer came in time.
    case timedOut(Operation)
    /// Answers were lost because the receive buffer was full: what happened to this request is not known.
    case overrun(Operation)
    /// The list changed during each of several attempts to read it.
    case inconsistentDump(Operation, attempts: Int)
    /// An answer was longer than the receive buffer.
    case truncated(Operation)
    /// The kernel's answer was not what the interface promises.
    case malformed(Operation, String)
    /// The request cannot be expressed; it was not sent.
    case invalidRequest(Operation, String)
    /// Another request of the same transaction failed, so this one had no effect.
    case aborted(Operation)

    /// The kernel's answer to one request.
    public struct Refusal: Hashable, Sendable {
        public var operation: Operation
        public var errno: Errno
        /// The kernel's own words, or for the want of any what was found out; nil when there are none.
        public var message: String?
        /// The attribute at fault, such as `IFLA_LINKINFO.IFLA_INFO_DATA.IFLA_GRE_IKEY`.
        public var attributePath: String?
        /// An attribute that is missing, by number, and the path of the one that should hold it (empty: the message).
        public var missing: Missing?

        public struct Missing: Hashable, Sendable {
            public var type: UInt32
            public var parent: String
        }

        public init(
            _ operation: Operation, _ errno: Errno, message: String? = nil, attributePath: String? = nil,
            missing: Missing? = nil
        ) {
            self.operation = operation
            self.errno = errno
            self.message = message
            self.attributePath = attributePath
            self.missing = missing
        }
    }

    /// The error number of a refusal or of a failed system call.
    public var errno: Errno? {
        switch self {
        case .refused(let refusal): refusal.errno
        case .socket(_, let errno): errno
        default: nil
        }
    }
}

extension KernelError {
    init(_ request: Request, _ answer: Acknowledgement) {
        var refusal = Refusal(request.operation, Errno(rawValue: answer.errno), message: answer.ack.message)
        if let offset = answer.ack.offset { refusal.attributePath = request.attributePath(at: Int(offset)) }
        if let type = answer.ack.missingType {
            let parent = answer.ack.missingNest.flatMap { request.attributePath(at: Int($0)) }
            refusal.missing = Refusal.Missing(type: type, parent: parent ?? "")
        }
        self = .refused(refusal)
    }
}

extension KernelError.Refusal: CustomStringConvertible {
    /// `create link "bond-17": EINVAL: <the kernel's words> (at IFLA_LINKINFO.IFLA_INFO_DATA.IFLA_GRE_IKEY)`
    public var description: String {
        var text = "\(operation): \(errno)"
        if let message { text += ": \(message)" }
        if let attributePath { text += " (at \(attributePath))" }
        if let missing {
            text += " (attribute \(missing.type) missing" + (missing.parent.isEmpty ? ")" : " in \(missing.parent))")
        }
        return text
    }
}

extension KernelError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .refused(let refusal): refusal.description
        case .unsupported(let feature, let minimum): "\(feature) is not supported by this kernel (needs \(minimum))"
        case .socket(let operation, let errno): "\(operation): netlink socket: \(errno)"
        case .timedOut(let operation): "\(operation): no answer from the kernel"
        case .overrun(let operation): "\(operation): answers were lost, the receive buffer was full"
        case .inconsistentDump(let operation, let attempts):
            "\(operation): the list changed during each of \(attempts) attempts to read it"
        case .truncated(let operation): "\(operation): the answer is longer than the receive buffer"
        case .malformed(let operation, let what): "\(operation): malformed answer: \(what)"
        case .invalidRequest(let operation, let why): "\(operation): cannot be requested: \(why)"
        case .aborted(let operation): "\(operation): not done, another part of the transaction failed"
        }
    }
}
