// What a datagram costs on its way: sends them in groups, the next one when the last one's end is confirmed, so that the
// processor is never idle and nothing is ever lost in a queue. SEND: ADDRESS PORT SIZE GROUPS; RECEIVE: PORT.
// The sender prints how many arrived and how many nanoseconds that took.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum { GROUP = 32, LIMIT = 1500 };

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int confirm(int file) {
    uint32_t number[LIMIT / 4];
    struct sockaddr_in from;
    for (;;) {
        socklen_t length = sizeof from;
        ssize_t size = recvfrom(file, number, sizeof number, 0, (struct sockaddr *)&from, &length);
        if (size < 8) return 1;
        // The second word says how many of its group came before it.
        if (number[1] == GROUP - 1 && sendto(file, number, 8, 0, (struct sockaddr *)&from, length) < 0) return 1;
    }
}

int main(int count, char **arguments) {
    if (count != 2 && count != 5) return 2;
    int file = socket(AF_INET, SOCK_DGRAM, 0), port = atoi(arguments[count == 2 ? 1 : 2]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (file < 0) return 1;
    if (count == 2) return bind(file, (struct sockaddr *)&address, sizeof address) ? 1 : confirm(file);

    size_t size = atoi(arguments[3]);
    unsigned groups = atoi(arguments[4]);
    if (size < 8 || size > LIMIT || inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1) return 2;
    if (connect(file, (struct sockaddr *)&address, sizeof address)) return 1;
    struct timeval patience = {.tv_usec = 300000};
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    static uint32_t data[GROUP][LIMIT / 4 + 1];
    struct mmsghdr messages[GROUP] = {0};
    struct iovec parts[GROUP];
    for (unsigned i = 0; i < GROUP; i++) {
        parts[i] = (struct iovec){data[i], size};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        data[i][1] = i;
    }
    unsigned confirmed = 0;
    int64_t begun = now();
    for (uint32_t group = 0; group < groups; group++) {
        for (unsigned i = 0; i < GROUP; i++) data[i][0] = group;
        if (sendmmsg(file, messages, GROUP, 0) != GROUP) return 1;
        uint32_t answer[2] = {0};
        // Late answers to groups that were given up are passed over.
        while (recv(file, answer, sizeof answer, 0) == sizeof answer && answer[0] != group) {}
        confirmed += answer[0] == group && answer[1] == GROUP - 1;
    }
    printf("%u %lld\n", confirmed, (long long)(now() - begun));
    return 0;
}
