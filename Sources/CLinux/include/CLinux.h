#pragma once
// The uapi headers that the Glibc module does not carry. The order matters: the socket headers must come before
// any <linux/...> one, or the two define the same structures twice.
#include <sys/socket.h>
#include <netinet/in.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/gen_stats.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tunnel.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <linux/net_tstamp.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_skbedit.h>
#include <linux/veth.h>
#include <linux/xfrm.h>

// The GNU library declares these two behind a feature macro that Swift's module of it does not set.
enum { CLINUX_NEW_NETWORK = 0x40000000 };
int clinux_unshare(int flags);
int clinux_setns(int descriptor, int type);

// Starts a program in a process group of its own, with no arguments, this environment and no descriptors but 0
// (/dev/null), 1 and 2 (both this process's 2), all signals as a fresh process has them. Returns a descriptor that
// becomes readable when it has ended and sets `process`; or -1 (errno).
int clinux_spawn(const char *path, char *const environment[], pid_t *process);

// Receives up to 64 datagrams without waiting, the i-th to buffer + i * slot, and sets lengths[i]: -1 when the datagram
// was longer than its slot or did not come from the kernel. Returns how many came, or -1 (errno).
int clinux_receive_many(int descriptor, void *buffer, size_t slot, unsigned int count, int *lengths);

// Starts a process that does nothing until this one ends, however it ends, and then lets all packets go that wait in the
// queue `number` of the netlink socket `queue`: the kernel would drop them with the socket. Returns a descriptor whose
// closing ends it, too, and sets `process`; or -1 (errno).
int clinux_guard_queue(int queue, uint16_t number, pid_t *process);

// bpf(2). Each returns a descriptor or 0, or -1 (errno).
// A table from 32-bit keys to values of `value` bytes, for up to `count` keys, each allocated when it is put in.
int clinux_bpf_hash(const char *name, uint32_t value, uint32_t count);
// A traffic classifier. The end of what the verifier says is written to `log`.
int clinux_bpf_classifier(const char *name, const uint64_t *words, uint32_t count, char *log, uint32_t log_size);
int clinux_bpf_put(int map, const uint32_t *key, const void *value);
int clinux_bpf_get(int map, const uint32_t *key, void *value);
int clinux_bpf_remove(int map, const uint32_t *key);
// The number by which the kernel tells a program, or 0.
uint32_t clinux_bpf_program_id(int program);

// Gives up all capabilities that are not in the mask (bit n is capability n), those that could be gained again by
// execve(2) too, and sets no_new_privs. Returns 0, or -1 (errno).
int clinux_keep_capabilities(uint64_t mask);
