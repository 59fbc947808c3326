import CLinux

/// `TCA_ROOT_*`
private enum ActionRootSpace {
    static let table = Nest<ActionRootSpace, ActionListSpace>(TCA_ROOT_TAB, "TCA_ACT_TAB")
    static let flags = Attribute<ActionRootSpace, Structure<nla_bitfield32>>(TCA_ROOT_FLAGS, "TCA_ROOT_FLAGS")
}

extension Action {
    /// Makes the action without a filter. An index in use is an error (`EEXIST`).
    public func add() -> Request { request("create", [.create, .exclusive]) }

    /// Makes the action, or changes the one with its index while filters go on using it.
    public func replace() -> Request { request("replace", [.create, .replace]) }

    /// An action that filters use cannot be deleted (`EPERM`).
    public static func delete(kind: String, index: UInt32) -> Request {
        byIndex("delete", RTM_DELACTION, kind, index)
    }

    private func request(_ verb: String, _ flags: MessageFlags) -> Request {
        Request(
            Operation(verb, "action \(kind.name) \(index)"), type: UInt16(RTM_NEWACTION), flags: flags,
            header: tcamsg(), ActionRootSpace.self
        ) {
            $0.nest(ActionRootSpace.table) { ActionListSpace.write([self], &$0) }
        }
    }

    fileprivate static func byIndex(_ verb: String, _ type: Int, _ kind: String, _ index: UInt32) -> Request {
        Request(
            Operation(verb, "action \(kind) \(index)"), type: UInt16(type), flags: [], header: tcamsg(),
            ActionRootSpace.self
        ) {
            $0.nest(ActionRootSpace.table) {
                $0.nest(ActionListSpace.item(1)) {
                    $0.put(ActionSpace.kind, kind)
                    $0.put(ActionSpace.index, index)
                }
            }
        }
    }
}

extension ObservedAction {
    /// The actions in an `RTM_NEWACTION`, `RTM_GETACTION` or `RTM_DELACTION` message.
    public static func read(_ message: borrowing Message) -> [ObservedAction] {
        guard [RTM_NEWACTION, RTM_GETACTION, RTM_DELACTION].contains(Int(message.type)) else { return [] }
        let attributes = message.attributes(after: MemoryLayout<tcamsg>.size, of: ActionRootSpace.self)
        return list(attributes.nested(ActionRootSpace.table))
    }
}

extension Exchange {
    /// All actions of a kind, with their counters.
    public func actions(kind: String) throws(KernelError) -> [ObservedAction] {
        let request = Request(
            Operation("list", "actions \(kind)"), type: UInt16(RTM_GETACTION), flags: .dump, header: tcamsg(),
            ActionRootSpace.self
        ) {
            $0.nest(ActionRootSpace.table) {
                $0.nest(ActionListSpace.item(1)) { $0.put(ActionSpace.kind, kind) }
            }
            // Without this a message holds 32 actions at most.
            let flag = UInt32(TCA_ACT_FLAG_LARGE_DUMP_ON)
            $0.put(ActionRootSpace.flags, nla_bitfield32(value: flag, selector: flag))
        }
        return try dump(request) { ObservedAction.read($0) }.flatMap(\.self)
    }

    /// - Returns: nil when there is no such action
    public func action(kind: String, index: UInt32) throws(KernelError) -> ObservedAction? {
        let request = Action.byIndex("read", RTM_GETACTION, kind, index)
        do throws(KernelError) {
            for bytes in try ask(request) {
                if let message = Message(bytes.span.bytes, at: 0), let action = ObservedAction.read(message).first {
                    return action
                }
            }
            return nil
        } catch where error.errno == .noEntry {
            return nil
        }
    }
}
