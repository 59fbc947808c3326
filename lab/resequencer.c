// A stand-in for the product's recombination, for the lab's own calibration only (scenario kernel-recipe).
//
// It reads GRE sequence numbers of packets the kernel holds in an NFQUEUE and accepts them in order. What is missing
// for longer than the timer is given up. Usage: resequencer QUEUE TIMER_MS
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

enum { SLOTS = 4096, COPY_RANGE = 64, QUEUE_LENGTH = 8192, VERDICTS_SIZE = 60000 };

struct slot {
    bool used;
    uint32_t id;
    int64_t since_us;
};

static struct slot slots[SLOTS];
static struct mnl_socket *netlink;
static uint16_t queue;
static int64_t timer_us;
static uint32_t next_sequence;
static bool started;
static unsigned held;
static char verdicts[VERDICTS_SIZE + 256];
static size_t verdicts_length;

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static struct nlmsghdr *begin(char *buffer, uint16_t type) {
    struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
    header->nlmsg_type = (NFNL_SUBSYS_QUEUE << 8) | type;
    header->nlmsg_flags = NLM_F_REQUEST;
    struct nfgenmsg *general = mnl_nlmsg_put_extra_header(header, sizeof *general);
    general->nfgen_family = AF_UNSPEC;
    general->version = NFNETLINK_V0;
    general->res_id = htons(queue);
    return header;
}

static void send_verdicts(void) {
    if (verdicts_length > 0) mnl_socket_sendto(netlink, verdicts, verdicts_length);
    verdicts_length = 0;
}

static void accept_packet(uint32_t id) {
    struct nlmsghdr *header = begin(verdicts + verdicts_length, NFQNL_MSG_VERDICT);
    struct nfqnl_msg_verdict_hdr verdict = {.verdict = htonl(NF_ACCEPT), .id = htonl(id)};
    mnl_attr_put(header, NFQA_VERDICT_HDR, sizeof verdict, &verdict);
    verdicts_length += header->nlmsg_len;
    if (verdicts_length > VERDICTS_SIZE) send_verdicts();
}

static void release_run(void) {
    struct slot *slot;
    while (held > 0 && (slot = &slots[next_sequence % SLOTS])->used) {
        accept_packet(slot->id);
        slot->used = false;
        held--;
        next_sequence++;
    }
}

// Gives up what is missing before the first packet that is held. Returns when that packet came, or -1.
static int64_t first_held(uint32_t *sequence) {
    for (uint32_t offset = 0; held > 0 && offset < SLOTS; offset++) {
        const struct slot *slot = &slots[(next_sequence + offset) % SLOTS];
        if (slot->used) {
            *sequence = next_sequence + offset;
            return slot->since_us;
        }
    }
    return -1;
}

static void expire(int64_t age_us) {
    int64_t now = now_us();
    uint32_t sequence;
    int64_t since;
    while ((since = first_held(&sequence)) >= 0 && now - since >= age_us) {
        next_sequence = sequence;
        release_run();
    }
}

static void arrived(uint32_t sequence, uint32_t id) {
    if (!started) next_sequence = sequence;
    started = true;
    int32_t ahead = (int32_t)(sequence - next_sequence);
    if (ahead >= SLOTS) {
        expire(0);
        next_sequence = sequence;
        ahead = 0;
    }
    struct slot *slot = &slots[sequence % SLOTS];
    if (ahead < 0 || (ahead > 0 && slot->used)) {
        accept_packet(id);  // late, or a duplicate: order cannot be had any more, the packet can
    } else if (ahead == 0) {
        accept_packet(id);
        next_sequence++;
        release_run();
    } else {
        *slot = (struct slot){true, id, now_us()};
        held++;
    }
}

static int received(const struct nlmsghdr *header, void *unused) {
    (void)unused;
    struct nlattr *attribute;
    const struct nfqnl_msg_packet_hdr *packet = NULL;
    const uint8_t *payload = NULL;
    size_t length = 0;
    mnl_attr_for_each(attribute, header, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(attribute) == NFQA_PACKET_HDR) packet = mnl_attr_get_payload(attribute);
        if (mnl_attr_get_type(attribute) == NFQA_PAYLOAD) {
            payload = mnl_attr_get_payload(attribute);
            length = mnl_attr_get_payload_len(attribute);
        }
    }
    if (packet == NULL) return MNL_CB_OK;
    uint32_t id = ntohl(packet->packet_id);
    size_t gre = length > 0 ? (payload[0] & 15) * 4u : 0;
    // Key and sequence number present (0x3000): only those have an order.
    if (length < gre + 12 || (payload[gre] & 0x30) != 0x30) {
        accept_packet(id);
        return MNL_CB_OK;
    }
    const uint8_t *number = payload + gre + 8;
    uint32_t sequence = (uint32_t)number[0] << 24 | number[1] << 16 | number[2] << 8 | number[3];
    arrived(sequence, id);
    return MNL_CB_OK;
}

static void configure(void) {
    char buffer[256];
    struct nlmsghdr *header = begin(buffer, NFQNL_MSG_CONFIG);
    struct nfqnl_msg_config_cmd bind = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET)};
    mnl_attr_put(header, NFQA_CFG_CMD, sizeof bind, &bind);
    mnl_socket_sendto(netlink, header, header->nlmsg_len);
    header = begin(buffer, NFQNL_MSG_CONFIG);
    struct nfqnl_msg_config_params copy = {.copy_range = htonl(COPY_RANGE), .copy_mode = NFQNL_COPY_PACKET};
    mnl_attr_put(header, NFQA_CFG_PARAMS, sizeof copy, &copy);
    mnl_attr_put_u32(header, NFQA_CFG_QUEUE_MAXLEN, htonl(QUEUE_LENGTH));
    mnl_attr_put_u32(header, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_FAIL_OPEN));
    mnl_attr_put_u32(header, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN));
    mnl_socket_sendto(netlink, header, header->nlmsg_len);
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: resequencer QUEUE TIMER_MS\n");
        return 2;
    }
    queue = (uint16_t)atoi(words[1]);
    timer_us = atoi(words[2]) * 1000LL;
    netlink = mnl_socket_open(NETLINK_NETFILTER);
    if (netlink == NULL || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
        perror("netlink");
        return 1;
    }
    configure();
    int size = 8 << 20;
    setsockopt(mnl_socket_get_fd(netlink), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);

    static char buffer[1 << 16];
    for (;;) {
        uint32_t sequence;
        int64_t since = first_held(&sequence);
        int64_t left_us = since < 0 ? -1 : since + timer_us - now_us();
        int wait_ms = since < 0 ? -1 : left_us <= 0 ? 0 : (int)(left_us / 1000) + 1;
        struct pollfd readable = {.fd = mnl_socket_get_fd(netlink), .events = POLLIN};
        poll(&readable, 1, wait_ms);
        for (int messages = 0; messages < 64; messages++) {
            ssize_t length = recv(readable.fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (length <= 0) break;
            mnl_cb_run(buffer, (size_t)length, 0, 0, received, NULL);
        }
        expire(timer_us);
        send_verdicts();
    }
}
