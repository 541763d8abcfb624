/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "engine/engine.h"
#include "store/store.h"

/* The recording to StorePcap=, which lasts as long as packets are captured. */
struct file_recording {
        const struct config *config;
        struct engine *engine;
        struct store *store;
        uint64_t id; /* 0: none is under way */
};

/* Begins it, where it is asked for and not under way. Logs what fails, which keeps nobody from counting. */
void file_recording_start(struct file_recording *recording);

/* Ends it: what is still on its way goes into the file, and another one may begin meanwhile. */
void file_recording_stop(struct file_recording *recording);

/* It may be this one that has ended by itself. */
void file_recording_ended(struct file_recording *recording, uint64_t id);
