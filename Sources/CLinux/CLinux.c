#define _GNU_SOURCE
#include <sched.h>

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

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

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
    return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static void set_name(char *to, const char *name) {
    for (int i = 0; i < BPF_OBJ_NAME_LEN - 1 && name[i]; i++) to[i] = name[i];
}

int clinux_bpf_hash(const char *name, uint32_t value, uint32_t count) {
    union bpf_attr attributes = {0};
    attributes.map_type = BPF_MAP_TYPE_HASH;
    attributes.key_size = sizeof(uint32_t);
    attributes.value_size = value;
    attributes.max_entries = count;
    attributes.map_flags = BPF_F_NO_PREALLOC;
    set_name(attributes.map_name, name);
    return bpf(BPF_MAP_CREATE, &attributes);
}

int clinux_bpf_classifier(const char *name, const uint64_t *words, uint32_t count, char *log, uint32_t log_size) {
    union bpf_attr attributes = {0};
    attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    attributes.insns = (uintptr_t)words;
    attributes.insn_cnt = count;
    attributes.license = (uintptr_t) "Apache-2.0";
    set_name(attributes.prog_name, name);
    int program = bpf(BPF_PROG_LOAD, &attributes);
    if (program >= 0 || log_size == 0) return program;
    attributes.log_buf = (uintptr_t)log;
    attributes.log_size = log_size;
    attributes.log_level = 1;
    return bpf(BPF_PROG_LOAD, &attributes);
}

static int element(enum bpf_cmd command, int map, const uint32_t *key, const void *value) {
    union bpf_attr attributes = {0};
    attributes.map_fd = (uint32_t)map;
    attributes.key = (uintptr_t)key;
    attributes.value = (uintptr_t)value;
    return bpf(command, &attributes);
}

int clinux_bpf_put(int map, const uint32_t *key, const void *value) {
    return element(BPF_MAP_UPDATE_ELEM, map, key, value);
}

int clinux_bpf_get(int map, const uint32_t *key, void *value) {
    return element(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

int clinux_bpf_remove(int map, const uint32_t *key) { return element(BPF_MAP_DELETE_ELEM, map, key, NULL); }
