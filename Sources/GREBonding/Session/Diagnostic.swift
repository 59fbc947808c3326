/// What is being tested while the subscriber's traffic is bound to it: RFC 8157 §5.6.8–§5.6.10.
public enum Diagnostic: Hashable, Sendable, CaseIterable {
    /// Both legs, whatever the RTT threshold says.
    case bonding
    /// The primary leg alone.
    case dsl
    /// The secondary leg alone.
    case lte

    /// The Notify attribute that starts it.
    var attribute: Attribute {
        switch self {
        case .bonding: .diagnosticStartBondingTunnel
        case .dsl: .diagnosticStartDSLTunnel
        case .lte: .diagnosticStartLTETunnel
        }
    }

    /// The only leg that is used meanwhile.
    var leg: LegID? {
        switch self {
        case .bonding: nil
        case .dsl: .primary
        case .lte: .secondary
        }
    }

    /// nil unless the attribute starts a diagnostic.
    init?(_ attribute: Attribute) {
        guard let match = Self.allCases.first(where: { $0.attribute == attribute }) else { return nil }
        self = match
    }

    /// Whether the legs that are up are those it needs.
    func isPossible(with legs: some Collection<LegID>) -> Bool {
        if let leg { legs.contains(leg) } else { legs.count > 1 }
    }
}

/// How often Hellos are sent: RFC 8157 §5.6.13, §5.6.14.
public enum HelloState: String, Hashable, Sendable, CaseIterable {
    case active, idle
}
