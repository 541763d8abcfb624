/* SPDX-License-Identifier: MIT */
#include "manager/report.h"

#include <inttypes.h>

#include "bus/bus.h"
#include "manager/journal.h"
#include "util/clock.h"

#define TELL_USEC (60 * USEC_PER_SEC)

/* Held up for less of a second than this, we lose nothing: the kernel's ring takes more. */
#define SHORT_USEC (50 * USEC_PER_MSEC)

void report_start(struct engine *engine, const struct limits *limits) {
        const char *reason = engine_backend_reason(engine), *why = engine_owners_reason(engine);
        struct source_device device;
        char quota[32] = "none", memory[32] = "none", text[1536];

        engine_device(engine, &device);
        if (limits->has_cpu_quota)
                (void) snprintf(quota, sizeof(quota), "%" PRIu64 " %%", limits->cpu_quota_usec / 10000);
        if (limits->has_memory_max)
                (void) snprintf(memory, sizeof(memory), "%" PRIu64 " kB", limits->memory_max / 1000);
        (void) snprintf(text, sizeof(text), "capturing on %s with %s%s%s%s, owners by %s%s%s%s; CPU quota: %s, memory limit: %s", device.name,
                        engine_backend(engine), *reason ? " (" : "", reason, *reason ? ")" : "",
                        engine_owners(engine), *why ? " (" : "", why, *why ? ")" : "", quota, memory);
        journal_write(LOG_INFO, text, "NETFLOWD_DEVICE=%s", device.name, "NETFLOWD_BACKEND=%s",
                      engine_backend(engine), "NETFLOWD_BACKEND_REASON=%s", reason, "NETFLOWD_OWNERS=%s",
                      engine_owners(engine), "NETFLOWD_OWNERS_REASON=%s", why,
                      "NETFLOWD_CPU_QUOTA_USEC=%" PRIu64, limits->cpu_quota_usec,
                      "NETFLOWD_MEMORY_MAX=%" PRIu64, limits->memory_max);
}

void report_recording(const struct store_result *result) {
        char text[256];

        (void) snprintf(text, sizeof(text),
                        "recording %" PRIu64 " has ended (%s): %" PRIu64 " packets, %" PRIu64
                        " bytes, %" PRIu64 " packets lost",
                        result->id, bus_recording_reason(result), result->packets, result->bytes, result->dropped);
        journal_write(LOG_INFO, text, "NETFLOWD_RECORDING=%" PRIu64, result->id, "NETFLOWD_REASON=%s",
                      bus_recording_reason(result), "NETFLOWD_PACKETS=%" PRIu64, result->packets,
                      "NETFLOWD_DROPPED=%" PRIu64, result->dropped);
}

/* Is there more than was told, and has it been long enough? Sets *ret_more to how much. */
static bool is_news(uint64_t value, uint64_t *told, uint64_t *told_usec, uint64_t *ret_more) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC);

        if (value <= *told || (*told_usec != 0 && now - *told_usec < TELL_USEC))
                return false;
        *ret_more = value - *told;
        *told = value;
        *told_usec = now;
        return true;
}

void report_losses(struct report *report, struct engine *engine) {
        struct source_stats stats;
        struct owner_stats owners;
        struct ledger ledger;
        uint64_t more;
        char text[256];

        engine_source_stats(engine, &stats);
        engine_ledger(engine, &ledger);
        engine_owner_stats(engine, &owners);
        if (is_news(stats.dropped, &report->dropped, &report->dropped_told_usec, &more)) {
                (void) snprintf(text, sizeof(text),
                                "the kernel dropped %" PRIu64 " packets that there was no room for", more);
                journal_write(LOG_WARNING, text, "NETFLOWD_DROPPED=%" PRIu64, more);
        }
        if (is_news(owners.lost_events, &report->untold, &report->untold_told_usec, &more)) {
                (void) snprintf(text, sizeof(text),
                                "the kernel had no room to tell of %" PRIu64
                                " changes of sockets: for a moment their owners are looked up",
                                more);
                journal_write(LOG_WARNING, text, "NETFLOWD_UNTOLD=%" PRIu64, more);
        }
        if (is_news(ledger.unattributed[UNATTRIBUTED_NOT_LOOKED_UP], &report->unasked,
                    &report->unasked_told_usec, &more)) {
                (void) snprintf(text, sizeof(text),
                                "%" PRIu64 " bytes are counted without a process: there were more new flows "
                                "than could be looked up",
                                more);
                journal_write(LOG_WARNING, text, "NETFLOWD_NOT_LOOKED_UP=%" PRIu64, more);
        }
        if (is_news(engine_books(engine)->lost_buckets, &report->lost, &report->lost_told_usec, &more)) {
                (void) snprintf(text, sizeof(text),
                                "out of memory: windows miss %" PRIu64 " additions, totals have them", more);
                journal_write(LOG_WARNING, text, "NETFLOWD_NO_MEMORY=%" PRIu64, more);
        }
}

bool report_throttling(struct report *report, const struct limits *limits) {
        uint64_t more;
        char text[256];
        bool is_short;

        if (!limits->has_throttled)
                return false;
        is_short = report->throttled_seen != 0 &&
                   limits->throttled_usec >= report->throttled_seen + SHORT_USEC;
        report->throttled_seen = limits->throttled_usec;
        if (is_short &&
            is_news(limits->throttled_usec, &report->throttled, &report->throttled_told_usec, &more)) {
                (void) snprintf(text, sizeof(text),
                                "the CPU quota has held us up for %" PRIu64
                                " ms: counting goes on, and fewer owners are looked up",
                                more / USEC_PER_MSEC);
                journal_write(LOG_WARNING, text, "NETFLOWD_THROTTLED_USEC=%" PRIu64, more);
        }
        return is_short;
}
