import CLinux
import GREBonding
import Glibc

/// What the process may do, as the kernel counts it: capabilities(7).
public enum Capability: UInt32, CaseIterable, Sendable {
    /// Ports below 1024: DHCP's.
    case bindService = 10
    /// Links, routes, rules, traffic control, nftables, queues.
    case networkAdministration = 12
    /// Control messages are packets of their own IP protocol.
    case rawSockets = 13
}

enum Privileges {
    /// Keeps these capabilities and gives up all others, for good: neither a set-user-ID program nor one with file
    /// capabilities gives them back to this process or to its children. A capability that is not there is not needed:
    /// the call that wants it says so.
    static func keep(_ capabilities: [Capability]) throws(SystemError) {
        let mask = capabilities.reduce(UInt64(0)) { $0 | 1 << UInt64($1.rawValue) }
        try SystemError.check("capset", clinux_keep_capabilities(mask))
    }
}
