/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "top_bus.h"
#include "top_keys.h"
#include "top_screen.h"
#include "top_terminal.h"
#include "util.h"
#include "verbs.h"

#define SECOND_USEC 1000000u

/* What holds it together. */
struct top {
        struct top_state state;
        struct top_screen *screen;
        struct top_bus *bus;
        sd_event *event;
        sd_event_source *clock; /* the last minute moves on while nothing is told */
};

static bool time_passes(struct top *top) {
        const struct top_state *state = &top->state;

        return state->link == TOP_FOLLOWING && !state->paused && state->model.whole.capturing &&
               top_model_pass(&top->state.model, top_bus_last_second());
}

static void wind_clock(struct top *top) {
        uint64_t now;

        if (sd_event_now(top->event, CLOCK_MONOTONIC, &now) < 0)
                return;
        (void) sd_event_source_set_time(top->clock, now + SECOND_USEC);
        (void) sd_event_source_set_enabled(top->clock, SD_EVENT_ONESHOT);
}

static void on_changed(void *userdata) {
        struct top *top = userdata;

        top_screen_draw(top->screen, &top->state);
        wind_clock(top);
}

static int on_clock(sd_event_source *source, uint64_t usec, void *userdata) {
        struct top *top = userdata;

        (void) source;
        (void) usec;
        if (time_passes(top)) {
                top_screen_draw(top->screen, &top->state);
                wind_clock(top);
        }
        return 0;
}

static int on_key(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct top *top = userdata;
        struct top_state *state = &top->state;
        bool any = false;
        int key;

        (void) source;
        (void) fd;
        while (!state->quit && top_screen_read_key(top->screen, &key)) {
                top_keys_press(state, key);
                any = true;
        }
        /* the terminal is gone: it can be read, and there is nothing to read */
        if (state->quit || events & (EPOLLHUP | EPOLLERR))
                return sd_event_exit(top->event, EXIT_SUCCESS);
        if (!any)
                return 0;
        if (state->repaint)
                top_screen_repaint(top->screen);
        if (state->ask || top_model_lacks(&state->model))
                top_bus_ask(top->bus);
        state->repaint = state->ask = false;
        top_screen_draw(top->screen, state);
        return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct top *top = userdata;

        (void) source;
        switch (info->ssi_signo) {
        case SIGWINCH:
                top_screen_resize(top->screen);
                break;
        case SIGCONT:
                top_screen_repaint(top->screen);
                break;
        default: /* any of the others in signals[] is the end */
                return sd_event_exit(top->event, EXIT_SUCCESS);
        }
        top_screen_draw(top->screen, &top->state);
        return 0;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT};

/* From here on they come through the loop, so that none finds the screen half drawn, or not given back. */
static int take_signals(struct top *top) {
        sigset_t set;
        int r = 0;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigaddset(&set, signals[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(signals) && r >= 0; i++)
                r = sd_event_add_signal(top->event, NULL, signals[i], on_signal, top);
        return r;
}

static int prepare(struct top *top) {
        int r;

        r = sd_event_new(&top->event);
        if (r >= 0)
                r = take_signals(top);
        if (r >= 0)
                r = sd_event_add_io(top->event, NULL, STDIN_FILENO, EPOLLIN, on_key, top);
        if (r >= 0)
                r = sd_event_add_time_relative(top->event, &top->clock, CLOCK_MONOTONIC, SECOND_USEC,
                                               SECOND_USEC / 10, on_clock, top);
        return r < 0 ? fail("cannot make an event loop: %s", strerror(-r)) : 0;
}

static int run(struct top *top, struct connection *connection, bool colour) {
        bool ran;
        int r;

        r = prepare(top);
        if (r == 0)
                r = top_bus_new(connection, top->event, &top->state, on_changed, top, &top->bus);
        if (r == 0)
                r = top_screen_new(colour, &top->screen);
        if (r == 0) {
                top_screen_draw(top->screen, &top->state);
                r = sd_event_loop(top->event);
        }
        ran = top->screen != NULL;
        top_screen_free(top->screen);
        top_bus_free(top->bus);
        sd_event_source_unref(top->clock);
        sd_event_unref(top->event);
        if (r < 0)
                return fail("cannot go on: %s", strerror(-r));
        return r != 0 && ran ? fail("its netflowd has ended") : r;
}

static int read_arguments(const struct arguments *arguments, struct top_model *model) {
        if (!top_group_find(arguments->by, &model->group)) {
                (void) fail("top has rows by process, app, unit or user, not by %s", arguments->by);
                return EXIT_USAGE;
        }
        (void) top_sort_find(arguments->sort, &model->sort);
        model->without_loopback = arguments->no_loopback;
        if (arguments->json) {
                (void) fail("top is for a terminal: there is rank --watch --json");
                return EXIT_USAGE;
        }
        return 0;
}

int verb_top(struct connection *connection, const struct arguments *arguments, const struct output *output) {
        struct top top = {};
        int r;

        top_state_init(&top.state);
        r = read_arguments(arguments, &top.state.model);
        if (r == 0)
                r = top_terminal_check();
        if (r == 0)
                r = connection_check(
                        connection); /* says what to do where netflowd is not there from the first */
        if (r == 0)
                r = run(&top, connection, output->colour);
        top_state_done(&top.state);
        return r;
}
