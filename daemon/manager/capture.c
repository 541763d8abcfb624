/* SPDX-License-Identifier: MIT */
#include "manager/capture.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "dbus/org.netflowd1.h"
#include "util/clock.h"

/* The ring is drained this often while packets come; each drain costs little, and each wake-up of its own
 * would cost more than the packets. */
#define DRAIN_USEC (100 * USEC_PER_MSEC)

/* After so many drains without a packet the ring is waited for instead of looked at. */
#define IDLE_DRAINS 10u

/* Packets per drain: what 8 MB of ring hold, and little enough for the bus to have its turn. */
#define DRAIN_PACKETS 32768

struct capture {
        struct capture_config config;
        sd_event_source *drain_timer, *timeout_timer, *packets;
        unsigned idle_drains;
        bool wanted; /* it is not, after a stop or its time: then an error is not mended */
};

static void fail(struct capture *capture, const char *why) {
        capture->packets = sd_event_source_disable_unref(capture->packets);
        capture->config.stopped(NETFLOWD_STOPPED_ERROR, why, capture->config.userdata);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int drain_after(struct capture *capture, uint64_t usec) {
        int r;

        r = sd_event_source_set_time_relative(capture->drain_timer, usec);
        return r < 0 ? r : sd_event_source_set_enabled(capture->drain_timer, SD_EVENT_ONESHOT);
}

/* Reads again in moments; an error of sd-event is one of memory, and the next tick tries again. */
static void wake(struct capture *capture) {
        capture->packets = sd_event_source_disable_unref(capture->packets);
        capture->idle_drains = 0;
        (void) drain_after(capture, DRAIN_USEC);
}

/* Is each drain one that the descriptor asks for, and nothing else to be read? */
static bool only_by_fd(const struct capture *capture) {
        return engine_drained_by_fd(capture->config.engine) && !store_running(capture->config.store);
}

static int on_packets(sd_event_source *source, int fd, uint32_t events, void *userdata);

/* Waits for the ring to become readable. */
static int wait_for_packets(struct capture *capture) {
        int fd = engine_fd(capture->config.engine);

        if (fd >= 0 && capture->packets && only_by_fd(capture))
                return sd_event_source_set_enabled(capture->packets, SD_EVENT_ON);
        capture->packets = sd_event_source_disable_unref(capture->packets);
        if (fd < 0)
                return 0;
        return sd_event_add_io(capture->config.event, &capture->packets, fd, EPOLLIN, on_packets, capture);
}

static int drain_engine(struct capture *capture) {
        struct source_error error = {};
        int n;

        n = engine_drain(capture->config.engine, DRAIN_PACKETS, &error);
        if (n < 0)
                fail(capture, error.text);
        else if (engine_drained_by_fd(capture->config.engine))
                capture->config.read(capture->config.userdata);
        return n;
}

/* Reads what there is, and sees to the next time. */
static int drain(struct capture *capture) {
        bool busy;
        int n;

        n = engine_due(capture->config.engine) ? drain_engine(capture) : 0;
        store_drain(capture->config.store);
        if (only_by_fd(capture))
                return wait_for_packets(capture);
        if (n >= DRAIN_PACKETS)
                return drain_after(capture, 0);

        busy = n > 0 || engine_pending(capture->config.engine) || store_running(capture->config.store);
        capture->idle_drains = busy ? 0 : capture->idle_drains + 1;
        return capture->idle_drains < IDLE_DRAINS ? drain_after(capture, DRAIN_USEC)
                                                  : wait_for_packets(capture);
}

static int on_packets(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct capture *capture = userdata;

        (void) fd;
        (void) events;
        if (only_by_fd(capture))
                return drain(capture);
        capture->idle_drains = 0;
        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF); /* drains by the timer follow */
        return drain_after(capture, 0);
}

static int on_drain(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        return drain(userdata);
}

/* --- starting and stopping ------------------------------------------------------------------------------ */

static void stop(struct capture *capture, const char *reason) {
        capture->wanted = false;
        (void) sd_event_source_set_enabled(capture->timeout_timer, SD_EVENT_OFF);
        if (!engine_capturing(capture->config.engine))
                return;
        capture->packets = sd_event_source_disable_unref(capture->packets);
        engine_stop(capture->config.engine);
        capture->config.stopped(reason, NULL, capture->config.userdata);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        stop(userdata, NETFLOWD_STOPPED_TIMEOUT);
        return 0;
}

static int set_timeout(struct capture *capture, uint64_t usec) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC);
        int r;

        if (usec > UINT64_MAX - 1 - now) /* none, or later than the clock can say */
                return sd_event_source_set_enabled(capture->timeout_timer, SD_EVENT_OFF);
        r = sd_event_source_set_time(capture->timeout_timer, now + usec);
        return r < 0 ? r : sd_event_source_set_enabled(capture->timeout_timer, SD_EVENT_ONESHOT);
}

static int open_again(struct capture *capture, struct source_error *ret_error) {
        int r;

        r = engine_reopen(capture->config.engine, ret_error);
        if (r < 0)
                return r;
        capture->config.started(capture->config.userdata);
        wake(capture);
        return 0;
}

int capture_choose(struct capture *capture, const struct source_choice *choice, struct source_error *ret_error) {
        struct engine *engine = capture->config.engine;
        bool capturing = engine_capturing(engine);
        int r;

        r = engine_choose(engine, choice, ret_error);
        if (capturing && !engine_capturing(engine))
                fail(capture, engine_last_error(engine));
        else if (r >= 0)
                wake(capture); /* it may be another descriptor now */
        return r;
}

/* What the request has, and what holds for the rest. */
static int choose_requested(struct capture *capture, const struct capture_request *request,
                            struct source_error *ret_error) {
        struct source_choice choice = *engine_choice(capture->config.engine);

        if (!request->filter && !request->devices)
                return 0;
        if (request->filter)
                choice.filter = *request->filter ? request->filter : NULL;
        if (request->devices)
                choice.devices = request->devices;
        return capture_choose(capture, &choice, ret_error);
}

int capture_start(struct capture *capture, const struct capture_request *request, struct source_error *ret_error) {
        bool runs = capture->wanted;
        int r;

        r = choose_requested(capture, request, ret_error);
        if (r < 0)
                return r;
        if (!engine_capturing(capture->config.engine)) {
                r = open_again(capture, ret_error);
                if (r < 0)
                        return r;
        }
        capture->wanted = true;
        if (request->timeout_usec > 0)
                return set_timeout(capture, request->timeout_usec);
        return runs ? 0 : set_timeout(capture, capture->config.timeout_usec);
}

void capture_stop(struct capture *capture) {
        stop(capture, NETFLOWD_STOPPED_REQUESTED);
}

void capture_set_timeout(struct capture *capture, uint64_t timeout_usec) {
        capture->config.timeout_usec = timeout_usec;
}

/* After an error: whatever it was may be over. */
void capture_tick(struct capture *capture) {
        struct source_error error;

        if (capture->wanted && !engine_capturing(capture->config.engine))
                (void) open_again(capture, &error);
        if (store_running(capture->config.store) && drain_after(capture, 0) >= 0)
                capture->idle_drains = 0;
}

/* --- lifetime ------------------------------------------------------------------------------------------- */

int capture_new(const struct capture_config *config, struct capture **ret_capture) {
        _cleanup_(capture_freep) struct capture *capture = calloc(1, sizeof(*capture));
        int r;

        if (!capture)
                return -ENOMEM;
        capture->config = *config;
        capture->wanted = true;
        r = sd_event_add_time_relative(config->event, &capture->drain_timer, CLOCK_MONOTONIC, DRAIN_USEC,
                                       10 * USEC_PER_MSEC, on_drain, capture);
        if (r < 0)
                return r;
        r = sd_event_add_time(config->event, &capture->timeout_timer, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC,
                              on_timeout, capture);
        if (r < 0)
                return r;
        r = set_timeout(capture, config->timeout_usec);
        if (r < 0)
                return r;
        *ret_capture = TAKE_PTR(capture);
        return 0;
}

void capture_free(struct capture *capture) {
        if (!capture)
                return;
        sd_event_source_disable_unref(capture->drain_timer);
        sd_event_source_disable_unref(capture->timeout_timer);
        sd_event_source_disable_unref(capture->packets);
        free(capture);
}
