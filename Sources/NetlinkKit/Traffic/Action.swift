import CLinux

/// An action that filters apply to packets. It has an index of its own among the actions of its kind, by which several
/// filters can share it and by which it can be replaced while they use it.
public struct Action: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case police(Police)
        case skbedit(SkbEdit)
        case mirred(Mirred)
        /// Only a verdict.
        case gact(Verdict)
        /// A kind that this module does not know, by its name; it can be listed and deleted, not made.
        case other(String)

        /// `TCA_ACT_KIND`
        public var name: String {
            switch self {
            case .police: "police"
            case .skbedit: "skbedit"
            case .mirred: "mirred"
            case .gact: "gact"
            case .other(let name): name
            }
        }
    }

    public var kind: Kind
    /// 0 lets the kernel choose; give a number so that the action compares equal when read back. A filter made with the
    /// index of an action that exists uses that one *as it is*: replace the action to change it. An action outlives its
    /// last filter for a moment, because the kernel lets go of it in the background.
    public var index: UInt32
    /// The owner's note, at most 16 bytes.
    public var cookie: [UInt8]

    public init(_ kind: Kind, index: UInt32 = 0, cookie: [UInt8] = []) {
        self.kind = kind
        self.index = index
        self.cookie = cookie
    }

    func write(_ writer: inout AttributeWriter<ActionSpace>) {
        writer.put(ActionSpace.kind, kind.name)
        switch kind {
        case .police(let police): writer.nest(ActionSpace.police) { police.write(&$0, index: index) }
        case .skbedit(let edit): writer.nest(ActionSpace.skbedit) { edit.write(&$0, index: index) }
        case .mirred(let mirred): writer.nest(ActionSpace.mirred) { mirred.write(&$0, index: index) }
        case .gact(let verdict):
            writer.nest(ActionSpace.gact) {
                var parameters = tc_gact()
                parameters.index = index
                parameters.action = verdict.rawValue
                $0.put(GenericActionSpace.parameters, parameters)
            }
        case .other: break
        }
        if !cookie.isEmpty { writer.put(ActionSpace.cookie, cookie) }
    }
}

/// An action with what the kernel says about it.
public struct ObservedAction: Hashable, Sendable {
    public var action: Action
    public var statistics: TrafficStatistics
    /// Filters that use it.
    public var bindCount: Int32

    init?(_ attributes: borrowing AttributeReader<ActionSpace>) {
        guard let name = attributes.get(ActionSpace.kind) else { return nil }
        var index: UInt32 = 0
        var bound: Int32 = 0
        let kind: Action.Kind?
        if name == "police" {
            let options = attributes.nested(ActionSpace.police)
            kind = Police(options).map(Action.Kind.police)
            if let parameters = options.get(PoliceSpace.parameters) {
                index = parameters.index
                bound = parameters.bindcnt
            }
        } else {
            // The other kinds have their parameters under one number, and they begin alike.
            switch name {
            case "skbedit": kind = SkbEdit(attributes.nested(ActionSpace.skbedit)).map(Action.Kind.skbedit)
            case "mirred": kind = Mirred(attributes.nested(ActionSpace.mirred)).map(Action.Kind.mirred)
            default: kind = .other(name)
            }
            if let parameters = attributes.nested(ActionSpace.gact).get(GenericActionSpace.parameters) {
                index = parameters.index
                bound = parameters.bindcnt
            }
        }
        guard var kind else { return nil }
        if name == "gact" {
            guard let parameters = attributes.nested(ActionSpace.gact).get(GenericActionSpace.parameters) else {
                return nil
            }
            kind = .gact(Verdict(rawValue: parameters.action))
        }
        action = Action(kind, index: index, cookie: attributes.get(ActionSpace.cookie) ?? [])
        bindCount = bound
        statistics = TrafficStatistics(attributes.nested(ActionSpace.statistics))
    }

    /// A list of actions in order, as in a filter or in `TCA_ACT_TAB`.
    static func list(_ attributes: borrowing AttributeReader<ActionListSpace>) -> [ObservedAction] {
        var list: [ObservedAction] = []
        attributes.forEach { _, payload in
            if let action = ObservedAction(AttributeReader<ActionSpace>(payload)) { list.append(action) }
        }
        return list
    }
}

/// `TCA_ACT_*`. What is in `TCA_ACT_OPTIONS` depends on `TCA_ACT_KIND`.
enum ActionSpace {
    static let kind = Attribute<ActionSpace, String>(TCA_ACT_KIND, "TCA_ACT_KIND")
    static let index = Attribute<ActionSpace, UInt32>(TCA_ACT_INDEX, "TCA_ACT_INDEX")
    static let cookie = Attribute<ActionSpace, [UInt8]>(TCA_ACT_COOKIE, "TCA_ACT_COOKIE")
    static let statistics = Nest<ActionSpace, StatisticsSpace>(TCA_ACT_STATS, "TCA_ACT_STATS")
    static let police = Nest<ActionSpace, PoliceSpace>(TCA_ACT_OPTIONS, "TCA_ACT_OPTIONS")
    static let skbedit = Nest<ActionSpace, SkbEditSpace>(TCA_ACT_OPTIONS, "TCA_ACT_OPTIONS")
    static let mirred = Nest<ActionSpace, MirredSpace>(TCA_ACT_OPTIONS, "TCA_ACT_OPTIONS")
    static let gact = Nest<ActionSpace, GenericActionSpace>(TCA_ACT_OPTIONS, "TCA_ACT_OPTIONS")
}

/// `TCA_GACT_*`; the numbers of the parameters are the same for `mirred` and `skbedit`.
enum GenericActionSpace {
    static let parameters = Attribute<GenericActionSpace, Structure<tc_gact>>(TCA_GACT_PARMS, "TCA_GACT_PARMS")
}

/// Actions by their place in the order, from 1.
enum ActionListSpace {
    static func item(_ place: Int) -> Nest<ActionListSpace, ActionSpace> { Nest(place, "\(place)") }

    static func write(_ actions: [Action], _ writer: inout AttributeWriter<ActionListSpace>) {
        for (i, action) in actions.enumerated() { writer.nest(item(i + 1)) { action.write(&$0) } }
    }
}
