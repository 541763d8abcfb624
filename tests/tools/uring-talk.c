/* SPDX-License-Identifier: MIT */

/* Connects, sends and receives by io_uring(7) only, so that threads of the kernel's making do it. By its system calls:
 * there is no need for a library.
 *
 * usage: uring-talk sqpoll|async ADDRESS PORT BYTES     sends that many, and reads as many back */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/parse.h"

#define ENTRIES 4

struct ring {
        int fd;
        struct io_uring_params parameters;
        unsigned char *submissions, *completions;
        struct io_uring_sqe *entries;
};

static void die(const char *what) {
        perror(what);
        exit(EXIT_FAILURE);
}

static void *map(const struct ring *ring, size_t size, off_t offset) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, offset);

        if (memory == MAP_FAILED)
                die("mmap");
        return memory;
}

static void open_ring(struct ring *ring, bool sqpoll) {
        const struct io_uring_params *parameters = &ring->parameters;

        ring->parameters.flags = sqpoll ? IORING_SETUP_SQPOLL : 0;
        ring->fd = (int) syscall(SYS_io_uring_setup, ENTRIES, &ring->parameters);
        if (ring->fd < 0)
                die("io_uring_setup");
        ring->submissions = map(ring, parameters->sq_off.array + parameters->sq_entries * sizeof(unsigned),
                                IORING_OFF_SQ_RING);
        ring->completions =
                map(ring, parameters->cq_off.cqes + parameters->cq_entries * sizeof(struct io_uring_cqe),
                    IORING_OFF_CQ_RING);
        ring->entries = map(ring, parameters->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

static unsigned *number(unsigned char *memory, unsigned offset) {
        return (void *) (memory + offset);
}

/* One operation, and its result. */
static int run(struct ring *ring, const struct io_uring_sqe *operation) {
        const struct io_uring_params *parameters = &ring->parameters;
        unsigned *tail = number(ring->submissions, parameters->sq_off.tail);
        unsigned *array = number(ring->submissions, parameters->sq_off.array);
        unsigned *head = number(ring->completions, parameters->cq_off.head);
        unsigned slot = *tail & (parameters->sq_entries - 1);
        const struct io_uring_cqe *results = (const void *) (ring->completions + parameters->cq_off.cqes);
        int result;

        ring->entries[slot] = *operation;
        array[slot] = slot;
        __atomic_store_n(tail, *tail + 1, __ATOMIC_SEQ_CST);
        if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP, NULL, 0) < 0)
                die("io_uring_enter");
        result = results[*head & (parameters->cq_entries - 1)].res;
        __atomic_store_n(head, *head + 1, __ATOMIC_SEQ_CST);
        return result;
}

static void transfer(struct ring *ring, int fd, unsigned char opcode, unsigned char flags, char *data, size_t size) {
        while (size > 0) {
                const struct io_uring_sqe operation = {
                        .opcode = opcode, .flags = flags, .fd = fd, .addr = (uintptr_t) data, .len = (unsigned) size};
                int n = run(ring, &operation);

                if (n <= 0) {
                        errno = -n;
                        die("transfer");
                }
                data += n;
                size -= (size_t) n;
        }
}

int main(int argc, char **argv) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        struct io_uring_sqe connecting = {.opcode = IORING_OP_CONNECT};
        struct ring ring = {};
        uint32_t port, size;
        unsigned char flags;
        char *data;
        int fd, r;

        if (argc != 5 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1 ||
            parse_u32(argv[3], 1, UINT16_MAX, &port) < 0 || parse_u32(argv[4], 1, UINT32_MAX, &size) < 0)
                return EXIT_FAILURE;
        address.sin_port = htons((uint16_t) port);
        flags = strcmp(argv[1], "async") == 0 ? IOSQE_ASYNC : 0; /* by a worker thread, always */
        open_ring(&ring, flags == 0);
        data = calloc(1, size);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (!data || fd < 0)
                die("socket");
        connecting.flags = flags;
        connecting.fd = fd;
        connecting.addr = (uintptr_t) &address;
        connecting.off = sizeof(address);
        r = run(&ring, &connecting);
        if (r < 0) {
                errno = -r;
                die("connect");
        }
        transfer(&ring, fd, IORING_OP_SEND, flags, data, size);
        transfer(&ring, fd, IORING_OP_RECV, flags, data, size);
        free(data);
        return EXIT_SUCCESS;
}
