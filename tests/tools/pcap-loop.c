/* SPDX-License-Identifier: MIT */

/* The least that looking at packets by libpcap costs: poll(2), pcap_dispatch(3PCAP) and a callback that only counts, on a
 * handle that is set up as netflowd's. See tests/bench. */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/pcap_handle.h"
#include "util/macros.h"

#define RING_BYTES ((size_t) 8 << 20) /* as netflowd has without QueueSize= */

static volatile sig_atomic_t asked, ended;

static void on_signal(int number) {
        if (number == SIGUSR1)
                asked = 1;
        else
                ended = 1;
}

static void count(u_char *userdata, const struct pcap_pkthdr *header, const u_char *data) {
        uint64_t *counted = (uint64_t *) (void *) userdata;

        (void) header;
        (void) data;
        (*counted)++;
}

/* What was read and what the kernel dropped. */
static void tell(pcap_t *handle, struct drop_counter *drops, uint64_t counted) {
        asked = 0;
        printf("%" PRIu64 " %" PRIu64 "\n", counted, drop_counter_read(drops, handle));
        (void) fflush(stdout);
}

/* Signals come while it waits, and at no other time: what one asks for is not slept over. */
static int loop(pcap_t *handle, const sigset_t *waiting, struct source_error *ret_error) {
        struct pollfd poll_fd = {.fd = pcap_get_selectable_fd(handle), .events = POLLIN};
        struct drop_counter drops = {};
        uint64_t counted = 0;

        tell(handle, &drops, counted);
        while (!ended) {
                int r;

                if (ppoll(&poll_fd, 1, NULL, waiting) < 0 && errno != EINTR)
                        return -errno;
                r = pcap_handle_dispatch(handle, PCAP_ANY, -1, count, (u_char *) &counted, ret_error);
                if (r < 0)
                        return r;
                if (asked)
                        tell(handle, &drops, counted);
        }
        return 0;
}

int main(void) {
        const struct pcap_handle_config config = {
                .device = PCAP_ANY, .snaplen = SNAPLEN, .ring_bytes = RING_BYTES};
        const struct sigaction action = {.sa_handler = on_signal};
        _cleanup_(pcap_handle_close) pcap_t *handle = NULL;
        struct source_error error = {};
        sigset_t signals, waiting;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGUSR1);
        sigaddset(&signals, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &signals, &waiting) < 0)
                return EXIT_FAILURE;
        (void) sigaction(SIGUSR1, &action, NULL);
        (void) sigaction(SIGTERM, &action, NULL);
        r = pcap_handle_open(&config, &handle, &error);
        if (r >= 0)
                r = loop(handle, &waiting, &error);
        if (r < 0) {
                fprintf(stderr, "pcap-loop: %s\n", *error.text ? error.text : strerror(-r));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
