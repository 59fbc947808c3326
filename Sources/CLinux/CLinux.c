#define _GNU_SOURCE
#include <sched.h>

#include <string.h>

#include "CLinux.h"

// What the Swift side lays out by hand must have the size the kernel expects.
_Static_assert(sizeof(struct nlmsghdr) == 16, "nlmsghdr");
_Static_assert(sizeof(struct ifinfomsg) == 16, "ifinfomsg");
_Static_assert(sizeof(struct ifaddrmsg) == 8, "ifaddrmsg");
_Static_assert(sizeof(struct rtmsg) == 12, "rtmsg");
_Static_assert(sizeof(struct tcmsg) == 20, "tcmsg");
_Static_assert(sizeof(struct ndmsg) == 12, "ndmsg");
_Static_assert(sizeof(struct fib_rule_hdr) == 12, "fib_rule_hdr");
_Static_assert(sizeof(struct nfgenmsg) == 4, "nfgenmsg");

_Static_assert(CLINUX_NEW_NETWORK == CLONE_NEWNET, "CLONE_NEWNET");

int clinux_unshare(int flags) { return unshare(flags); }

int clinux_setns(int descriptor, int type) { return setns(descriptor, type); }

int clinux_receive_many(int descriptor, void *buffer, size_t slot, unsigned int count, int *lengths) {
    struct mmsghdr messages[64];
    struct iovec vectors[64];
    struct sockaddr_nl senders[64];
    if (count > 64) count = 64;
    memset(messages, 0, count * sizeof messages[0]);
    for (unsigned int i = 0; i < count; i++) {
        vectors[i].iov_base = (char *)buffer + i * slot;
        vectors[i].iov_len = slot;
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &senders[i];
        messages[i].msg_hdr.msg_namelen = sizeof senders[i];
    }
    int received = recvmmsg(descriptor, messages, count, MSG_DONTWAIT, NULL);
    for (int i = 0; i < received; i++) {
        int whole = !(messages[i].msg_hdr.msg_flags & MSG_TRUNC) && senders[i].nl_pid == 0;
        lengths[i] = whole ? (int)messages[i].msg_len : -1;
    }
    return received;
}
