import CLinux

extension Filter {
    /// A filter that exists already is an error (`EEXIST`).
    public func add() -> Request { request("create", RTM_NEWTFILTER, [.create, .exclusive]) }

    /// Makes the filter, or replaces the one with its priority and handle. `matchall` cannot be replaced (`EEXIST`):
    /// replace its actions instead.
    public func replace() -> Request { request("replace", RTM_NEWTFILTER, [.create, .replace]) }

    public func delete() -> Request {
        Request(
            Operation("delete", description), type: UInt16(RTM_DELTFILTER), flags: [], header: header,
            TrafficSpace.self
        ) {
            $0.put(TrafficSpace.kind, classifier.name)
            if chain != 0 { $0.put(TrafficSpace.chain, chain) }
        }
    }

    private var description: String { "filter \(priority) handle \(handle) at \(parent) on link \(link)" }

    private var header: tcmsg {
        var header = tcmsg(link: link, parent: parent, handle: handle)
        header.tcm_info = UInt32(priority) << 16 | UInt32(`protocol`.rawValue.bigEndian)
        return header
    }

    private func request(_ verb: String, _ type: Int, _ flags: MessageFlags) -> Request {
        Request(
            Operation(verb, description), type: UInt16(type), flags: flags, header: header, TrafficSpace.self
        ) {
            $0.put(TrafficSpace.kind, classifier.name)
            if chain != 0 { $0.put(TrafficSpace.chain, chain) }
            switch classifier {
            case .matchall:
                $0.nest(TrafficSpace.matchall) {
                    $0.put(MatchallSpace.classID, ifPresent: classID?.rawValue)
                    if actions.isEmpty { return }
                    $0.nest(MatchallSpace.actions) { ActionListSpace.write(actions, &$0) }
                }
            case .flower(let flower):
                $0.nest(TrafficSpace.flower) {
                    $0.put(FlowerSpace.classID, ifPresent: classID?.rawValue)
                    flower.write(&$0, `protocol`)
                    if actions.isEmpty { return }
                    $0.nest(FlowerSpace.actions) { ActionListSpace.write(actions, &$0) }
                }
            case .fw(let mask):
                $0.nest(TrafficSpace.fw) {
                    $0.put(FirewallMarkSpace.classID, ifPresent: classID?.rawValue)
                    if mask != .max { $0.put(FirewallMarkSpace.mask, mask) }
                    if actions.isEmpty { return }
                    $0.nest(FirewallMarkSpace.actions) { ActionListSpace.write(actions, &$0) }
                }
            case .bpf(let descriptor, let name):
                $0.nest(TrafficSpace.bpf) {
                    $0.put(ProgramSpace.descriptor, UInt32(bitPattern: descriptor))
                    $0.put(ProgramSpace.name, name)
                    $0.put(ProgramSpace.flags, ProgramSpace.directAction)
                }
            case .other: break
            }
        }
    }
}

extension Exchange {
    /// The filters at one place, with the counters of their actions.
    public func filters(link: UInt32, parent: TrafficHandle) throws(KernelError) -> [ObservedFilter] {
        let header = tcmsg(link: link, parent: parent)
        let request = Request(
            Operation("list", "filters at \(parent) on link \(link)"), type: UInt16(RTM_GETTFILTER), flags: .dump,
            header: header, TrafficSpace.self
        ) { _ in }
        return try dump(request) { ObservedFilter($0) }
    }
}
