/* SPDX-License-Identifier: MIT */
#include "bus/recordings.h"

#include <errno.h>
#include <string.h>


struct asked {
        struct recordings *recordings;
        struct asked *next;
        uint64_t id;
        char *sender;        /* NULL: the only peer there is */
        sd_bus_track *track; /* NULL likewise */
};

struct recordings {
        struct store *store;
        struct asked *asked;
};

int recordings_new(struct store *store, struct recordings **ret_recordings) {
        struct recordings *recordings = calloc(1, sizeof(*recordings));

        if (!recordings)
                return -ENOMEM;
        recordings->store = store;
        *ret_recordings = recordings;
        return 0;
}

static void asked_free(struct asked *asked) {
        if (!asked)
                return;
        sd_bus_track_unref(asked->track);
        free(asked->sender);
        free(asked);
}
DEFINE_CLEANUP(struct asked *, asked_free)

void recordings_free(struct recordings *recordings) {
        if (!recordings)
                return;
        while (recordings->asked) {
                struct asked *asked = recordings->asked;
                uint64_t id = asked->id;

                recordings->asked = asked->next;
                asked_free(asked);
                (void) store_stop(recordings->store, id, STORE_CALLER_GONE);
        }
        free(recordings);
}

static int on_gone(sd_bus_track *track, void *userdata) {
        struct asked *asked = userdata;

        (void) track;
        (void) store_stop(asked->recordings->store, asked->id, STORE_CALLER_GONE); /* which forgets it */
        return 0;
}

int recordings_add(struct recordings *recordings, uint64_t id, sd_bus_message *call) {
        const char *sender = sd_bus_message_get_sender(call);
        _cleanup_(asked_freep) struct asked *asked = calloc(1, sizeof(*asked));
        int r;

        if (!asked)
                return -ENOMEM;
        *asked = (struct asked){.recordings = recordings, .next = recordings->asked, .id = id};
        if (sender) {
                asked->sender = strdup(sender);
                if (!asked->sender)
                        return -ENOMEM;
                r = sd_bus_track_new(sd_bus_message_get_bus(call), &asked->track, on_gone, asked);
                if (r < 0)
                        return r;
                r = sd_bus_track_add_sender(asked->track, call);
                if (r < 0)
                        return r;
        }
        recordings->asked = TAKE_PTR(asked);
        return 0;
}

bool recordings_is_own(const struct recordings *recordings, uint64_t id, sd_bus_message *call) {
        const char *sender = sd_bus_message_get_sender(call);

        for (const struct asked *asked = recordings->asked; asked; asked = asked->next)
                if (asked->id == id)
                        return !sender || (asked->sender && strcmp(asked->sender, sender) == 0);
        return false;
}

void recordings_forget(struct recordings *recordings, uint64_t id) {
        for (struct asked **link = &recordings->asked; *link; link = &(*link)->next)
                if ((*link)->id == id) {
                        struct asked *asked = *link;

                        *link = asked->next;
                        asked_free(asked);
                        return;
                }
}
