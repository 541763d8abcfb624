/* SPDX-License-Identifier: MIT */
#pragma once

#include "bus/answers.h"
#include "bus/bus.h"
#include "bus/caller.h"
#include "bus/recordings.h"
#include "bus/signals.h"
#include "owner/users.h"

struct bus {
        sd_bus *connection;
        struct bus_config config;
        struct callers *callers;
        struct answers *answers;
        struct users *users;
        struct signals *signals;
        struct recordings *recordings;
        bool closing;       /* what is queued is still sent, and nothing more answered */
        int unread;         /* bytes sent that the other end had not read when that was looked at last, */
        uint64_t read_usec; /* and when it had read some last, CLOCK_MONOTONIC */
};

/* vtable.c: its userdata is the struct bus. */
extern const sd_bus_vtable bus_vtable[];

/* The row of a process, or -ENXIO with *ret_error saying that there is none. */
int bus_find_process(struct bus *bus, uint32_t pid, struct process **ret_process, sd_bus_error *ret_error);

/* As ss(8) calls an IPPROTO_*: "tcp"; or its number. Returns a static string or text. */
const char *protocol_name(uint8_t protocol, char text[static 16]);

/* rank_methods.c, control.c, flow_list.c, store_methods.c: handlers of it. */
int on_get_process_rank(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int on_get_process(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int on_get_rank(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int on_start_capture(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int on_stop_capture(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int on_list_flows(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int on_store_pcap(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
int on_stop_pcap(sd_bus_message *call, void *userdata, sd_bus_error *ret_error);
