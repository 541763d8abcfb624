/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "source/packet_tap.h"
#include "store/rotation.h"
#include "store/savefile_writer.h"
#include "store/undecided.h"
#include "util/clock.h"

/* A packet whose flow has no owner by then is nobody's: the engine itself waits for a second. */
#define DECIDE_USEC (2 * USEC_PER_SEC)

#define DRAIN_PACKETS 8192

/* Datagrams in fragments that may be under way at a time. */
#define FRAGMENTS_MAX 1024u

/* What a recording still reads when it is stopped: a few times what its ring holds, not forever. */
#define LAST_DRAINS 16

struct recording {
        struct store *store;
        struct recording *next;
        uint64_t id;
        struct packet_tap *tap;
        struct savefile_writer *writer;
        struct undecided *undecided;
        struct fragment_table *fragments;

        struct process_id process; /* pid 0: any */
        char *unit;                /* NULL: any */
        char *path;                /* NULL: a descriptor of somebody else's */
        unsigned files;
        uint64_t end_usec;         /* CLOCK_MONOTONIC; UINT64_MAX: none */
        enum store_end end_then;   /* what it ends for then */
        uint64_t max_bytes;        /* UINT64_MAX: no limit */

        uint64_t packets, undecided_dropped;
        uint64_t bytes; /* of files before the one that is being written */
        enum store_end ended; /* STORE_RUNNING: it has not */
        char error[128];      /* with STORE_ERROR */
};

struct store {
        struct engine *engine;
        struct engine *beside; /* reads whose packets are, where that engine does not; NULL: nobody asks */
        uint64_t ticked_usec;  /* when that was last done, CLOCK_MONOTONIC */
        store_handler handler;
        void *userdata;
        struct recording *recordings;
        unsigned n;
        uint64_t last_id;
};

int store_new(struct engine *engine, store_handler handler, void *userdata, struct store **ret_store) {
        struct store *store = calloc(1, sizeof(*store));

        if (!store)
                return -ENOMEM;
        *store = (struct store){.engine = engine, .handler = handler, .userdata = userdata};
        *ret_store = store;
        return 0;
}

static void recording_free(struct recording *recording) {
        if (!recording)
                return;
        packet_tap_free(recording->tap);
        savefile_writer_free(recording->writer);
        undecided_free(recording->undecided);
        fragment_table_free(recording->fragments);
        free(recording->unit);
        free(recording->path);
        free(recording);
}
DEFINE_CLEANUP(struct recording *, recording_free)

void store_free(struct store *store) {
        if (!store)
                return;
        while (store->recordings) {
                struct recording *recording = store->recordings;

                store->recordings = recording->next;
                recording_free(recording);
        }
        engine_free(store->beside);
        free(store);
}

bool store_running(const struct store *store) {
        return store->recordings != NULL;
}

/* --- whose is it ---------------------------------------------------------------------------------------- */

enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNDECIDED };

static bool asks_for_owner(const struct recording *recording) {
        return recording->process.pid != 0 || recording->unit;
}

static bool is_wanted_process(const struct recording *recording, const struct process *process) {
        if (recording->process.pid != 0 && memcmp(&recording->process, &process->id, sizeof(process->id)) != 0)
                return false;
        return !recording->unit || (process->info.unit && strcmp(recording->unit, process->info.unit) == 0);
}

static enum verdict verdict_of_flow(const struct recording *recording, const struct flow_key *key) {
        const struct store *store = recording->store;
        const struct flow *flow =
                flow_table_find(engine_books(store->beside ?: store->engine)->flows, key);

        if (!flow)
                return VERDICT_UNDECIDED; /* the engine has not read it yet */
        switch (flow->state) {
        case FLOW_NEW:
        case FLOW_WAITING:
        case FLOW_FOUND:
                return VERDICT_UNDECIDED;
        case FLOW_OWNED:
                return is_wanted_process(recording, flow->process) ? VERDICT_YES : VERDICT_NO;
        case FLOW_UNOWNED:
                return VERDICT_NO;
        }
        return VERDICT_NO;
}

static enum verdict verdict_of(const struct recording *recording, const struct sample *sample) {
        enum verdict verdict, other;
        struct flow_key other_end;

        if (!asks_for_owner(recording))
                return VERDICT_YES;
        if (sample->keyless || sample->direction == DIRECTION_FORWARDED)
                return VERDICT_NO;
        verdict = verdict_of_flow(recording, &sample->key);
        if (verdict == VERDICT_YES || sample->direction != DIRECTION_LOCAL)
                return verdict;
        other_end = flow_key_reverse(&sample->key);
        other = verdict_of_flow(recording, &other_end);
        return verdict == VERDICT_UNDECIDED && other == VERDICT_NO ? VERDICT_UNDECIDED : other;
}

/* --- one packet ----------------------------------------------------------------------------------------- */

static void end_recording(struct recording *recording, enum store_end end) {
        if (!recording->ended)
                recording->ended = end;
}

static void fail(struct recording *recording, const char *what, int r) {
        (void) snprintf(recording->error, sizeof(recording->error), "%s: %s", what, strerror(-r));
        end_recording(recording, STORE_ERROR);
}

static int new_writer(struct recording *recording, int fd) {
        const struct savefile_header header = {.link_type = packet_tap_link_type(recording->tap),
                                               .snaplen = packet_tap_snaplen(recording->tap)};
        struct savefile_writer *writer;
        int r;

        r = savefile_writer_new(fd, &header, &writer);
        if (r < 0)
                return r;
        savefile_writer_free(recording->writer);
        recording->writer = writer;
        return 0;
}

/* Goes on in a new file. Files take what they are given at once, so that nothing waits to be written. */
static bool next_file(struct recording *recording) {
        int r = savefile_writer_flush(recording->writer), fd;

        if (r < 0) {
                fail(recording, "cannot write", r);
                return false;
        }
        recording->bytes += savefile_writer_size(recording->writer);
        fd = rotation_open(recording->path, recording->files);
        r = fd < 0 ? fd : new_writer(recording, fd);
        if (r < 0)
                fail(recording, recording->path, r);
        return r >= 0;
}

static void write_packet(struct recording *recording, const struct tapped_packet *packet) {
        if (savefile_writer_size_with(recording->writer, packet->captured) > recording->max_bytes) {
                if (!recording->path) {
                        end_recording(recording, STORE_SIZE);
                        return;
                }
                if (!next_file(recording))
                        return;
        }
        if (savefile_writer_append(recording->writer, packet->time_usec, packet->data, packet->captured,
                                   packet->length) < 0) {
                end_recording(recording, STORE_SLOW_READER);
                return;
        }
        recording->packets++;
}

/* Gives a later fragment the ports of its first one, without which it has no flow. */
static bool join_fragment(struct recording *recording, struct sample *sample) {
        if (sample->fragment == FRAGMENT_FIRST)
                (void) fragment_table_first(recording->fragments, sample);
        return sample->fragment != FRAGMENT_LATER || fragment_table_later(recording->fragments, sample) > 0;
}

static void on_packet(const struct tapped_packet *packet, void *userdata) {
        struct recording *recording = userdata;
        struct tapped_packet joined = *packet;
        enum verdict verdict;
        uint64_t since;
        int n;

        if (recording->ended || !engine_captures_on(recording->store->engine, packet->sample.ifindex))
                return;
        verdict = join_fragment(recording, &joined.sample) || !asks_for_owner(recording)
                          ? verdict_of(recording, &joined.sample)
                          : VERDICT_NO;
        if (verdict == VERDICT_NO)
                return;
        if (verdict == VERDICT_YES && !undecided_first(recording->undecided, &since)) {
                write_packet(recording, packet);
                return;
        }
        n = undecided_add(recording->undecided, &joined, clock_usec(CLOCK_MONOTONIC)); /* in their order */
        recording->undecided_dropped += n < 0 ? 1 : (uint64_t) n;
}

/* The oldest first, up to one that still cannot be decided. */
static void decide(struct recording *recording, bool finish) {
        const struct tapped_packet *packet;
        uint64_t now = clock_usec(CLOCK_MONOTONIC), since;

        while (!recording->ended && (packet = undecided_first(recording->undecided, &since))) {
                enum verdict verdict = verdict_of(recording, &packet->sample);

                if (verdict == VERDICT_UNDECIDED && !finish && now - since < DECIDE_USEC)
                        return;
                if (verdict == VERDICT_YES)
                        write_packet(recording, packet);
                recording->undecided_dropped += verdict == VERDICT_UNDECIDED;
                undecided_remove(recording->undecided);
        }
}

/* --- one recording -------------------------------------------------------------------------------------- */

static void flush(struct recording *recording) {
        int r = savefile_writer_flush(recording->writer);

        if (r == -EPIPE)
                end_recording(recording, STORE_CLOSED);
        else if (r < 0)
                fail(recording, "cannot write", r);
}

/* Returns whether the ring may hold more. */
static bool drain_once(struct recording *recording) {
        struct source_error error = {};
        int n = packet_tap_drain(recording->tap, DRAIN_PACKETS, on_packet, recording, &error);

        if (n < 0) {
                (void) snprintf(recording->error, sizeof(recording->error), "%.127s", error.text);
                end_recording(recording, STORE_ERROR);
        }
        return n >= DRAIN_PACKETS;
}

static void drain(struct recording *recording) {
        bool over = clock_usec(CLOCK_MONOTONIC) >= recording->end_usec;
        int drains = 0;

        decide(recording, false);
        while (drain_once(recording) && !recording->ended && ++drains < LAST_DRAINS)
                flush(recording);
        decide(recording, over);
        if (over)
                end_recording(recording, recording->end_then);
        flush(recording);
}

static void take_out(struct store *store, struct recording *recording) {
        struct recording **link = &store->recordings;

        while (*link != recording)
                link = &(*link)->next;
        *link = recording->next;
        store->n--;
}

/* Tells of its end and forgets it. */
static void conclude(struct store *store, struct recording *recording) {
        struct store_result result;

        flush(recording);
        result = (struct store_result){
                .id = recording->id,
                .end = recording->ended,
                .error = recording->error,
                .packets = recording->packets,
                .bytes = recording->bytes + savefile_writer_size(recording->writer),
                .dropped = packet_tap_dropped(recording->tap) + recording->undecided_dropped,
        };
        take_out(store, recording);
        store->handler(&result, store->userdata);
        recording_free(recording);
}

/* Whose packets are is looked up beside the engine only while somebody asks for it. */
static void drain_beside(struct store *store) {
        const struct recording *recording = store->recordings;
        uint64_t now = clock_usec(CLOCK_MONOTONIC);
        struct source_error error;

        while (recording && !asks_for_owner(recording))
                recording = recording->next;
        if (!recording) {
                engine_free(TAKE_PTR(store->beside));
                return;
        }
        /* an error closes its source: what is then not decided is counted as lost */
        (void) engine_drain(store->beside, DRAIN_PACKETS, &error);
        if (now < store->ticked_usec + USEC_PER_SEC)
                return;
        store->ticked_usec = now;
        engine_tick(store->beside);
        engine_expire(store->beside);
}

void store_drain(struct store *store) {
        struct recording *next;

        if (store->beside)
                drain_beside(store);
        for (struct recording *recording = store->recordings; recording; recording = next) {
                next = recording->next;
                drain(recording);
                if (recording->ended)
                        conclude(store, recording);
        }
}

static void end_soon(struct recording *recording, enum store_end end) {
        uint64_t then = clock_usec(CLOCK_MONOTONIC) + READ_BEHIND_USEC;

        if (recording->end_usec <= then)
                return;
        recording->end_usec = then;
        recording->end_then = end;
}

int store_stop(struct store *store, uint64_t id, enum store_end end) {
        for (struct recording *recording = store->recordings; recording; recording = recording->next)
                if (recording->id == id) {
                        end_soon(recording, end);
                        return 0;
                }
        return -ENOENT;
}

void store_stop_all(struct store *store, enum store_end end) {
        for (struct recording *recording = store->recordings; recording; recording = recording->next)
                end_soon(recording, end);
        if (store->recordings)
                (void) poll(NULL, 0, (int) (READ_BEHIND_USEC / USEC_PER_MSEC));
        store_drain(store);
}

static int say(struct source_error *ret_error, int r, const char *text) {
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "%s", text);
        return r;
}

static int open_writer(struct recording *recording, const struct store_request *request, int *fd,
                       struct source_error *ret_error) {
        int r;

        if (!request->path) {
                r = new_writer(recording, TAKE_FD(*fd));
                return r == -EINVAL ? say(ret_error, -EBADF,
                                          "fd is not a file, pipe or stream socket that can be written to")
                                    : r;
        }
        recording->path = strdup(request->path);
        if (!recording->path)
                return -ENOMEM;
        recording->files = MAX(request->files, 1u);
        r = rotation_open(recording->path, recording->files);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "%.400s: %s", recording->path,
                                strerror(-r));
                return r;
        }
        return new_writer(recording, r);
}

static int open_recording(struct recording *recording, const struct store_request *request, int *fd,
                          struct source_error *ret_error) {
        int r;

        r = packet_tap_new(request->filter, engine_interfaces(recording->store->engine), &recording->tap,
                           ret_error);
        if (r >= 0) {
                (void) say(ret_error, 0, "out of memory");
                r = open_writer(recording, request, fd, ret_error);
        }
        if (r >= 0)
                r = undecided_new(&recording->undecided);
        if (r >= 0)
                r = fragment_table_new(FRAGMENTS_MAX, &recording->fragments);
        if (r >= 0 && request->unit && !(recording->unit = strdup(request->unit)))
                r = -ENOMEM;
        return r;
}

int store_start(struct store *store, const struct store_request *request, uint64_t *ret_id,
                struct source_error *ret_error) {
        _cleanup_close_ int fd = request->fd;
        _cleanup_(recording_freep) struct recording *recording = NULL;
        uint64_t now = clock_usec(CLOCK_MONOTONIC);
        int r;

        if (store->n >= STORE_MAX)
                return say(ret_error, -EUSERS, "there are as many recordings as there can be");
        recording = calloc(1, sizeof(*recording));
        if (!recording)
                return say(ret_error, -ENOMEM, "out of memory");
        *recording = (struct recording){
                .store = store,
                .next = store->recordings,
                .process = request->process,
                .end_usec = request->timeout_usec == 0 || request->timeout_usec > UINT64_MAX - now
                                    ? UINT64_MAX
                                    : now + request->timeout_usec,
                .end_then = STORE_TIMEOUT,
                .max_bytes = request->max_bytes == 0 ? UINT64_MAX : request->max_bytes,
        };
        r = open_recording(recording, request, &fd, ret_error);
        if (r >= 0 && asks_for_owner(recording) && !store->beside && !engine_knows_flows(store->engine))
                r = engine_new_beside(store->engine, &store->beside, ret_error);
        if (r < 0)
                return r;

        recording->id = ++store->last_id;
        store->n++;
        *ret_id = recording->id;
        store->recordings = TAKE_PTR(recording);
        return 0;
}
