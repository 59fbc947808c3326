import CLinux

extension Qdisc {
    /// One that exists already at this place is an error (`EEXIST`).
    public func add() -> Request { request("create", RTM_NEWQDISC, [.create, .exclusive]) }

    /// Makes it in place of what is there, or changes it when it is of the same kind.
    public func replace() -> Request { request("replace", RTM_NEWQDISC, [.create, .replace]) }

    /// Its classes and filters go with it.
    public func delete() -> Request { request("delete", RTM_DELQDISC, []) }

    private func request(_ verb: String, _ type: Int, _ flags: MessageFlags) -> Request {
        let header = tcmsg(link: link, parent: parent, handle: handle.rawValue)
        return Request(
            Operation(verb, "qdisc \(kind.name) at \(parent) on link \(link)"), type: UInt16(type), flags: flags,
            header: header, TrafficSpace.self
        ) {
            guard type == RTM_NEWQDISC else { return }
            $0.put(TrafficSpace.kind, kind.name)
            switch kind {
            case .clsact, .other: break
            case .fqCoDel(let options): $0.nest(TrafficSpace.fqCoDel) { options.write(&$0) }
            case .fq(let options): $0.nest(TrafficSpace.fq) { options.write(&$0) }
            case .tbf(let options): $0.nest(TrafficSpace.tbf) { options.write(&$0) }
            case .htb(let defaultClass):
                $0.nest(TrafficSpace.htb) {
                    var global = tc_htb_glob()
                    global.version = 3
                    global.rate2quantum = 10
                    global.defcls = UInt32(defaultClass)
                    $0.put(HTBSpace.global, global)
                }
            }
        }
    }
}

extension Exchange {
    /// - Parameter link: nil lists those of all devices
    public func qdiscs(link: UInt32? = nil) throws(KernelError) -> [ObservedQdisc] {
        let header = tcmsg(link: link ?? 0)
        let request = Request(
            Operation("list", "qdiscs"), type: UInt16(RTM_GETQDISC), flags: .dump, header: header, TrafficSpace.self
        ) { _ in }
        return try dump(request) { ObservedQdisc($0) }.filter { link == nil || $0.qdisc.link == link }
    }

    /// The queueing discipline at one place.
    /// - Returns: nil when there is none
    public func qdisc(link: UInt32, parent: TrafficHandle) throws(KernelError) -> ObservedQdisc? {
        let header = tcmsg(link: link, parent: parent)
        // Without an echo the answer goes to those who watch, and not to who asks.
        let request = Request(
            Operation("read", "qdisc at \(parent) on link \(link)"), type: UInt16(RTM_GETQDISC), flags: .echo,
            header: header, TrafficSpace.self
        ) { _ in }
        do throws(KernelError) {
            for bytes in try ask(request) {
                if let message = Message(bytes.span.bytes, at: 0), let found = ObservedQdisc(message) { return found }
            }
            return nil
        } catch where error.errno == .noEntry || error.errno == .invalid {
            return nil
        }
    }
}
