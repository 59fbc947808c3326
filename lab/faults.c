// Runs a program and lets netlink requests of its fail as the kernel would refuse them: CONTROL LOG PROGRAM ARGUMENT…
//
// What is to fail is said in CONTROL (struct control), which whoever wants a fault maps into memory: one request, each
// of a part, or the first of each kind that has not failed with this error yet, which is remembered there. LOG gets a
// line for each request: its number, protocol, message type, flags, the errno that it was answered with (0: it was the
// kernel's own answer), the process, messages in the batch.
// A transaction of nf_tables is one request, whatever it holds.
//
// At the entry of the send a message's type becomes one that the kernel does not know, so that nothing is done and the
// kernel itself answers with an error, and undoes the whole transaction if it was in one. In that answer the errno is
// replaced where the program receives it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 1 << 20, WAITING = 64, KINDS = 1000, SIZE = 16384 };

struct control {
    uint64_t seen;    // requests so far
    uint64_t injected, answered;  // that failed; whose failure the program has read
    // From here on whoever wants a fault writes.
    uint64_t counted; // requests of the kind that is meant, since 0 was written here
    uint64_t first;   // number of the one that fails; 0: none
    uint64_t parts;   // not 0: they are dealt out to so many parts, and all of part number `first` fail
    int32_t error;    // a positive errno
    int32_t protocol, type;  // the kind; -1: any
    int32_t dumps;    // 1: only lists; 0: only what is no list; -1: both
    int32_t always;   // each one fails
    int32_t fresh;    // besides, each one fails whose kind has not failed with this error so far
    // The kinds that have failed: each with each error once, from 0 on; the rest is zeroed.
    struct failed { int32_t error; uint16_t protocol, type; uint8_t dump, many; } failed[KINDS];
};

static struct control *control;
static FILE *report;
static uint8_t buffer[LIMIT];

// Refusals that the program has not read yet.
static struct { pid_t process; int descriptor, error; uint32_t sequence; uint16_t type; } waiting[WAITING];
static int waits;
// What was changed in a send that has not returned: it is put back, for the program may use it again.
static struct { uint64_t address; uint16_t type; } changed[WAITING];
static int changes;

static void die(const char *what) {
    perror(what);
    exit(125);
}

static int protocol_of(pid_t process, int descriptor) {
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/fd/%d", process, descriptor);
    char target[32] = "";
    if (readlink(name, target, sizeof target - 1) < 0 || strncmp(target, "socket:", 7)) return -1;
    int handle = syscall(SYS_pidfd_open, process, 0);
    if (handle < 0) return -1;
    int own = syscall(SYS_pidfd_getfd, handle, descriptor, 0);
    close(handle);
    if (own < 0) return -1;
    int domain = 0, protocol = -1;
    socklen_t length = sizeof domain;
    getsockopt(own, SOL_SOCKET, SO_DOMAIN, &domain, &length);
    length = sizeof protocol;
    getsockopt(own, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    close(own);
    return domain == AF_NETLINK ? protocol : -1;
}

static ssize_t peek(pid_t process, uint64_t address, void *to, size_t length) {
    struct iovec local = {to, length}, remote = {(void *)address, length};
    return process_vm_readv(process, &local, 1, &remote, 1, 0);
}

static void poke(pid_t process, uint64_t address, const void *from, size_t length) {
    struct iovec local = {(void *)from, length}, remote = {(void *)address, length};
    if (process_vm_writev(process, &local, 1, &remote, 1, 0) != (ssize_t)length) die("process_vm_writev");
}

// Whether this kind has failed with this error before; from now on it has.
static int has_failed(struct failed one) {
    for (int i = 0; i < KINDS; i++) {
        struct failed *each = &control->failed[i];
        if (!each->error) {
            *each = one;
            return 0;
        }
        if (each->error == one.error && each->protocol == one.protocol && each->type == one.type
            && each->dump == one.dump && each->many == one.many) return 1;
    }
    return 1;
}

// Whether this request is one that fails.
static int is_due(uint64_t number, struct failed kind) {
    if (!control->error) return 0;
    if (control->always) return 1;
    if (control->fresh && !has_failed(kind)) return 1;
    if (!control->parts) return number == control->first;
    // Not each so many: what is asked for again and again would meet the same fate each time. Mixed like this few in a row
    // fail, but of those that come 58 or 116 apart nearly all do, so now and then a number is left out.
    uint64_t mixed = ((number + number / 70) * 0x9e3779b97f4a7c15) >> 32;
    return mixed % control->parts + 1 == control->first;
}

// Where a message is altered the way out of the system call matters, and what is received later.
static void sending(pid_t process, int descriptor, uint64_t address, size_t length) {
    int protocol = protocol_of(process, descriptor);
    if (protocol < 0 || length < sizeof(struct nlmsghdr) || length > LIMIT) return;
    if (peek(process, address, buffer, length) != (ssize_t)length) return;
    size_t next;
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= length; at = next) {
        struct nlmsghdr *header = (struct nlmsghdr *)(buffer + at);
        if (header->nlmsg_len < sizeof *header) break;
        next = at + NLMSG_ALIGN(header->nlmsg_len);
        uint32_t count = 1;
        if (protocol == NETLINK_NETFILTER && header->nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
            // The one in the middle stands for all.
            size_t places[4096];
            count = 0;
            while (next + sizeof *header <= length) {
                struct nlmsghdr *inner = (struct nlmsghdr *)(buffer + next);
                if (inner->nlmsg_len < sizeof *inner) break;
                size_t place = next;
                next += NLMSG_ALIGN(inner->nlmsg_len);
                if (inner->nlmsg_type == NFNL_MSG_BATCH_END) break;
                if (count < 4096) places[count++] = place;
            }
            if (!count) continue;
            at = places[count / 2];
            header = (struct nlmsghdr *)(buffer + at);
        }
        uint16_t type = header->nlmsg_type;
        int error = 0, dump = (header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
        control->seen++;
        int is_meant = (control->protocol < 0 || control->protocol == protocol)
            && (control->type < 0 || control->type == type)
            && (control->dumps < 0 || control->dumps == dump);
        struct failed kind = {control->error, protocol, count > 1 ? 0 : type, dump, count > 1};
        if (is_meant) control->counted++;
        if (is_meant && changes < WAITING && waits < WAITING && is_due(control->counted, kind)) {
            error = control->error;
            // Neither family knows this one; a batch is refused where it stands.
            uint16_t unknown = protocol == NETLINK_NETFILTER ? (type & 0xff00) | 0xfe : 0x3fe;
            uint64_t place = address + at + offsetof(struct nlmsghdr, nlmsg_type);
            changed[changes].address = place;
            changed[changes++].type = type;
            poke(process, place, &unknown, sizeof unknown);
            waiting[waits].process = process;
            waiting[waits].descriptor = descriptor;
            waiting[waits].error = error;
            waiting[waits].type = type;
            waiting[waits++].sequence = header->nlmsg_seq;
            control->injected++;
        }
        fprintf(report, "%llu %d %u %u %d %d %u\n", (unsigned long long)control->seen, protocol, type,
            header->nlmsg_flags, error, process, count);
    }
    fflush(report);
}

// Replaces the errno of refusals in what was received.
static void received(pid_t process, int descriptor, uint64_t address, size_t length) {
    if (length > LIMIT || peek(process, address, buffer, length) != (ssize_t)length) return;
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= length;) {
        struct nlmsghdr *header = (struct nlmsghdr *)(buffer + at);
        if (header->nlmsg_len < sizeof *header) return;
        for (int i = 0; i < waits; i++) {
            if (header->nlmsg_type != NLMSG_ERROR || waiting[i].process != process
                || waiting[i].descriptor != descriptor || waiting[i].sequence != header->nlmsg_seq) continue;
            int32_t error = -waiting[i].error;
            // The kernel's words are about its own reason: the error is told without any.
            uint16_t flags = header->nlmsg_flags & ~NLM_F_ACK_TLVS;
            poke(process, address + at + sizeof *header, &error, sizeof error);
            poke(process, address + at + offsetof(struct nlmsghdr, nlmsg_flags), &flags, sizeof flags);
            // What was refused is told with it.
            poke(process, address + at + sizeof *header + 4 + offsetof(struct nlmsghdr, nlmsg_type), &waiting[i].type,
                sizeof waiting[i].type);
            waiting[i] = waiting[--waits];
            control->answered++;
            break;
        }
        at += NLMSG_ALIGN(header->nlmsg_len);
    }
}

static int is_waited_for(pid_t process) {
    for (int i = 0; i < waits; i++) if (waiting[i].process == process) return 1;
    return 0;
}

// What a message header of the program points to first; the length is that of its first part.
static struct iovec first_part(pid_t process, uint64_t header) {
    struct msghdr message;
    struct iovec part = {0};
    if (peek(process, header, &message, sizeof message) == sizeof message && message.msg_iovlen > 0)
        peek(process, (uint64_t)message.msg_iov, &part, sizeof part);
    return part;
}

// recvmmsg: the queue's refusals come in one of many datagrams.
static void received_many(pid_t process, int descriptor, uint64_t vector, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct mmsghdr one;
        uint64_t place = vector + i * sizeof one;
        if (peek(process, place, &one, sizeof one) != sizeof one) return;
        struct iovec part = first_part(process, place + offsetof(struct mmsghdr, msg_hdr));
        received(process, descriptor, (uint64_t)part.iov_base, one.msg_len);
    }
}

static void run(char **arguments) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (ptrace(PTRACE_TRACEME, 0, 0, 0)) die("PTRACE_TRACEME");
    raise(SIGSTOP);
    // As root this takes no "no new privileges", which the program would notice.
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) die("PR_SET_SECCOMP");
    execvp(arguments[0], arguments);
    die(arguments[0]);
}

static pid_t child;

static void pass_on(int number) { kill(child, number); }

int main(int count, char **arguments) {
    if (count < 4) return 125;
    int file = open(arguments[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, SIZE)) die(arguments[1]);
    control = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (control == MAP_FAILED) die("mmap");
    report = fopen(arguments[2], "ae");
    if (!report) die(arguments[2]);

    child = fork();
    if (child < 0) die("fork");
    if (child == 0) run(arguments + 3);
    for (int i = 0; i < 5; i++) signal((int[]){SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}[i], pass_on);
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 125;
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK
        | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, options)) die("PTRACE_SETOPTIONS");
    ptrace(PTRACE_CONT, child, 0, 0);

    for (;;) {
        pid_t process = waitpid(-1, &status, __WALL);
        if (process < 0) {
            if (errno == EINTR) continue;
            return 125;
        }
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (process != child) continue;
            if (WIFEXITED(status)) return WEXITSTATUS(status);
            signal(WTERMSIG(status), SIG_DFL);
            raise(WTERMSIG(status));
            return 125;
        }
        int number = WSTOPSIG(status), event = status >> 16, deliver = 0;
        struct user_regs_struct registers;
        if (event == PTRACE_EVENT_SECCOMP) {
            ptrace(PTRACE_GETREGS, process, 0, &registers);
            struct iovec part = {(void *)registers.rsi, registers.rdx};
            if (registers.orig_rax == SYS_sendmsg) part = first_part(process, registers.rsi);
            sending(process, registers.rdi, (uint64_t)part.iov_base, part.iov_len);
        } else if (number == (SIGTRAP | 0x80)) {
            ptrace(PTRACE_GETREGS, process, 0, &registers);
            int64_t result = registers.rax;
            // At an entry the result is ENOSYS.
            if (result >= 0) switch (registers.orig_rax) {
            case SYS_sendto: case SYS_sendmsg:
                while (changes) {
                    changes--;
                    poke(process, changed[changes].address, &changed[changes].type, sizeof changed[changes].type);
                }
                break;
            case SYS_recvfrom: received(process, registers.rdi, registers.rsi, result); break;
            case SYS_recvmsg:
                received(process, registers.rdi, (uint64_t)first_part(process, registers.rsi).iov_base, result);
                break;
            case SYS_recvmmsg: received_many(process, registers.rdi, registers.rsi, result); break;
            }
        } else if (event || number == SIGSTOP) {
            // A new process or thread begins with a stop.
        } else {
            deliver = number;
        }
        ptrace(is_waited_for(process) || changes ? PTRACE_SYSCALL : PTRACE_CONT, process, 0, deliver);
    }
}
