// Sends an IPv4 payload again and again, from another source each time: PROTOCOL DESTINATION NETWORK BITS RATE SECONDS HEX.
// Sources are NETWORK with BITS random bits at the end. Prints how many packets left and in how many seconds. The
// kernel may refuse some when a queue is full; those are not counted.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 50, LIMIT = 256 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    if (count != 8) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, arguments[2], &to.sin_addr) != 1) return 2;
    struct in_addr network;
    if (inet_pton(AF_INET, arguments[3], &network) != 1) return 2;
    uint32_t mask = (1u << atoi(arguments[4])) - 1;
    double rate = atof(arguments[5]), seconds = atof(arguments[6]);
    size_t length = strlen(arguments[7]) / 2;
    if (length > LIMIT || rate <= 0) return 2;

    static unsigned char packets[BATCH][sizeof(struct iphdr) + LIMIT];
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    for (int i = 0; i < BATCH; i++) {
        struct iphdr *ip = (struct iphdr *)packets[i];
        ip->version = 4;
        ip->ihl = 5;
        ip->ttl = 64;
        ip->protocol = atoi(arguments[1]);
        ip->daddr = to.sin_addr.s_addr;
        for (size_t at = 0; at < length; at++) {
            unsigned byte;
            if (sscanf(arguments[7] + 2 * at, "%2x", &byte) != 1) return 2;
            packets[i][sizeof *ip + at] = byte;
        }
        parts[i] = (struct iovec){packets[i], sizeof *ip + length};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
    }

    int gun = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    if (gun < 0) return 1;
    uint32_t chance = 2463534242;
    uint64_t sent = 0;
    double began = now(), end = began + seconds, time;
    while ((time = now()) < end) {
        if (sent > (time - began) * rate) {
            struct timespec pause = {.tv_nsec = (long)(BATCH / rate * 1e9)};
            nanosleep(&pause, NULL);
            continue;
        }
        for (int i = 0; i < BATCH; i++) {
            chance ^= chance << 13;
            chance ^= chance >> 17;
            chance ^= chance << 5;
            ((struct iphdr *)packets[i])->saddr = network.s_addr | htonl(chance & mask);
        }
        int left = sendmmsg(gun, messages, BATCH, 0);
        if (left > 0) sent += left;
    }
    printf("%llu %.3f\n", (unsigned long long)sent, now() - began);
    return 0;
}
