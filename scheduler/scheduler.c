// Chooses a leg and a time of departure for each packet of a bond: a program for the kernel, at the egress of the
// bond's device, before the fq discipline that keeps the packets until then.
//
// A bond is one queue with two servers. The first one that is free takes the next packet, DSL when both are; so order
// of arrival is order of departure, and of sequence numbers. The queue is kept here and not in the access links, where
// all of a household's packets would wait in it. It is short, because flows that fill it are told so (RFC 8289), and
// flows that send little pass it by.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "../Sources/CScheduler/include/CScheduler.h"

typedef uint64_t u64;
typedef int64_t s64;
typedef uint32_t u32;

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static u64 (*const clock_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static u32 (*const flow_hash)(struct __sk_buff *skb) = (void *)BPF_FUNC_get_hash_recalc;
static void (*const set_hash_invalid)(struct __sk_buff *skb) = (void *)BPF_FUNC_set_hash_invalid;
static long (*const set_congestion_experienced)(struct __sk_buff *skb) = (void *)BPF_FUNC_skb_ecn_set_ce;

// The loader puts the maps' descriptors where these numbers are.
#define MAP(number) ({ void *map; asm volatile("%0 = " #number " ll" : "=r"(map)); map; })
#define PLANS MAP(0x7370696c6c776101)
#define STATES MAP(0x7370696c6c776102)

// The far end puts a bond's packets in order for two seconds after it saw one of the second leg.
#define REST 1500000000
// A leg that is used now and then must not cost the first one its rest each time.
#define REST_INTERVAL 8000000000ULL
// A moment of the first leg's queue: less than what ends TCP's first growth, 4 ms.
#define GROWTH_PATIENCE 1000000

static inline u64 max(u64 a, u64 b) { return a > b ? a : b; }

static inline u64 min(u64 a, u64 b) { return a < b ? a : b; }

static inline u64 less(u64 a, u64 b) { return a > b ? a - b : 0; }

static inline u64 time_on(u64 cost, u64 bytes) { return cost * bytes >> 16; }

// RFC 8289: the time between drops shrinks with the square root of their number.
static inline u64 spaced(u64 interval, u64 count) {
    u64 root = 1;
#pragma unroll
    for (int i = 0; i < 5; i++) root = (root + count / root + 1) / 2;
    return interval / root;
}

// Whether a flow has to hear that it is too fast.
static inline int congested(const struct scheduler_plan *plan, struct scheduler_queue *queue, u64 now, u64 wait) {
    // What was the queue's last has left: it was empty. A slow leg may take longer than the target for one packet.
    if (wait < plan->target || queue->last <= now) {
        queue->above_since = 0;
        return 0;
    }
    if (!queue->above_since) {
        queue->above_since = now;
        return 0;
    }
    if (now - queue->above_since < plan->interval || now < queue->next_drop) return 0;
    // A queue that comes back soon after it was cut goes on where that ended.
    u64 since = now - queue->next_drop;
    if (since > plan->interval * 8) queue->drops_in_a_row = 0;
    queue->drops_in_a_row++;
    queue->next_drop = now + spaced(plan->interval, queue->drops_in_a_row);
    return 1;
}

// Bytes that a flow has sent since it was last away for a moment. It has two places and counts by the one that says less.
static inline u64 given(struct scheduler_flow *flow, u64 now, u64 bytes) {
    // What it is ahead of a sparse flow by is paid off in a fifth of a second.
    if (flow->free + 300000000 < now) flow->bytes = 0;
    return flow->bytes += bytes;
}

// How far the first leg is ahead of its share of the bytes; what pinned and sparse packets put aside is made up for.
static inline s64 balanced(s64 balance, int leg, u64 bytes, u64 share) {
    s64 limit = (s64)1 << 33;
    balance += leg ? -(s64)(bytes * share) : (s64)(bytes * (65536 - share));
    if (balance > limit) return limit;
    return balance < -limit ? -limit : balance;
}

__attribute__((section("scheduler"), used)) int schedule(struct __sk_buff *skb) {
    u32 bond = skb->ifindex;
    const struct scheduler_plan *plan = map_lookup(PLANS, &bond);
    struct scheduler_state *state = map_lookup(STATES, &bond);
    if (!plan || !state) return TC_ACT_OK;

    u64 now = clock_ns();
    u64 segments = skb->gso_segs > 1 ? skb->gso_segs : 1;
    // Headers that segmentation repeats: those of IP and TCP, about.
    u64 length = skb->len + (segments - 1) * 52;
    u64 size0 = length + segments * plan->overhead[0], size1 = length + segments * plan->overhead[1];
    u32 asked = skb->mark & plan->pin_mask;
    int single = plan->legs != 3;
    // Where flows keep to a leg, each leg has a queue of its own.
    int keeps = !single && plan->flow_share;
    // The hash of a connection of this host changes when it retransmits; that of its packets does not.
    if (keeps) set_hash_invalid(skb);
    u32 hash = flow_hash(skb);
    // A flow has two places and counts by the one that says less: one that it shares with a larger flow harms nothing.
    u32 flow = hash % SCHEDULER_FLOWS, other = (hash >> 7) % SCHEDULER_FLOWS;
    int own_leg = keeps ? (hash >> 16) >= plan->flow_share : plan->legs == 2;
    struct scheduler_queue *queue = &state->queue[keeps && own_leg];
    int leg;
    u64 at;

    u64 earliest0 = max(now, less(state->free[0], plan->burst[0]));
    u64 earliest1 = max(now, less(state->free[1], plan->burst[1]));

    // The administrator's policy has chosen the leg. What keeps to one waits for that leg alone.
    int pinned = !single && asked && (asked == plan->mark[0] || asked == plan->mark[1]);
    if (pinned) {
        own_leg = asked == plan->mark[1];
        queue = &state->pinned[own_leg];
    }
    u64 own = max(min(state->flows[flow].free, state->flows[other].free), less(now, plan->sparse_burst));
    u64 all = max(state->sparse_free, less(now, plan->burst[0]));
    u64 sent = min(given(&state->flows[flow], now, length), given(&state->flows[other], now, length));
    // What it sends at full speed counts for no longer than a while.
    u64 used = min(own + time_on(plan->sparse_cost, length), max(own, now + 200000000));
    state->flows[flow].free = max(state->flows[flow].free, used);
    state->flows[other].free = max(state->flows[other].free, used);
    // A flow must not overtake its own packets that still wait.
    if (own <= now && all <= now && min(state->flows[flow].last, state->flows[other].last) <= now) {
        state->sparse_free = all + time_on(plan->sparse_total_cost, length);
        state->sparse++;
        leg = own_leg;
        at = now;
        goto chosen;
    }
    int bound = single || keeps || pinned;
    // What the second leg has got first must not be overtaken: the far end puts in order only once it has seen it.
    if (!bound) earliest0 = max(earliest0, state->overtakes);
    earliest0 = max(earliest0, queue->last);
    earliest1 = max(earliest1, queue->last);
    if (bound)
        leg = own_leg;
    else if (plan->packet_share)
        leg = state->balance > 0;
    else {
        // TCP's first growth ends when round trips become longer (HyStart), so a flow that still grows does not wait.
        u64 patience = sent > plan->growth[0] && sent < plan->growth[1] ? GROWTH_PATIENCE : plan->patience;
        leg = earliest0 > earliest1 && earliest0 - now > patience && state->bytes[1] + size1 <= plan->second_end;
    }
    at = leg ? earliest1 : earliest0;
    u64 wait = at - now;
    // A limit becomes smaller by and by: what was told to wait longer is to hear of it one drop at a time.
    u64 limit = max(plan->limit, less(state->limit, less(now, state->limit_at) >> 4));
    state->limit = limit;
    state->limit_at = now;
    if (wait > limit) {
        state->dropped++;
        return TC_ACT_SHOT;
    }
    if (congested(plan, queue, now, wait)) {
        if (set_congestion_experienced(skb)) {
            state->marked++;
        } else {
            state->dropped++;
            return TC_ACT_SHOT;
        }
    }
    if (wait > state->longest) state->longest = wait;
    queue->last = at;
    state->flows[flow].last = max(state->flows[flow].last, at);
    state->flows[other].last = max(state->flows[other].last, at);

chosen:
    if (plan->packet_share) state->balance = balanced(state->balance, leg, leg ? size1 : size0, plan->packet_share);
    if (leg) {
        int first = !single && !pinned && at > state->free[1] + REST && at > state->overtakes + REST_INTERVAL;
        state->free[1] = max(state->free[1], at) + time_on(plan->cost[1], size1);
        state->packets[1] += segments;
        state->bytes[1] += size1;
        if (first) state->overtakes = min(state->free[1], at + plan->later) + plan->later;
        skb->mark = (skb->mark & ~plan->mask) | plan->mark[1];
    } else {
        state->free[0] = max(state->free[0], at) + time_on(plan->cost[0], size0);
        state->packets[0] += segments;
        state->bytes[0] += size0;
        skb->mark = (skb->mark & ~plan->mask) | plan->mark[0];
    }
    skb->tstamp = at > now ? at : 0;
    return TC_ACT_OK;
}
