#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

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

int clinux_spawn(const char *path, char *const environment[], pid_t *process) {
    char *const arguments[] = {(char *)path, NULL};
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&files);
    int error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!error) error = posix_spawn_file_actions_adddup2(&files, 2, 1);
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(&files, 3);
    if (!error) error = posix_spawn(process, path, &files, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error) {
        errno = error;
        return -1;
    }
    int descriptor = (int)syscall(SYS_pidfd_open, *process, 0);
    if (descriptor < 0) {
        error = errno;
        kill(-*process, SIGKILL);
        waitpid(*process, NULL, 0);
        errno = error;
    }
    return descriptor;
}

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
    int error = errno;
    // The verifier tells its whole way; why it ended is at the end.
    const uint32_t size = 1 << 20;
    char *whole = calloc(1, size);
    if (whole) {
        attributes.log_buf = (uintptr_t)whole;
        attributes.log_size = size;
        attributes.log_level = 1;
        program = bpf(BPF_PROG_LOAD, &attributes);
        size_t length = strlen(whole), kept = length < log_size ? length : log_size - 1;
        memcpy(log, whole + length - kept, kept + 1);
        free(whole);
    }
    errno = error;
    return program;
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

uint32_t clinux_bpf_program_id(int program) {
    struct bpf_prog_info info = {0};
    union bpf_attr attributes = {0};
    attributes.info.bpf_fd = (uint32_t)program;
    attributes.info.info_len = sizeof info;
    attributes.info.info = (uintptr_t)&info;
    return bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0 ? info.id : 0;
}

struct verdict {
    struct nlmsghdr header;
    struct nfgenmsg family;
    struct nlattr attribute;
    struct nfqnl_msg_verdict_hdr verdict;
};

// Accepts what waits in a queue up to a packet's number, half of all numbers back.
static void accept_up_to(int queue, uint16_t number, uint32_t last) {
    // NF_ACCEPT, whose header does not go together with the GNU library's.
    const uint32_t accept = 1;
    struct verdict message = {
        .header = {
            .nlmsg_len = sizeof message,
            .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT_BATCH,
            .nlmsg_flags = NLM_F_REQUEST,
        },
        .family = {.version = NFNETLINK_V0, .res_id = htobe16(number)},
        .attribute = {.nla_len = sizeof message.attribute + sizeof message.verdict, .nla_type = NFQA_VERDICT_HDR},
        .verdict = {.verdict = htobe32(accept), .id = htobe32(last)},
    };
    while (send(queue, &message, sizeof message, 0) < 0 && errno == EINTR) {}
}

struct length {
    struct nlmsghdr header;
    struct nfgenmsg family;
    struct nlattr attribute;
    uint32_t length;
};

// Lets nothing more into a queue: as it is one that packets pass when it is full, they pass it.
static void fill(int queue, uint16_t number) {
    struct length message = {
        .header = {
            .nlmsg_len = sizeof message,
            .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG,
            .nlmsg_flags = NLM_F_REQUEST,
        },
        .family = {.version = NFNETLINK_V0, .res_id = htobe16(number)},
        .attribute = {.nla_len = sizeof message.attribute + sizeof message.length, .nla_type = NFQA_CFG_QUEUE_MAXLEN},
    };
    while (send(queue, &message, sizeof message, 0) < 0 && errno == EINTR) {}
}

static void guard(int queue, uint16_t number, int end) {
    // Nothing but its parent's end ends it: what is sent to both must not end it first.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, "spillway-queue");
    clinux_keep_capabilities(1 << CAP_NET_ADMIN);
    dup2(queue, 0);
    dup2(end, 1);
    close_range(3, ~0U, 0);
    char byte;
    while (read(1, &byte, 1) < 0 && errno == EINTR) {}
    // What came between the last word and the queue's end would be dropped with it.
    fill(0, number);
    accept_up_to(0, number, 0x7FFFFFFF);
    accept_up_to(0, number, 0xFFFFFFFF);
    close(0);
    _exit(0);
}

int clinux_guard_queue(int queue, uint16_t number, pid_t *process) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    *process = fork();
    if (*process == 0) {
        close(ends[1]);
        // Away from the two places that they are put at.
        guard(fcntl(queue, F_DUPFD, 3), number, fcntl(ends[0], F_DUPFD, 3));
    }
    close(ends[0]);
    if (*process > 0) return ends[1];
    close(ends[1]);
    return -1;
}

int clinux_keep_capabilities(uint64_t mask) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) < 0) return -1;
    // The bounding set first: it takes CAP_SETPCAP. Without that capability there is nothing in it to gain from, as
    // no_new_privs keeps execve(2) from giving any.
    int bounds = (sets[CAP_TO_INDEX(CAP_SETPCAP)].effective & CAP_TO_MASK(CAP_SETPCAP)) != 0;
    for (int capability = 0; bounds && prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (mask >> capability & 1) continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return -1;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -1;
    for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; half++) {
        sets[half].permitted &= (uint32_t)(mask >> (32 * half));
        sets[half].effective = sets[half].permitted;
        sets[half].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, sets);
}
