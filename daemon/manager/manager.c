/* SPDX-License-Identifier: MIT */
#include "manager/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "bus/bus.h"
#include "limits/limits.h"
#include "limits/own_memory.h"
#include "manager/capture.h"
#include "manager/configure.h"
#include "manager/file_recording.h"
#include "manager/journal.h"
#include "manager/own_process.h"
#include "manager/report.h"
#include "util/clock.h"

#define TICK_USEC       (1 * USEC_PER_SEC)
#define TICK_DELAY_USEC (50 * USEC_PER_MSEC)

/* A source that is read when a second has closed brings the tick with it; where it does not, that comes this much after the
 * end of the next one. */
#define TICK_LATE_USEC (500 * USEC_PER_MSEC)

#define QUOTA_TICKS 10u /* how often it is looked for a quota, and at how much memory is left */

#define EXIT_USAGE 2

struct manager {
        const struct manager_config *config;
        struct limits_reader *limits;
        struct limits cpu_limits; /* as far as they are read with each tick */
        uint32_t ticks;
        struct engine *engine;
        struct store *store;
        struct file_recording file_recording;
        struct bus *bus;
        sd_event *event;
        struct capture *capture;
        sd_event_source *tick_timer;
        uint64_t told_second;    /* the first one that had not closed at the last tick */
        uint64_t signals_second; /* as that was when signals were sent last */
        bool ready;              /* has been on the bus */
        bool bus_was_stuck; /* and has not been there again since */
        bool bus_is_lost;   /* which has been said */
        bool name_refused; /* there again, but without our name: the connection is of no use */
        struct report report;
};

static void manager_done(struct manager *manager) {
        sd_event_source_disable_unref(manager->tick_timer);
        capture_free(manager->capture);
        bus_free(manager->bus);
        store_free(manager->store);
        engine_free(manager->engine);
        limits_reader_free(manager->limits);
        sd_event_unref(manager->event);
}

/* Ticks come just after a second has closed, so that each is told of once; at once where one has not been. */
static uint64_t until_tick(const struct manager *manager) {
        uint64_t now = engine_now(manager->engine);

        if (engine_closes_by_read(manager->engine))
                return TICK_USEC + TICK_LATE_USEC - clock_usec(CLOCK_REALTIME) % TICK_USEC;
        if (now / USEC_PER_SEC != manager->told_second)
                return TICK_DELAY_USEC - MIN(now % TICK_USEC, TICK_DELAY_USEC);
        return TICK_USEC + TICK_DELAY_USEC - now % TICK_USEC;
}

/* Also where seconds close otherwise from now on. */
static int arm_tick(struct manager *manager) {
        return manager->tick_timer ? sd_event_source_set_time_relative(manager->tick_timer, until_tick(manager)) : 0;
}

/* Of a capture that ran before, or did not: then the file has begun with it. */
static void filter_changed(struct manager *manager, bool ran) {
        if (ran) {
                file_recording_stop(&manager->file_recording);
                file_recording_start(&manager->file_recording);
        }
        if (manager->bus)
                bus_filter_changed(manager->bus);
}

static void on_recorded(const struct store_result *result, void *userdata) {
        struct manager *manager = userdata;

        report_recording(result);
        file_recording_ended(&manager->file_recording, result->id);
        if (manager->bus)
                bus_recording_stopped(manager->bus, result);
}

static void on_started(void *userdata) {
        struct manager *manager = userdata;

        journal_write(LOG_INFO, "capturing again", "NETFLOWD_BACKEND=%s", engine_backend(manager->engine));
        file_recording_start(&manager->file_recording);
        if (manager->bus)
                bus_capture_started(manager->bus);
}

static void on_stopped(const char *reason, const char *why, void *userdata) {
        struct manager *manager = userdata;
        char text[600];

        if (why)
                (void) snprintf(text, sizeof(text), "%s; the books stay, and it is tried again each second", why);
        else
                (void) snprintf(text, sizeof(text), "stopped capturing: %s; the books stay", reason);
        journal_write(why ? LOG_ERR : LOG_INFO, text, "NETFLOWD_BACKEND=%s", engine_backend(manager->engine),
                      "NETFLOWD_REASON=%s", reason);
        (void) arm_tick(manager);
        file_recording_stop(&manager->file_recording);
        if (manager->bus)
                bus_capture_stopped(manager->bus, reason);
}

static int start_capture(const struct capture_request *request, void *userdata, struct source_error *ret_error) {
        struct manager *manager = userdata;
        bool ran = engine_capturing(manager->engine);
        int r;

        r = capture_start(manager->capture, request, ret_error);
        (void) arm_tick(manager);
        if (r >= 0 && request->filter)
                filter_changed(manager, ran);
        return r;
}

static void stop_capture(void *userdata) {
        struct manager *manager = userdata;

        capture_stop(manager->capture);
}

/* Whoever notices first: sd-bus tells of it with one of its next turns, and a tick may come before that. */
static void lose_bus(struct manager *manager) {
        if (!manager->bus_is_lost)
                log_write(LOG_WARNING, "lost the connection to the bus; capturing goes on, connecting again");
        manager->bus_is_lost = true;
}

static void on_disconnected(void *userdata) {
        struct manager *manager = userdata;

        if (manager->config->bus_fd >= 0) {
                sd_event_exit(manager->event, EXIT_SUCCESS); /* whom we served is gone */
                return;
        }
        lose_bus(manager);
}

static void say_bus(int r) {
        if (r == -EEXIST)
                log_write(LOG_ERR, "the bus name org.netflowd1 is taken: is another netflowd running?");
        else
                log_write(LOG_ERR, "cannot serve on the bus: %s", strerror(-r));
}

static void set_ready(struct manager *manager) {
        manager->ready = true;
        (void) sd_notify(0, "READY=1");
}

/* The first time it is what we live for; later we go on counting, and try again. */
static void on_connected(int r, void *userdata) {
        struct manager *manager = userdata;

        manager->bus_was_stuck &= r < 0;
        manager->bus_is_lost &= r < 0;
        if (r >= 0 && manager->ready)
                log_write(LOG_NOTICE, "connected to the bus again");
        else if (r >= 0)
                set_ready(manager);
        else if (!manager->ready) {
                say_bus(r);
                sd_event_exit(manager->event, EX_UNAVAILABLE);
        } else
                manager->name_refused = true;
}

static int connect_bus(struct manager *manager) {
        const struct bus_config config = {
                .engine = manager->engine,
                .limits = manager->limits,
                .store = manager->store,
                .signal_limit = manager->config->config->signal_limit,
                .replace = manager->bus_was_stuck,
                .start_capture = start_capture,
                .stop_capture = stop_capture,
                .connected = on_connected,
                .disconnected = on_disconnected,
                .userdata = manager,
        };

        if (manager->config->bus_fd >= 0)
                return bus_new_peer(manager->event, &config, manager->config->bus_fd, &manager->bus);
        return bus_new_system(manager->event, &config, &manager->bus);
}

/* A peer may read when it likes: there is no other way to it. */
static bool is_served(struct manager *manager) {
        if (manager->config->bus_fd >= 0)
                return true;
        if (!manager->bus || manager->name_refused)
                return false;
        if (!bus_is_connected(manager->bus)) {
                lose_bus(manager);
                return false;
        }
        if (!bus_is_stuck(manager->bus))
                return true;
        log_write(LOG_WARNING, "the bus reads nothing from us any more; connecting again");
        bus_drop(manager->bus);
        manager->bus_was_stuck = manager->bus_is_lost = true;
        return false;
}

static void reconnect(struct manager *manager) {
        if (is_served(manager))
                return;
        bus_free(TAKE_PTR(manager->bus));
        manager->name_refused = false;
        (void) connect_bus(manager);
}


/* Once per interval, by the seconds that have closed: ticks come a little early or late. Where the clock was set back, the
 * interval begins anew. */
static bool signals_are_due(struct manager *manager) {
        uint64_t before = manager->signals_second, now = manager->told_second;

        if (now >= before && (now - before) * USEC_PER_SEC < manager->config->config->signal_interval_usec)
                return false;
        manager->signals_second = now;
        return true;
}

/* Anybody may send a message of as much as the bus lets pass, 32 MB by default, and sd-bus takes memory for all of it before
 * it can be looked at: where there is none the connection is made anew, while the books would be lost with us. What cannot
 * be bounded is as it was. */
static void bound_memory(const struct manager *manager) {
        (void) own_memory_bound(manager->limits);
}

/* A quota changes seldom, and without one nothing holds us up: reading costs as much as all else in an idle second. */
static void heed_limits(struct manager *manager) {
        struct limits *limits = &manager->cpu_limits;

        if (manager->ticks++ % QUOTA_TICKS == 0) {
                limits_read_cpu_quota(manager->limits, limits);
                bound_memory(manager);
        }
        if (limits->has_cpu_quota)
                limits_read_throttled(manager->limits, limits);
        engine_limit_cpu(manager->engine, limits->has_cpu_quota ? limits->cpu_quota_usec : UINT64_MAX,
                         limits->has_cpu_quota && report_throttling(&manager->report, limits));
}

static int tick(struct manager *manager) {
        int r;

        capture_tick(manager->capture);
        manager->told_second = engine_now(manager->engine) / USEC_PER_SEC;
        r = arm_tick(manager);
        if (r < 0)
                return r;
        reconnect(manager);
        engine_tick(manager->engine);
        if (manager->bus && signals_are_due(manager))
                bus_send_signals(manager->bus);
        engine_expire(manager->engine);
        report_losses(&manager->report, manager->engine);
        heed_limits(manager);
        return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        return tick(userdata);
}

/* A wake-up of its own would cost as much as all that a tick does. */
static void on_read(void *userdata) {
        struct manager *manager = userdata;

        if (engine_now(manager->engine) / USEC_PER_SEC != manager->told_second)
                (void) tick(manager);
}

/* The rest is as it was, be it by a call on the bus. */
static int choose_setting(struct manager *manager, enum config_setting setting, const struct config *config,
                          struct source_error *ret_error) {
        struct source_choice choice = *engine_choice(manager->engine), configured;
        bool ran = engine_capturing(manager->engine);
        int r;

        configure_choice(config, &configured);
        if (setting == CONFIG_DEVICES)
                choice.devices = configured.devices;
        else if (setting == CONFIG_ADDRESSES)
                choice.addresses = configured.addresses;
        else
                choice.filter = configured.filter;
        r = capture_choose(manager->capture, &choice, ret_error);
        (void) arm_tick(manager);
        if (r >= 0 && setting == CONFIG_FILTER)
                filter_changed(manager, ran && engine_capturing(manager->engine));
        return r;
}

/* The configure_handler for what settings.c says can be changed at run time. */
static int apply_setting(void *userdata, enum config_setting setting, const struct config *config,
                         struct source_error *ret_error) {
        struct manager *manager = userdata;

        switch (setting) {
        case CONFIG_DEVICES:
        case CONFIG_ADDRESSES:
        case CONFIG_FILTER:
                return choose_setting(manager, setting, config, ret_error);
        case CONFIG_TIMEOUT:
                capture_set_timeout(manager->capture, config->timeout_usec);
                return 0;
        case CONFIG_SIGNAL_INTERVAL: /* looked at with each tick */
                return 0;
        case CONFIG_SIGNAL_LIMIT:
                return manager->bus ? bus_set_signal_limit(manager->bus, config->signal_limit) : 0;
        case CONFIG_LOG_LEVEL:
                configure_log(config);
                return 0;
        case CONFIG_BACKEND:
        case CONFIG_OWNERS:
        case CONFIG_SYNC_INTERVAL:
        case CONFIG_WORKERS:
        case CONFIG_QUEUE_SIZE:
        case CONFIG_STORE_PCAP:
        case CONFIG_STORE_PCAP_MAX_SIZE:
        case CONFIG_STORE_PCAP_FILES:
        case CONFIG_SETTINGS:
                break;
        }
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "it needs a restart");
        return -EOPNOTSUPP;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *signal, void *userdata) {
        struct manager *manager = userdata;
        struct limits limits;

        (void) source;
        (void) signal;
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_usec(CLOCK_MONOTONIC));
        configure_again(manager->config->config, manager->config->sources, apply_setting, manager);
        limits_read(manager->limits, &limits);
        report_start(manager->engine, &limits);
        (void) sd_notify(0, "READY=1");
        return 0;
}

/* What is still to be told is told before the bus is left, which an exit source of sd-bus's own sees to. */
static int on_exit_loop(sd_event_source *source, void *userdata) {
        struct manager *manager = userdata;

        (void) source;
        (void) sd_notify(0, "STOPPING=1");
        store_stop_all(manager->store, STORE_STOPPING);
        capture_stop(manager->capture);
        engine_tick(manager->engine);
        if (manager->bus)
                bus_send_signals(manager->bus);
        return 0;
}

static int start_reading(struct manager *manager) {
        const struct capture_config config = {
                .event = manager->event,
                .engine = manager->engine,
                .store = manager->store,
                .timeout_usec = manager->config->config->timeout_usec,
                .started = on_started,
                .stopped = on_stopped,
                .read = on_read,
                .userdata = manager,
        };

        manager->file_recording = (struct file_recording){
                .config = manager->config->config, .engine = manager->engine, .store = manager->store};
        file_recording_start(&manager->file_recording);
        return capture_new(&config, &manager->capture);
}

static int add_sources(struct manager *manager) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *leave = NULL;
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(manager->event, NULL, SIGTERM, NULL,
                                NULL); /* without a handler: ends the loop */
        if (r < 0)
                return r;
        r = sd_event_add_signal(manager->event, NULL, SIGINT, NULL, NULL);
        if (r < 0)
                return r;
        r = sd_event_add_signal(manager->event, NULL, SIGHUP, on_reload, manager);
        if (r < 0)
                return r;
        r = sd_event_add_exit(manager->event, &leave, on_exit_loop, manager);
        if (r >= 0)
                r = sd_event_source_set_priority(leave, SD_EVENT_PRIORITY_IMPORTANT);
        if (r >= 0)
                r = sd_event_source_set_floating(leave, 1);
        if (r < 0)
                return r;
        r = sd_event_set_watchdog(manager->event, true); /* does nothing where there is none */
        if (r < 0)
                return r;
        r = start_reading(manager);
        if (r < 0)
                return r;
        manager->told_second = engine_now(manager->engine) / USEC_PER_SEC;
        r = sd_event_add_time_relative(manager->event, &manager->tick_timer, CLOCK_MONOTONIC,
                                       until_tick(manager), TICK_DELAY_USEC, on_tick, manager);
        return r < 0 ? r : sd_event_source_set_enabled(manager->tick_timer, SD_EVENT_ON);
}

/* A filter in a file is found to be wrong only now, and does not keep us from counting: the default stands,
 * which is none. Returns as engine_new(). */
static int new_engine(struct manager *manager, const struct limits *limits, struct source_error *ret_error) {
        struct config *config = manager->config->config;
        const struct config_origin *origin = &config->origins[CONFIG_FILTER];
        struct engine_config engine_config;
        int r;

        configure_engine(config, &engine_config);
        if (limits->has_memory_max)
                engine_config_fit(&engine_config, limits->memory_max);
        r = engine_new(&engine_config, &manager->engine, ret_error);
        if (r != -EINVAL || !config->filter || origin->kind != CONFIG_FROM_FILE)
                return r;
        log_write(LOG_WARNING, "%s: %s; ignored", origin->places, ret_error->text);
        config_reset(config, CONFIG_FILTER);
        engine_config.choice.filter = NULL;
        return engine_new(&engine_config, &manager->engine, ret_error);
}

static int start_engine(struct manager *manager) {
        struct source_error error = {.text = "out of memory"};
        struct limits limits;
        int r;

        if (!own_process_may_capture(manager->config->config->backend))
                return EX_NOPERM;
        r = limits_reader_new("", &manager->limits);
        if (r >= 0) {
                limits_read(manager->limits, &limits);
                r = new_engine(manager, &limits, &error);
        }
        if (r >= 0)
                r = store_new(manager->engine, on_recorded, manager, &manager->store);
        if (r >= 0) {
                if (!engine_drained_by_fd(manager->engine))
                        own_process_warn_of_blindness();
                report_start(manager->engine, &limits);
                bound_memory(manager);
                return EXIT_SUCCESS;
        }
        log_write(LOG_ERR, "%s", error.text);
        if (r == -EINVAL && manager->config->config->filter)
                return EXIT_USAGE;
        return r == -EPERM || r == -EACCES ? EX_NOPERM : EX_OSERR;
}

static int start_bus(struct manager *manager) {
        int r = connect_bus(manager);

        if (r < 0) {
                say_bus(r);
                return EX_UNAVAILABLE;
        }
        if (manager->config->bus_fd >= 0)
                set_ready(manager);
        return EXIT_SUCCESS;
}

int manager_run(const struct manager_config *config) {
        _cleanup_(manager_done) struct manager manager = {.config = config};
        int r;

        own_process_set_up();
        r = sd_event_default(&manager.event);
        if (r < 0) {
                log_write(LOG_ERR, "cannot make an event loop: %s", strerror(-r));
                return EX_OSERR;
        }
        r = start_engine(&manager);
        if (r != EXIT_SUCCESS)
                return r;
        r = start_bus(&manager);
        if (r != EXIT_SUCCESS)
                return r;
        r = add_sources(&manager);
        if (r >= 0)
                r = sd_event_loop(manager.event);
        if (r < 0) {
                log_write(LOG_ERR, "the event loop failed: %s", strerror(-r));
                return EX_SOFTWARE;
        }
        return r;
}
