#pragma once
// What the daemon and the program in the kernel share; see scheduler/scheduler.c.
#include <stdint.h>

enum { SCHEDULER_LEGS = 2, SCHEDULER_FLOWS = 128 };

// What the daemon wants for one bond. Times in ns.
struct scheduler_plan {
    // Of a leg: ns that a byte takes on the link, times 65536; 0: no limit.
    uint64_t cost[SCHEDULER_LEGS];
    // How much a leg may be ahead of its rate: what its own queue may hold.
    uint64_t burst[SCHEDULER_LEGS];
    // The same cost for a flow that counts as sparse, and for all of these together.
    uint64_t sparse_cost, sparse_total_cost, sparse_burst;
    // Queue at which flows are told to slow down, for how long it may be exceeded, and at which all is dropped.
    uint64_t target, interval, limit;
    // The first leg is preferred while its queue is below this.
    uint64_t patience;
    // How much later packets arrive by the second leg; 0: so much that the first one does not wait for that.
    uint64_t later;
    // Bytes of a flow between which it grows, so that it is not to wait in the first leg's queue; 0 where `later` is.
    uint64_t growth[2];
    // The count of bytes given to the second leg beyond which it takes no overflow.
    uint64_t second_end;
    // Packet marks of the legs, and the bits they are in.
    uint32_t mark[SCHEDULER_LEGS], mask;
    // The same bits where a packet that comes with a leg's mark keeps to that leg; 0: where marks do not count.
    uint32_t pin_mask;
    // Bytes that a packet grows by on a leg.
    uint32_t overhead[SCHEDULER_LEGS];
    // Bit n: leg n may be used.
    uint32_t legs;
    // The first leg's share, of 65536, where both are used: of flows, which then keep to their leg, or of bytes. 0 for
    // both: the leg that is free first.
    uint32_t flow_share, packet_share;
};

// What waits its turn, in one order.
struct scheduler_queue {
    // When the last packet of it leaves.
    uint64_t last;
    uint64_t above_since, next_drop, drops_in_a_row;
};

struct scheduler_flow {
    uint64_t free, last, bytes;
};

// What the program keeps for one bond. Counters only grow.
struct scheduler_state {
    uint64_t free[SCHEDULER_LEGS];
    // One for both legs; where flows keep to a leg, one for each.
    struct scheduler_queue queue[SCHEDULER_LEGS];
    // What keeps to a leg although others do not.
    struct scheduler_queue pinned[SCHEDULER_LEGS];
    uint64_t sparse_free;
    // Until then what leaves by the first leg would overtake what the second one got after a rest.
    uint64_t overtakes;
    // The limit of the queue that was in effect when the last packet came, and when that was.
    uint64_t limit, limit_at;
    // Bytes × 65536 that the first leg is ahead of its share.
    int64_t balance;
    uint64_t packets[SCHEDULER_LEGS], bytes[SCHEDULER_LEGS];
    uint64_t sparse, marked, dropped;
    // The longest wait, ns; the daemon may set it to 0.
    uint64_t longest;
    struct scheduler_flow flows[SCHEDULER_FLOWS];
};
