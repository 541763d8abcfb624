/* SPDX-License-Identifier: MIT */
#pragma once

#include "bus/bus.h"
#include "bus/caller.h"
#include "bus/signals.h"
#include "owner/users.h"

struct bus {
        sd_bus *connection;
        struct engine *engine;
        struct callers *callers;
        struct users *users;
        struct signals *signals;
        bus_disconnected_handler disconnected;
        void *userdata;
};

/* vtable.c: its userdata is the struct bus. */
extern const sd_bus_vtable bus_vtable[];
