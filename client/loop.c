/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "util.h"

void loop_end(struct loop *loop, int status) {
        loop->ended = true;
        (void) sd_event_exit(loop->event, status);
}

/* Nobody reads any more: it would be noticed at the next write otherwise, which may be in an hour. */
static int on_closed(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        (void) source;
        (void) fd;
        (void) events;
        loop_end(userdata, EXIT_OUTPUT_CLOSED);
        return 0;
}

static int add_sources(struct loop *loop) {
        int r;

        /* no events: errors and the end come unasked. A file has none, which is what EPERM says. */
        r = sd_event_add_io(loop->event, NULL, STDOUT_FILENO, 0, on_closed, loop);
        if (r == -EPERM)
                r = 0;
        if (r >= 0)
                r = sd_bus_attach_event(loop->connection->bus, loop->event, SD_EVENT_PRIORITY_NORMAL);
        return r < 0 ? r : sd_bus_set_exit_on_disconnect(loop->connection->bus, 1);
}

int loop_open(struct loop *loop, struct connection *connection) {
        int r;

        *loop = (struct loop){.connection = connection};
        r = sd_event_new(&loop->event);
        if (r >= 0)
                r = add_sources(loop);
        if (r >= 0)
                return 0;
        loop_close(loop);
        return fail("cannot make an event loop: %s", strerror(-r));
}

void loop_close(struct loop *loop) {
        (void) sd_bus_detach_event(loop->connection->bus);
        loop->event = sd_event_unref(loop->event);
}

int loop_run(struct loop *loop) {
        int r = sd_event_loop(loop->event);

        if (r < 0)
                return fail("cannot wait for netflowd: %s", strerror(-r));
        return loop->ended ? r : connection_fail(loop->connection, -ECONNRESET);
}
