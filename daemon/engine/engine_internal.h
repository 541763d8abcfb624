/* SPDX-License-Identifier: MIT */
#pragma once

#include "engine/early_look.h"
#include "engine/engine.h"
#include "owner/process_watch.h"

/* Owner lookups per drain. At about 6 µs each this is the most that a flood of new flows can cost: 3 ms of
 * 100. The least are what is still done while the processor is short. */
#define QUESTIONS_MAX 512u
#define QUESTIONS_MIN 8u

/* Sockets confirmed in the drain under way, by cookie: a server with a thousand peers is one socket. */
#define CONFIRMED_SOCKETS 256u

/* What a source_choice points to. */
struct owned_choice {
        char **devices, **addresses;
        char *filter;
};

struct engine {
        struct engine_config config; /* its choice points into this one: */
        struct owned_choice choice;
        struct interfaces *interfaces;
        struct device_list *devices; /* that packets are captured on */
        struct source *source;       /* NULL: not capturing */
        const char *backend;         /* name of the source, or of the last one */
        struct source_error backend_reason, owners_reason;
        struct owner_lookup *owners; /* NULL: the source knows them, or is a savefile, which names none */
        bool namespaces;             /* sockets in other network namespaces can be looked up */
        struct early_look *early;    /* NULL: the owner lookup has no use for it */
        struct process_watch *watch; /* NULL: a savefile */
        struct books *books;

        struct source_error last_error; /* "": none since the source was opened */
        struct source_stats earlier;    /* of sources that were closed since */
        uint64_t packet_clock;          /* newest stamp, CLOCK_REALTIME in µs; the clock of a savefile */

        uint64_t read_usec;             /* when a source was read last that is read once a second, CLOCK_REALTIME; */
        bool is_read;                   /* this one was */

        uint32_t questions_max;  /* owner lookups per drain; fewer while short of processor time */
        uint32_t questions_left; /* of this drain */
        uint64_t drains;
        struct {
                uint64_t cookie, drain;
        } confirmed[CONFIRMED_SOCKETS];
        uint32_t check_cursor; /* over processes that have no pidfd */
};

/* settle.c: settles what flows hold, as far as their owners can be told now (now_usec: CLOCK_MONOTONIC).
 * With `finish`, nothing is left waiting. */
void engine_settle(struct engine *engine, uint64_t now_usec, bool finish);

/* settle.c: the flow is that process's from here on, by the socket with that cookie and inode (0: not known). What is
 * pending is settled apart. */
void engine_own(struct flow *flow, struct process *process, uint64_t cookie, uint64_t inode);

/* settle.c: the flow is nobody's, and what is pending of it neither. */
void engine_give_up(struct engine *engine, struct flow *flow, enum unattributed reason);

/* recall.c: what there is to ask about what is pending of a flow. next_usec: stamp of the SYN that ended it;
 * UINT64_MAX: none has. */
struct owner_question engine_question_about(const struct flow *flow, uint64_t next_usec);

/* recall.c: settles what is pending of a flow by what is remembered of its socket, so that nobody is asked. After
 * OWNER_RECALL_FOUND and OWNER_RECALL_SHARED that is done, after the others it is not. */
enum owner_recall engine_recall(struct engine *engine, struct flow *flow, uint64_t next_usec);

/* recall.c: where this sample is another owner's than what is pending of its flow, that is settled before. */
void engine_part(struct engine *engine, const struct sample *sample);

/* backend.c: opens the source that the configuration asks for, with that choice. *ret_reason: why that one, see
 * engine_backend_reason(). Returns as source_new(). */
int engine_open_source(struct engine *engine, const struct source_choice *choice, struct source **ret_source,
                       struct source_error *ret_reason, struct source_error *ret_error);

/* choice.c: makes a copy the choice that holds. Returns 0 or -ENOMEM. */
int engine_own_choice(struct engine *engine, const struct source_choice *choice);
void owned_choice_done(struct owned_choice *choice);

/* engine.c: one sample into the books; the end of a source, and of all that was on the wire until now. */
void engine_take_sample(const struct sample *sample, void *userdata);
void engine_close_source(struct engine *engine);
void engine_drain_to_the_end(struct engine *engine);

/* status.c: *stats += *more */
void source_stats_add(struct source_stats *stats, const struct source_stats *more);

/* processes.c: the row of a process, made and filled where it is not there yet. known: what the source knows
 * of it, for what /proc does not tell any more; NULL: nothing. Returns 0 or a negative errno. */
int engine_process(struct engine *engine, const struct process_id *id, const struct sample_owner *known,
                   struct process **ret_process);

/* Likewise, of one that is known from a while ago. */
int engine_process_then(struct engine *engine, const struct owner *owner, struct process **ret_process);
void engine_mark_exits(struct engine *engine);
void engine_refresh_processes(struct engine *engine);
