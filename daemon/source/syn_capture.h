/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/flow_key.h"
#include "source/source.h"
#include "util/macros.h"

/* What this host sends as it begins to talk: the TCP segments by which it opens connections, and takes them (a SYN, or
 * a SYN with ACK), and UDP datagrams, from the ports that are not excluded. They are here at once, where the packets that
 * count come in blocks, so that a socket can be looked for while it is there. Nothing that comes from outside is: whoever
 * sends SYNs to ports that are closed wakes nobody.
 *
 * Of no use to two threads at a time; it shares nothing with any other capture. */
struct syn_capture;

struct syn {
        struct flow_key key; /* local: who sends it, be it to connect or to answer; its protocol tells which it is */
        uint32_t ifindex;
        uint64_t time_usec; /* its stamp, CLOCK_REALTIME */
};

typedef void (*syn_handler)(const struct syn *syn, void *userdata);

/* Opens it on all interfaces, whichever are captured on, whatever filter there is. Returns 0 or as
 * pcap_handle_open(). */
int syn_capture_new(struct syn_capture **ret_capture, struct source_error *ret_error);
void syn_capture_free(struct syn_capture *capture);
DEFINE_CLEANUP(struct syn_capture *, syn_capture_free)

/* Readable when there is one. */
int syn_capture_fd(const struct syn_capture *capture);

/* Hands at most about max of them to handler; what passes through here, forwarded, is among them. handler NULL: what
 * there is goes. Never waits. Returns how many there were, or a negative errno with *ret_error: there are no more. */
int syn_capture_read(struct syn_capture *capture, int max, syn_handler handler, void *userdata,
                     struct source_error *ret_error);

/* One of them from a packet behind a LINUX_SLL2 header. Returns 0, or -EBADMSG when it is none. */
int syn_parse(const uint8_t *data, size_t captured, size_t wire_length, uint64_t time_usec, struct syn *ret_syn);

/* How many the kernel had no room for, in all. */
uint64_t syn_capture_dropped(struct syn_capture *capture);

/* Leaves out the datagrams from these local ports, instead of those before. At most SYN_EXCLUDED_MAX. Returns 0 or a
 * negative errno, and those before stay excluded. */
#define SYN_EXCLUDED_MAX 64u
int syn_capture_exclude(struct syn_capture *capture, const uint16_t *ports, size_t n);
