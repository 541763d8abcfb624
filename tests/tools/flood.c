/* SPDX-License-Identifier: MIT */

/* UDP packets over IPv4, all of one size, as fast as is asked for: see tests/system/test_limits.py and tests/bench. */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/parse.h"

#define BATCH      64u
#define PAYLOAD    72u /* packets of 100 bytes */
#define FIRST_PORT 10000u
#define PORTS      20000u
#define PORT       9u /* discard */

/* As many of `processes` live at a time, so that each can be looked at. */
#define ALIVE 128u

/* Random addresses are in 198.18.0.0/15, those for benchmarks: RFC 2544 appendix C. */
#define STRANGERS      0xc6120000u
#define STRANGERS_MASK 0x0001ffffu

struct packet {
        struct iphdr ip;
        struct udphdr udp;
        uint8_t payload[PAYLOAD];
};

static int fail(const char *what) {
        fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
        return EXIT_FAILURE;
}

/* xorshift64*: fast, and its period is longer than any run. */
static uint64_t next_random(uint64_t *state) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(2685821657736338717);
}

/* Which addresses and ports are drawn anew for each packet. */
enum drawn {
        DRAWN_NONE,
        DRAWN_SOURCE,
        DRAWN_DESTINATION,
};

/* Between that address and a stranger. The kernel adds addresses' check sum and length: raw(7). */
static void make_random(struct packet *packet, struct in_addr known, enum drawn drawn, uint64_t *state) {
        uint64_t random = next_random(state);
        in_addr_t stranger = htonl(STRANGERS | ((uint32_t) random & STRANGERS_MASK));

        *packet = (struct packet){
                .ip = {.version = 4,
                       .ihl = 5,
                       .ttl = 64,
                       .protocol = IPPROTO_UDP,
                       .saddr = drawn == DRAWN_SOURCE ? stranger : known.s_addr,
                       .daddr = drawn == DRAWN_SOURCE ? known.s_addr : stranger},
                .udp = {.source = htons((uint16_t) (random >> 32)),
                        .dest = htons((uint16_t) (random >> 48)),
                        .len = htons(sizeof(struct udphdr) + PAYLOAD)},
        };
}

/* Sleeps until so many packets are due; rate 0 is without a pause. */
static void pace(uint64_t begin_usec, uint64_t sent, uint64_t rate) {
        uint64_t due_usec = rate > 0 ? begin_usec + sent * USEC_PER_SEC / rate : 0;
        const struct timespec due = {.tv_sec = (time_t) (due_usec / USEC_PER_SEC),
                                     .tv_nsec = (long) (due_usec % USEC_PER_SEC * NSEC_PER_USEC)};

        if (rate > 0)
                (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

/* Sends packets, each of a flow of its own where they are random, and prints the rate that it came to. */
static int flood(int fd, const struct sockaddr_in *to, enum drawn drawn, uint64_t n_packets, uint64_t rate) {
        static struct packet packets[BATCH];
        uint64_t state, begin = clock_usec(CLOCK_MONOTONIC), sent = 0;
        struct mmsghdr messages[BATCH] = {};
        struct sockaddr_in strangers[BATCH];
        struct iovec vectors[BATCH];

        if (getrandom(&state, sizeof(state), 0) != sizeof(state))
                return fail("getrandom");
        state |= 1;
        for (size_t i = 0; i < BATCH; i++) {
                strangers[i] = *to;
                vectors[i] = drawn != DRAWN_NONE ? (struct iovec){&packets[i], sizeof(packets[i])}
                                                 : (struct iovec){packets[i].payload, PAYLOAD};
                messages[i].msg_hdr = (struct msghdr){.msg_name = &strangers[i],
                                                      .msg_namelen = sizeof(strangers[i]),
                                                      .msg_iov = &vectors[i],
                                                      .msg_iovlen = 1};
        }
        while (sent < n_packets) {
                unsigned batch = n_packets - sent < BATCH ? (unsigned) (n_packets - sent) : BATCH;
                int n;

                for (unsigned i = 0; drawn != DRAWN_NONE && i < batch; i++) {
                        make_random(&packets[i], to->sin_addr, drawn, &state);
                        strangers[i].sin_addr.s_addr = packets[i].ip.daddr;
                }
                n = sendmmsg(fd, messages, batch, 0);
                if (n < 0)
                        return fail("sendmmsg");
                sent += (unsigned) n;
                pace(begin, sent, rate);
        }
        printf("%" PRIu64 "\n", sent * USEC_PER_SEC / (clock_usec(CLOCK_MONOTONIC) - begin));
        (void) fflush(stdout);
        (void) getchar(); /* the socket stays until standard input ends */
        return EXIT_SUCCESS;
}

static int open_socket(void) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int send_one(int fd, const struct sockaddr_in *to) {
        const uint8_t payload[PAYLOAD] = {};

        return sendto(fd, payload, sizeof(payload), 0, (const void *) to, sizeof(*to)) < 0 ? fail("sendto")
                                                                                           : 0;
}

/* From a port of its own: what becomes of one that is used again at once is not what is asked here. */
static _Noreturn void be_one(const struct sockaddr_in *to, uint64_t i) {
        const struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons((uint16_t) (FIRST_PORT + i % PORTS))};
        int fd = open_socket();

        if (bind(fd, (const void *) &from, sizeof(from)) < 0 || send_one(fd, to) != 0)
                _exit(EXIT_FAILURE);
        for (;;)
                (void) raise(SIGSTOP); /* until it is ended */
}

/* Not before it has sent: where the processor is short, its turn may come later than that of those after it. */
static int end_one(pid_t pid) {
        int status;

        if (waitpid(pid, &status, WUNTRACED) < 0 || !WIFSTOPPED(status) || kill(pid, SIGKILL) < 0 ||
            waitpid(pid, NULL, 0) < 0)
                return fail("a process");
        return EXIT_SUCCESS;
}

/* Processes that send one packet each; the oldest ends as the next begins. */
static int processes(const struct sockaddr_in *to, uint64_t n) {
        pid_t alive[ALIVE] = {};

        for (uint64_t i = 0; i < n + ALIVE; i++) {
                pid_t *pid = &alive[i % ALIVE];

                if (*pid > 0 && end_one(*pid) != EXIT_SUCCESS)
                        return EXIT_FAILURE;
                *pid = i < n ? fork() : 0;
                if (*pid < 0)
                        return fail("fork");
                if (i < n && *pid == 0)
                        be_one(to, i);
        }
        return EXIT_SUCCESS;
}

struct turns {
        sem_t done;
        sem_t go[];
};

static _Noreturn void take_turns(struct turns *turns, uint64_t i, const struct sockaddr_in *to) {
        int fd = open_socket();

        for (;;)
                if (sem_wait(&turns->go[i]) < 0 || send_one(fd, to) != 0 || sem_post(&turns->done) < 0)
                        _exit(EXIT_FAILURE);
}

static int step_clock(void) {
        struct timespec now;

        if (clock_gettime(CLOCK_REALTIME, &now) < 0)
                return -errno;
        now.tv_sec++;
        return clock_settime(CLOCK_REALTIME, &now);
}

static int start_turns(const struct sockaddr_in *to, uint64_t n, struct turns **ret_turns) {
        struct turns *turns = mmap(NULL, sizeof(*turns) + n * sizeof(sem_t), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (turns == MAP_FAILED || sem_init(&turns->done, 1, 0) < 0)
                return fail("mmap");
        for (uint64_t i = 0; i < n; i++) {
                pid_t pid;

                if (sem_init(&turns->go[i], 1, 0) < 0 || (pid = fork()) < 0)
                        return fail("fork");
                if (pid == 0)
                        take_turns(turns, i, to);
        }
        *ret_turns = turns;
        return EXIT_SUCCESS;
}

/* Each sends its packet. */
static void take_turn(struct turns *turns, uint64_t n) {
        for (uint64_t i = 0; i < n; i++)
                (void) sem_post(&turns->go[i]);
        for (uint64_t i = 0; i < n; i++)
                while (sem_wait(&turns->done) < 0)
                        ;
}

static void say_done(void) {
        printf("done\n");
        (void) fflush(stdout);
}

/* Processes that send a packet each in each of so many seconds, which the system's clock is made to jump
 * over. They stay until standard input ends. */
static int seconds(const struct sockaddr_in *to, uint64_t n, uint64_t n_seconds) {
        struct turns *turns;
        int r;

        r = start_turns(to, n, &turns);
        if (r != EXIT_SUCCESS)
                return r;
        for (uint64_t second = 0; second < n_seconds; second++) {
                if (step_clock() < 0)
                        return fail("clock_settime");
                take_turn(turns, n);
        }
        say_done();
        (void) getchar();
        return EXIT_SUCCESS;
}

/* Processes that send a packet each at once and for each line of standard input, until that ends. */
static int alive(const struct sockaddr_in *to, uint64_t n) {
        struct turns *turns;
        char line[16];
        int r;

        r = start_turns(to, n, &turns);
        if (r != EXIT_SUCCESS)
                return r;
        do {
                take_turn(turns, n);
                say_done();
        } while (fgets(line, sizeof(line), stdin));
        return EXIT_SUCCESS;
}

static int send_from_own_socket(const struct sockaddr_in *to) {
        return send_one(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), to);
}

/* Sends one packet and is gone: by vfork(2), since what processes cost is not what is asked. */
static pid_t begin_one_shot(const struct sockaddr_in *to) {
        pid_t pid = vfork();

        if (pid == 0)
                _exit(send_from_own_socket(to));
        return pid;
}

/* One after the other, as fast as it goes. */
static int oneshots(const struct sockaddr_in *to, uint64_t n) {
        for (uint64_t i = 0; i < n; i++) {
                pid_t pid = begin_one_shot(to);
                int status;

                if (pid < 0 || waitpid(pid, &status, 0) < 0)
                        return fail("vfork");
                if (status != EXIT_SUCCESS)
                        return EXIT_FAILURE;
        }
        say_done();
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
        uint64_t n, rate;
        enum drawn drawn;
        int fd;

        if (argc != 5 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1 ||
            parse_u64(argv[3], 0, UINT32_MAX, &n) < 0 || parse_u64(argv[4], 0, UINT32_MAX, &rate) < 0) {
                fprintf(stderr, "usage: flood socket|random ADDRESS PACKETS RATE\n"
                                "       flood scatter OWN-ADDRESS PACKETS RATE\n"
                                "       flood processes ADDRESS PROCESSES 0\n"
                                "       flood oneshots ADDRESS PROCESSES 0\n"
                                "       flood alive ADDRESS PROCESSES 0\n"
                                "       flood seconds ADDRESS PROCESSES SECONDS\n");
                return 2;
        }
        if (strcmp(argv[1], "processes") == 0)
                return processes(&to, n);
        if (strcmp(argv[1], "oneshots") == 0)
                return oneshots(&to, n);
        if (strcmp(argv[1], "alive") == 0)
                return alive(&to, n);
        if (strcmp(argv[1], "seconds") == 0)
                return seconds(&to, n, rate);
        drawn = strcmp(argv[1], "random") == 0    ? DRAWN_SOURCE
                : strcmp(argv[1], "scatter") == 0 ? DRAWN_DESTINATION
                                                  : DRAWN_NONE;
        fd = drawn == DRAWN_NONE ? socket(AF_INET, SOCK_DGRAM, 0) : socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
        if (fd < 0)
                return fail("socket");
        /* connected: what the random ones send to its port is not for it */
        if (drawn == DRAWN_NONE && connect(fd, (const void *) &to, sizeof(to)) < 0)
                return fail("connect");
        return flood(fd, &to, drawn, n, rate);
}
