/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "loop.h"
#include "output.h"
#include "screen.h"
#include "util.h"
#include "verbs.h"

struct watch {
        struct loop loop;
        const struct arguments *arguments;
        struct output output;
        struct screen screen;
        bool in_place; /* else one below the other */
        char *text;    /* what is on the screen, to be painted anew when that is resized */
        uint64_t next; /* CLOCK_MONOTONIC, µs */
};

static int paint(struct watch *watch) {
        _cleanup_free_ char *bytes = NULL;
        size_t size;

        bytes = screen_paint(&watch->screen, watch->text, &size);
        if (!bytes)
                return fail("out of memory");
        /* all at once: no terminal shows half of it */
        return output_write(bytes, size);
}

/* What the verb prints, caught: stdout is a variable like any other to glibc. Returns its exit status. */
static int catch_output(struct watch *watch, char **ret_text) {
        FILE *before = stdout, *caught;
        size_t size;
        int status;

        caught = open_memstream(ret_text, &size);
        if (!caught)
                return fail("out of memory");
        stdout = caught;
        status = watch->arguments->verb->run(watch->loop.connection, watch->arguments, &watch->output);
        stdout = before;
        if (fclose(caught) != 0 && status == EXIT_SUCCESS)
                return fail("out of memory");
        return status;
}

static int do_in_place(struct watch *watch) {
        char *text = NULL;
        int status;

        watch->output.width = watch->screen.columns;
        status = catch_output(watch, &text);
        if (status != EXIT_SUCCESS) {
                free(text);
                return status;
        }
        free(watch->text);
        watch->text = text;
        return paint(watch);
}

/* Tables are told apart by an empty line; what is for programs is told apart by what it is. */
static int do_below(struct watch *watch) {
        const struct arguments *arguments = watch->arguments;
        int status;

        if (watch->output.turn > 0 && !arguments->json && !arguments->csv && !arguments->no_legend)
                (void) putchar('\n');
        status = arguments->verb->run(watch->loop.connection, arguments, &watch->output);
        return status == EXIT_SUCCESS ? output_flush() : status;
}

static int do_once(struct watch *watch) {
        int status = watch->in_place ? do_in_place(watch) : do_below(watch);

        watch->output.turn++;
        return status;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct watch *watch = userdata;
        const uint64_t interval = watch->arguments->watch * UINT64_C(1000000);
        int status;

        (void) usec;
        status = do_once(watch);
        if (status != EXIT_SUCCESS) {
                loop_end(&watch->loop, status);
                return 0;
        }
        /* an answer that took longer than that is followed by the next at once, not by several */
        watch->next += interval;
        if (watch->next < now_usec())
                watch->next = now_usec();
        (void) sd_event_source_set_time(source, watch->next);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_resize(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct watch *watch = userdata;
        int status;

        (void) source;
        (void) info;
        screen_resize(&watch->screen);
        if (watch->text && (status = paint(watch)) != EXIT_SUCCESS)
                loop_end(&watch->loop, status);
        return 0;
}

/* After Ctrl-Z and fg(1) the shell's lines are below ours. */
static int on_continue(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct watch *watch = userdata;

        (void) source;
        (void) info;
        screen_leave(&watch->screen);
        return 0;
}

static int follow_terminal(struct watch *watch) {
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGWINCH);
        sigaddset(&signals, SIGCONT);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);
        screen_resize(&watch->screen);
        r = sd_event_add_signal(watch->loop.event, NULL, SIGWINCH, on_resize, watch);
        return r < 0 ? r : sd_event_add_signal(watch->loop.event, NULL, SIGCONT, on_continue, watch);
}

int watch_run(struct connection *connection, const struct arguments *arguments) {
        struct watch watch = {.arguments = arguments, .next = now_usec()};
        int status, r;

        output_begin(&watch.output, arguments);
        watch.in_place = !arguments->json && !arguments->csv && screen_is_there();
        status = loop_open(&watch.loop, connection);
        if (status != EXIT_SUCCESS)
                return status;
        r = watch.in_place ? follow_terminal(&watch) : 0;
        if (r >= 0) /* 1 ms: when a second is over is when there is something new */
                r = sd_event_add_time(watch.loop.event, NULL, CLOCK_MONOTONIC, watch.next, 1000, on_time,
                                      &watch);
        status = r < 0 ? fail("cannot wait: %s", strerror(-r)) : loop_run(&watch.loop);
        loop_close(&watch.loop);
        free(watch.text);
        return status;
}
