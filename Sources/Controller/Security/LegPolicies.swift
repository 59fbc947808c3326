import Addresses
import NetlinkKit

/// The policies that let no packet of a leg out or in without ESP. They hold for control messages as for data: both are
/// GRE.
enum LegPolicies {
    /// Marks ours beside the number.
    static let priority: UInt32 = 5300
    private static let gre: UInt8 = 47

    /// What goes out between two ends on the wire, and what comes in and is not rewritten: control messages.
    static func leg(from local: IPPrefix, to remote: IPPrefix, _ requestID: UInt32) -> [KernelObject] {
        [policy(local, remote, .out, requestID), policy(remote, local, .in, requestID)]
    }

    /// What comes in as packets of bonds: they have canonical addresses by the time the kernel looks, whichever leg
    /// they came by, so any state does. That it was the leg's, the chains have seen by then.
    static func rewritten(from remote: IPPrefix, to local: IPAddress) -> [KernelObject] {
        [policy(remote, IPPrefix(host: local), .in, 0)]
    }

    /// Whether a policy is one of these.
    static func has(_ policy: SecurityPolicy, _ requestIDs: ClosedRange<UInt32>) -> Bool {
        policy.priority == priority && policy.selector.protocol == gre
            && (policy.requestID == 0 || requestIDs.contains(policy.requestID))
    }

    private static func policy(
        _ from: IPPrefix, _ to: IPPrefix, _ direction: SecurityPolicy.Direction, _ requestID: UInt32
    ) -> KernelObject {
        .policy(
            SecurityPolicy(
                TrafficSelector(from: from, to: to, protocol: Self.gre), direction, priority: Self.priority,
                requestID: requestID))
    }
}
