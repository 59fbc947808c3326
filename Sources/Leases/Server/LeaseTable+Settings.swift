import Addresses

extension LeaseTable {
    public struct Settings: Hashable, Sendable {
        /// What the clients of a group are given, in this order.
        public var pools: [String: [LeasePool]]
        /// Fixed resources, whatever the group; nobody else is given them, whether a pool holds them or not.
        public var reservations: [ClientIdentity: IPPrefix]
        /// Resources of pools that nobody is given, such as the router's own address.
        public var excluded: Set<IPPrefix>
        /// How many clients are remembered, active or not.
        public var capacity: Int

        /// Of the pools' resources.
        var resourceLengths: Set<UInt8> { Set(pools.values.joined().map(\.length)) }

        public init(
            pools: [String: [LeasePool]], reservations: [ClientIdentity: IPPrefix] = [:],
            excluded: Set<IPPrefix> = [], capacity: Int = 131_072
        ) {
            self.pools = pools
            self.reservations = reservations
            self.excluded = excluded
            self.capacity = max(1, capacity)
        }
    }
}
