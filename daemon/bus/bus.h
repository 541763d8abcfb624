/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "engine/engine.h"
#include "limits/limits.h"
#include "store/store.h"
#include "util/macros.h"

/* org.netflowd1.Manager on one connection: turns calls into questions to the engine, and answers into
 * messages. */
struct bus;

/* What StartCapture() asks for. */
struct capture_request {
        const char *filter;         /* pcap-filter(7), "": none; NULL: as it is */
        const char *const *devices; /* names and patterns, none: all; NULL: as it is */
        uint64_t timeout_usec; /* how long; UINT64_MAX: without an end; 0: as it is */
};

/* What it is joined to; all of it outlives the bus. */
struct bus_config {
        struct engine *engine;
        const struct limits_reader *limits;
        struct store *store;
        uint32_t signal_limit; /* rows of RankChanged, > 0 */
        bool replace;          /* take the name from whoever has it: a connection of ours that was dropped,
                                  which a bus that did not read from it does not notice */

        /* Called with userdata. Starting returns 0, also where it runs, or a negative errno with *ret_error;
         * stopping does nothing where it does not run. */
        int (*start_capture)(const struct capture_request *request, void *userdata,
                             struct source_error *ret_error);
        void (*stop_capture)(void *userdata);

        /* Once each: we are being served, or with a negative errno are not to be: -EEXIST when somebody else
         * has the name org.netflowd1, -EACCES when the bus's policy refuses it; and the connection is gone. */
        void (*connected)(int r, void *userdata);
        void (*disconnected)(void *userdata);
        void *userdata;
};

/* Connects to the system bus (or DBUS_SYSTEM_BUS_ADDRESS) and asks for the name org.netflowd1, waiting for
 * nobody: `connected` is called when that is decided. Returns 0 or a negative errno. */
int bus_new_system(sd_event *event, const struct bus_config *config, struct bus **ret_bus);

/* Serves one peer on a connected stream socket, which then belongs to the bus; `connected` is not called.
 * Returns 0 or a negative errno. */
int bus_new_peer(sd_event *event, const struct bus_config *config, int fd, struct bus **ret_bus);

/* Closes the connection; what is queued for it is sent as far as the other end reads that within a second. */
void bus_free(struct bus *bus);
DEFINE_CLEANUP(struct bus *, bus_free)

bool bus_is_connected(const struct bus *bus);

/* Whether the other end has read nothing for seconds although there is something to read. To be asked about once a
 * second. */
bool bus_is_stuck(struct bus *bus);

/* Ends the connection at once, with what is queued for it. */
void bus_drop(struct bus *bus);

/* Sends the signals of this interval, where there is something to tell. */
void bus_send_signals(struct bus *bus);

/* From now on RankChanged has so many rows. Returns 0 or -ENOMEM. */
int bus_set_signal_limit(struct bus *bus, uint32_t limit);

/* Tells that engine_filter() is another one. */
void bus_filter_changed(struct bus *bus);

/* Tell that the capture has started, or stopped (reason: NETFLOWD_STOPPED_…). */
void bus_capture_started(struct bus *bus);
void bus_capture_stopped(struct bus *bus, const char *reason);

/* The word, or the sentence, for why a recording ended; as good as the result. */
const char *bus_recording_reason(const struct store_result *result);

/* Tells how a recording went that has ended. */
void bus_recording_stopped(struct bus *bus, const struct store_result *result);

/* The introspection XML of the object, from the vtable that serves it. The caller frees *ret_xml. Returns 0
 * or a negative errno. */
int bus_introspect(char **ret_xml);
