/* SPDX-License-Identifier: MIT */
#include "engine/early_look.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/busy_ports.h"
#include "owner/openings.h"
#include "owner/process_reader.h"
#include "source/syn_capture.h"
#include "util/clock.h"
#include "util/thread.h"

/* The share of one processor that this may take, one part in so many, and how much of it may be saved up. */
#define PARTS      3
#define SAVED_USEC (20 * (int64_t) USEC_PER_MSEC)

/* Of the quota for all threads, so much may be saved up, or owed; and it is earned for so long at a time at the most. */
#define NO_QUOTA        UINT32_MAX
#define QUOTA_MAX_NSEC  ((int64_t) NSEC_PER_SEC / 10)
#define QUOTA_SPAN_USEC (3600 * USEC_PER_SEC)

/* Once less than this is left, it works for short whiles, as long apart as their share is: it sees then what
 * it has time for of what there is at those moments, and goes on to read all SYNs, without which nothing is
 * certain. */
#define SHORT_USEC (10 * (int64_t) USEC_PER_MSEC)
#define WHILE_USEC 100

/* After each of them it earns so much at the most, and so comes back to where that is not needed. */
#define EARN_USEC 250

/* Shares change, and no sleep is longer than this for one that has. */
#define REST_MAX_USEC (1 * USEC_PER_SEC)

/* Once all is used up, SYNs pass until so much is there again; those that come then are new. What it takes
 * to wake up and see is waited for on top. */
#define RESUME_USEC (1 * (int64_t) USEC_PER_MSEC)
#define WAKE_USEC   100

/* Waits are to end this close to when they are due: the kernel's own 50 µs are as long as what is waited for. */
#define TIMER_SLACK_NSEC 1000UL

/* The shortest turn that the kernel takes: kernel/sched/syscalls.c. */
#define TURN_NSEC (100 * NSEC_PER_USEC)

/* SYNs, and look-ups, between two looks at the clock. */
#define BATCH 64
#define LOOKS 16

/* Connections that are remembered: until their first packets are asked about, which is two drains, at ten thousand a
 * second. 250 bytes each. */
#define OPENINGS_MAX 4096u
#define SOCKETS_MAX  4096u

/* Processes of which it is remembered who they were, for rows that are made with the next drains. */
#define INFOS_MAX 512u

/* Of those of late, it is not asked again within a drain whether they are among these. */
#define TOLD_MAX  8u
#define TOLD_USEC (100 * USEC_PER_MSEC)

_Static_assert(BUSY_PORTS_MAX <= SYN_EXCLUDED_MAX, "busy ports are excluded, all of them");

struct early_look {
        const char *proc_root;
        struct syn_capture *capture;
        struct openings *openings;
        int stop_fd;
        pthread_t thread;
        _Atomic uint32_t parts;
        _Atomic uint32_t quota_usec; /* per second, for the process; NO_QUOTA: none */

        /* the thread's own */
        int64_t left_usec;
        uint64_t used_usec;   /* CLOCK_THREAD_CPUTIME_ID, until when it is out of left_usec */
        uint64_t earned_usec; /* CLOCK_MONOTONIC, until when its share is in left_usec */
        uint32_t quota_seen;  /* what the next three are about; NO_QUOTA: nothing */
        uint64_t process_usec, quota_earned_usec; /* as the two above, of all threads and of the quota */
        int64_t quota_nsec;   /* what is left of it */
        uint64_t now_usec;    /* of the batch under way */
        uint64_t offset_usec; /* of CLOCK_REALTIME, from CLOCK_MONOTONIC */
        bool paused, failed;
        uint64_t dropped; /* SYNs, by the kernel, as far as that has been noticed */
        struct busy_ports busy;
        struct {
                struct process_id id;
                uint64_t usec; /* CLOCK_MONOTONIC */
        } told[TOLD_MAX]; /* a ring */
        uint32_t next_told;

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

static bool was_told(struct early_look *look, const struct process_id *id) {
        for (size_t i = 0; i < TOLD_MAX; i++)
                if (process_id_equal(&look->told[i].id, id) && look->now_usec - look->told[i].usec < TOLD_USEC)
                        return true;
        look->told[look->next_told].id = *id;
        look->told[look->next_told].usec = look->now_usec;
        look->next_told = (look->next_told + 1) % TOLD_MAX;
        return false;
}

/* stat is what there is when the rest is gone already. */
static void on_opener(const struct process_info *stat, void *userdata) {
        struct early_look *look = userdata;
        struct process_info info = {};

        if (was_told(look, &stat->id) || have_info(look, &stat->id))
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

/* CLOCK_MONOTONIC; now, when the other clock was set in between. */
static uint64_t sent_usec(const struct early_look *look, const struct syn *syn) {
        uint64_t usec = syn->time_usec - look->offset_usec;

        return usec <= look->now_usec && look->now_usec - usec < USEC_PER_SEC ? usec : look->now_usec;
}

static void on_syn(const struct syn *syn, void *userdata) {
        struct early_look *look = userdata;

        if (is_of_many(look, syn))
                return;
        openings_add(look->openings, &syn->key, syn->ifindex, syn->time_usec, sent_usec(look, syn));
}

static uint64_t parts_of(struct early_look *look) {
        return PARTS * (uint64_t) atomic_load_explicit(&look->parts, memory_order_relaxed);
}

/* What the quota leaves beside all that the process uses: the kernel does not see to that where this thread comes first,
 * see come_first(). */
static void earn_of_quota(struct early_look *look) {
        uint32_t quota_usec = atomic_load_explicit(&look->quota_usec, memory_order_relaxed);
        uint64_t process_usec, elapsed_usec = MIN(look->now_usec - look->quota_earned_usec, QUOTA_SPAN_USEC);
        int64_t earned_nsec, used_nsec;

        if (quota_usec == NO_QUOTA && look->quota_seen == NO_QUOTA)
                return;
        process_usec = clock_usec(CLOCK_PROCESS_CPUTIME_ID);
        earned_nsec = (int64_t) (elapsed_usec * quota_usec / (USEC_PER_SEC / NSEC_PER_USEC));
        used_nsec = (int64_t) ((process_usec - look->process_usec) * NSEC_PER_USEC);
        if (quota_usec == look->quota_seen)
                look->quota_nsec =
                        MAX(MIN(look->quota_nsec + earned_nsec - used_nsec, QUOTA_MAX_NSEC), -QUOTA_MAX_NSEC);
        else /* another one: from now on */
                look->quota_nsec = QUOTA_MAX_NSEC;
        look->quota_seen = quota_usec;
        look->quota_earned_usec = look->now_usec;
        look->process_usec = process_usec;
}

static void earn(struct early_look *look) {
        uint64_t parts = parts_of(look), share = (look->now_usec - look->earned_usec) / parts;

        look->left_usec = MIN(look->left_usec + (int64_t) share, SAVED_USEC);
        look->earned_usec += share * parts;
        earn_of_quota(look);
}

/* Of its share, and of the quota. */
static int64_t left_usec(const struct early_look *look) {
        if (look->quota_seen == NO_QUOTA)
                return look->left_usec;
        return MIN(look->left_usec, look->quota_nsec / (int64_t) NSEC_PER_USEC);
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

/* Returns whether there may be more. */
static bool read_and_look(struct early_look *look) {
        int n_read, n_looked = 0;

        look->now_usec = clock_usec(CLOCK_MONOTONIC);
        look->offset_usec = clock_real_offset_usec();
        n_read = read_syns(look);
        if (n_read < BATCH) /* the newest first */
                n_looked = openings_look(look->openings, look->now_usec, LOOKS, on_opener, look);
        look->failed = n_read < 0;
        spend(look);
        return n_read >= BATCH || n_looked >= LOOKS;
}

/* Reads and looks up what there is, as long as its time lasts. */
static void run(struct early_look *look) {
        const uint64_t begin_usec = look->used_usec;
        bool more = true;

        if (busy_ports_expire(&look->busy, look->now_usec))
                exclude_busy(look);
        while (more && left_usec(look) > 0 && !look->failed &&
               (left_usec(look) > SHORT_USEC || look->used_usec < begin_usec + WHILE_USEC))
                more = read_and_look(look);
        look->paused = left_usec(look) <= 0;
}

/* How long it is to do nothing, whatever comes. */
static uint64_t rest_usec(struct early_look *look) {
        int64_t left = left_usec(look), missing;

        if (look->paused)
                missing = RESUME_USEC - MIN(left, RESUME_USEC) + WAKE_USEC;
        else if (left < SHORT_USEC)
                missing = MIN(SHORT_USEC - left, EARN_USEC);
        else
                return 0;
        return MIN((uint64_t) missing * parts_of(look), REST_MAX_USEC);
}

/* How long until something is due; UINT64_MAX: nothing is. */
static uint64_t due_usec(const struct early_look *look) {
        uint64_t due_usec = openings_due_usec(look->openings), now_usec = clock_usec(CLOCK_MONOTONIC);

        return due_usec == UINT64_MAX || look->failed ? UINT64_MAX : due_usec - MIN(due_usec, now_usec);
}

/* For so long, or until a SYN comes where fd is not -1. Returns false when the thread is to end. */
static bool wait_for(const struct early_look *look, uint64_t usec, int fd) {
        const struct timespec timeout = {.tv_sec = (time_t) (usec / USEC_PER_SEC),
                                         .tv_nsec = (long) (usec % USEC_PER_SEC * NSEC_PER_USEC)};
        struct pollfd fds[] = {
                {.fd = look->stop_fd, .events = POLLIN},
                {.fd = fd, .events = POLLIN},
        };

        (void) ppoll(fds, ELEMENTSOF(fds), usec == UINT64_MAX ? NULL : &timeout, NULL);
        return !(fds[0].revents & POLLIN);
}

/* Returns false when it is to end. */
static bool sleep_until_needed(struct early_look *look) {
        uint64_t rest = rest_usec(look);

        if (rest > 0 && !wait_for(look, rest, -1))
                return false;
        return look->paused ||
               wait_for(look, due_usec(look), look->failed ? -1 : syn_capture_fd(look->capture));
}

/* What came while its time was used up is not new any more. */
static void resume(struct early_look *look) {
        struct source_error error;

        if (!look->paused || left_usec(look) < RESUME_USEC)
                return;
        look->paused = false;
        (void) syn_capture_read(look->capture, 0, NULL, NULL, &error);
        openings_missed(look->openings);
}

/* What begins may be over before this thread, which needs the processor for some microseconds, has waited
 * for its turn behind others: so it comes before them where that is allowed (RLIMIT_RTPRIO), bounded by its
 * share as it is. Elsewhere its turns are to be short, which from Linux 6.12 on makes them come sooner:
 * sched(7), sched_setattr(2). */
static void come_first(void) {
        const struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_RR)};
        struct {
                uint32_t size, policy;
                uint64_t flags;
                int32_t nice;
                uint32_t priority;
                uint64_t runtime_nsec, deadline_nsec, period_nsec;
        } attr = {};

        if (pthread_setschedparam(pthread_self(), SCHED_RR | SCHED_RESET_ON_FORK, &lowest) == 0 ||
            syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0)
                return;
        attr.runtime_nsec = TURN_NSEC;
        (void) syscall(SYS_sched_setattr, 0, &attr, 0);
}

static void *run_thread(void *userdata) {
        struct early_look *look = userdata;

        come_first();
        /* of this thread; without them, waits are longer, and it has no name of its own in ps(1) */
        (void) prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NSEC);
        (void) prctl(PR_SET_NAME, "netflowd-early");
        look->left_usec = SAVED_USEC;
        look->quota_seen = NO_QUOTA;
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

static int start_thread(struct early_look *look, struct source_error *ret_error) {
        int r;

        r = thread_start(&look->thread, run_thread, look);
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
        atomic_init(&look->quota_usec, NO_QUOTA);
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

void early_look_set_limits(struct early_look *look, uint32_t parts, uint64_t quota_usec) {
        atomic_store_explicit(&look->parts, parts, memory_order_relaxed);
        atomic_store_explicit(&look->quota_usec, (uint32_t) MIN(quota_usec, (uint64_t) NO_QUOTA),
                              memory_order_relaxed);
}

bool early_look_find(struct early_look *look, const struct owner_question *question, struct owner *ret_owner) {
        return openings_find(look->openings, question, ret_owner);
}

void early_look_stats(struct early_look *look, struct owner_stats *stats) {
        openings_stats(look->openings, stats);
}
