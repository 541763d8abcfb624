/* SPDX-License-Identifier: MIT */
#include "engine/early_look.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "engine/busy_ports.h"
#include "owner/openings.h"
#include "owner/process_reader.h"
#include "source/syn_capture.h"
#include "util/clock.h"

/* The share of one processor that this may take, one part in so many, and how much of it may be saved up. */
#define PARTS      8
#define SAVED_USEC (20 * (int64_t) USEC_PER_MSEC)

/* Once that is used up, SYNs pass until so much is there again; those that come then are new. */
#define RESUME_USEC (1 * (int64_t) USEC_PER_MSEC)

/* Waits are to end this close to when they are due: the kernel's own 50 µs are as long as what is waited for. */
#define TIMER_SLACK_NSEC 1000UL

/* SYNs and look-ups between two looks at the clock. */
#define BATCH 16

/* Connections that are remembered: until their first packets are asked about, which is two drains, at ten thousand a
 * second. 250 bytes each. */
#define OPENINGS_MAX 4096u
#define SOCKETS_MAX  4096u

/* Processes of which it is remembered who they were, for rows that are made with the next drains. */
#define INFOS_MAX 512u

_Static_assert(BUSY_PORTS_MAX <= SYN_EXCLUDED_MAX, "busy ports are excluded, all of them");

struct early_look {
        const char *proc_root;
        struct syn_capture *capture;
        struct openings *openings;
        int stop_fd;
        pthread_t thread;
        _Atomic uint32_t parts;

        /* the thread's own */
        int64_t left_usec;
        uint64_t used_usec;   /* CLOCK_THREAD_CPUTIME_ID, until when it is out of left_usec */
        uint64_t earned_usec; /* CLOCK_MONOTONIC, until when its share is in left_usec */
        uint64_t now_usec;    /* of the batch under way */
        bool paused, failed;
        uint64_t dropped; /* SYNs, by the kernel, as far as that has been noticed */
        struct busy_ports busy;

        pthread_mutex_t lock;
        /* under it: a ring; pid 0: none */
        struct process_info infos[INFOS_MAX];
        uint32_t next_info;
};

/* --- who it is ------------------------------------------------------------------------------------------ */

static struct process_info *find_info(struct early_look *look, const struct process_id *id) {
        for (size_t i = 0; i < INFOS_MAX; i++)
                if (process_id_equal(&look->infos[i].id, id))
                        return &look->infos[i];
        return NULL;
}

static bool have_info(struct early_look *look, const struct process_id *id) {
        bool found;

        (void) pthread_mutex_lock(&look->lock);
        found = find_info(look, id);
        (void) pthread_mutex_unlock(&look->lock);
        return found;
}

static void keep_info(struct early_look *look, const struct process_info *info) {
        struct process_info *place, before;

        (void) pthread_mutex_lock(&look->lock);
        place = &look->infos[look->next_info];
        look->next_info = (look->next_info + 1) % INFOS_MAX;
        before = *place;
        *place = *info;
        (void) pthread_mutex_unlock(&look->lock);
        process_info_done(&before);
}

/* stat is what there is when the rest is gone already. */
static void on_opener(const struct process_info *stat, void *userdata) {
        struct early_look *look = userdata;
        struct process_info info = {};

        if (have_info(look, &stat->id))
                return;
        if (process_read(look->proc_root, stat->id.pid, &info) < 0 || !process_id_equal(&info.id, &stat->id)) {
                process_info_done(&info);
                info = *stat;
                info.start_time_usec = process_start_time_usec(&info.id);
        }
        keep_info(look, &info);
}

int early_look_take_info(struct early_look *look, const struct process_id *id, struct process_info *ret_info) {
        struct process_info *info;
        int r = -ENOENT;

        (void) pthread_mutex_lock(&look->lock);
        info = find_info(look, id);
        if (info) {
                *ret_info = *info;
                *info = (struct process_info){};
                r = 0;
        }
        (void) pthread_mutex_unlock(&look->lock);
        return r;
}

/* --- the thread ----------------------------------------------------------------------------------------- */

/* What cannot be excluded now comes in, and is left out here. */
static void exclude_busy(struct early_look *look) {
        (void) syn_capture_exclude(look->capture, look->busy.busy, look->busy.n);
}

/* Is it from a port that sends all the time? */
static bool is_of_many(struct early_look *look, const struct syn *syn) {
        if (syn->key.protocol != IPPROTO_UDP)
                return false;
        if (busy_ports_note(&look->busy, syn->key.local_port, look->now_usec))
                exclude_busy(look);
        return busy_ports_have(&look->busy, syn->key.local_port);
}

static void on_syn(const struct syn *syn, void *userdata) {
        struct early_look *look = userdata;

        if (is_of_many(look, syn))
                return;
        openings_add(look->openings, &syn->key, syn->ifindex, syn->time_usec, look->now_usec);
}

static uint64_t parts_of(struct early_look *look) {
        return PARTS * (uint64_t) atomic_load_explicit(&look->parts, memory_order_relaxed);
}

static void earn(struct early_look *look) {
        uint64_t parts = parts_of(look), share = (look->now_usec - look->earned_usec) / parts;

        look->left_usec = MIN(look->left_usec + (int64_t) share, SAVED_USEC);
        look->earned_usec += share * parts;
}

static void spend(struct early_look *look) {
        uint64_t used_usec = clock_usec(CLOCK_THREAD_CPUTIME_ID);

        look->left_usec -= (int64_t) (used_usec - look->used_usec);
        look->used_usec = used_usec;
}

/* What could not be read is missed for good. */
static void notice_drops(struct early_look *look) {
        uint64_t dropped = syn_capture_dropped(look->capture);

        if (dropped != look->dropped)
                openings_missed(look->openings);
        look->dropped = dropped;
}

/* Returns how many there were, or a negative errno: there are no more. */
static int read_syns(struct early_look *look) {
        struct source_error error; /* the source, which captures on the same devices, tells */
        int n;

        n = syn_capture_read(look->capture, BATCH, on_syn, look, &error);
        notice_drops(look);
        if (n >= 0 && n < BATCH)
                openings_read_until(look->openings, look->now_usec);
        return n;
}

/* Reads and looks up what there is, as long as its time lasts. */
static void run(struct early_look *look) {
        bool more = true;

        if (busy_ports_expire(&look->busy, look->now_usec))
                exclude_busy(look);
        while (more && look->left_usec > 0 && !look->failed) {
                int n_read, n_looked;

                look->now_usec = clock_usec(CLOCK_MONOTONIC);
                n_read = read_syns(look);
                n_looked = openings_look(look->openings, look->now_usec, BATCH, on_opener, look);
                look->failed = n_read < 0;
                more = n_read >= BATCH || n_looked >= BATCH;
                spend(look);
        }
        look->paused = look->left_usec <= 0;
}

/* How long until there is time again, or until something is due; UINT64_MAX: nothing is. */
static uint64_t wait_usec(struct early_look *look) {
        uint64_t due_usec;

        if (look->paused)
                return (uint64_t) (RESUME_USEC - MIN(look->left_usec, RESUME_USEC)) * parts_of(look);
        due_usec = openings_due_usec(look->openings);
        if (due_usec == UINT64_MAX)
                return due_usec;
        return due_usec > look->now_usec ? due_usec - look->now_usec : 0;
}

/* Returns false when it is to end. */
static bool sleep_until_needed(struct early_look *look) {
        struct pollfd fds[] = {
                {.fd = look->stop_fd, .events = POLLIN},
                {.fd = look->paused || look->failed ? -1 : syn_capture_fd(look->capture), .events = POLLIN},
        };
        uint64_t usec = wait_usec(look);
        const struct timespec timeout = {.tv_sec = (time_t) (usec / USEC_PER_SEC),
                                         .tv_nsec = (long) (usec % USEC_PER_SEC * NSEC_PER_USEC)};

        (void) ppoll(fds, ELEMENTSOF(fds), usec == UINT64_MAX ? NULL : &timeout, NULL);
        return !(fds[0].revents & POLLIN);
}

/* What came while its time was used up is not new any more. */
static void resume(struct early_look *look) {
        struct source_error error;

        if (!look->paused || look->left_usec < RESUME_USEC)
                return;
        look->paused = false;
        (void) syn_capture_read(look->capture, 0, NULL, NULL, &error);
        openings_missed(look->openings);
}

static void *run_thread(void *userdata) {
        struct early_look *look = userdata;

        /* of this thread; without them, waits are longer, and it has no name of its own in ps(1) */
        (void) prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NSEC);
        (void) prctl(PR_SET_NAME, "netflowd-early");
        look->left_usec = SAVED_USEC;
        look->earned_usec = look->now_usec = clock_usec(CLOCK_MONOTONIC);
        while (sleep_until_needed(look)) {
                look->now_usec = clock_usec(CLOCK_MONOTONIC);
                earn(look);
                spend(look);
                resume(look);
                if (!look->paused)
                        run(look);
        }
        return NULL;
}

/* --- lifetime ------------------------------------------------------------------------------------------- */

static void free_look(struct early_look *look) {
        for (size_t i = 0; i < INFOS_MAX; i++)
                process_info_done(&look->infos[i]);
        syn_capture_free(look->capture);
        openings_free(look->openings);
        safe_close(look->stop_fd);
        (void) pthread_mutex_destroy(&look->lock);
        free(look);
}

static int open_look(struct early_look *look, struct source_error *ret_error) {
        const struct openings_config config = {
                .proc_root = look->proc_root, .max = OPENINGS_MAX, .max_sockets = SOCKETS_MAX};
        int r;

        r = syn_capture_new(&look->capture, ret_error);
        if (r < 0)
                return r;
        r = openings_new(&config, &look->openings);
        if (r >= 0) {
                look->stop_fd = eventfd(0, EFD_CLOEXEC);
                r = look->stop_fd < 0 ? -errno : 0;
        }
        if (r < 0)
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot look at new connections: %s",
                                strerror(-r));
        return r;
}

/* A thread takes its signal mask from who starts it: pthread_create(3). */
static int start_thread(struct early_look *look, struct source_error *ret_error) {
        sigset_t all, before;
        int r;

        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&look->thread, NULL, run_thread, look);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r < 0)
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "cannot start the thread that looks at new connections: %s", strerror(-r));
        return r;
}

int early_look_start(const char *proc_root, struct early_look **ret_look, struct source_error *ret_error) {
        struct early_look *look = calloc(1, sizeof(*look));
        int r;

        if (!look) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "no memory to look at new connections");
                return -ENOMEM;
        }
        look->proc_root = proc_root;
        look->stop_fd = -1;
        atomic_init(&look->parts, 1);
        (void) pthread_mutex_init(&look->lock, NULL); /* cannot fail without attributes: pthread_mutex_init(3) */
        r = open_look(look, ret_error);
        if (r >= 0)
                r = start_thread(look, ret_error);
        if (r < 0) {
                free_look(look);
                return r;
        }
        *ret_look = look;
        return 0;
}

void early_look_stop(struct early_look *look) {
        if (!look)
                return;
        (void) eventfd_write(look->stop_fd, 1); /* can only fail once it has been written to very often */
        (void) pthread_join(look->thread, NULL);
        free_look(look);
}

void early_look_set_parts(struct early_look *look, uint32_t parts) {
        atomic_store_explicit(&look->parts, parts, memory_order_relaxed);
}

bool early_look_find(struct early_look *look, const struct owner_question *question, struct owner *ret_owner) {
        return openings_find(look->openings, question, ret_owner);
}

void early_look_stats(struct early_look *look, struct owner_stats *stats) {
        openings_stats(look->openings, stats);
}
