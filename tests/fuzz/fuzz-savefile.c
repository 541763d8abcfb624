/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account/rank.h"
#include "engine/engine.h"
#include "support.h"

/* Few of each, so that full tables are met as well. */
static const struct books_limits small = {
        .max_flows = 16,
        .max_fragments = 4,
        .max_values = 4,
        .processes = {.max_processes = 4, .max_exited = 2, .max_folded = 2, .max_inodes = 16},
};

#define PACKETS_PER_DRAIN 64

static void check_ledger(struct engine *engine) {
        struct ledger ledger;
        uint64_t sum;

        engine_ledger(engine, &ledger);
        sum = ledger.attributed;
        for (enum unattributed reason = 0; reason < UNATTRIBUTED_MAX; reason++)
                sum += ledger.unattributed[reason];
        expect(sum == ledger.seen);
}

/* What a window has of a reason is never more than all that came of it. */
static void check_windows(const struct engine *engine) {
        const struct books *books = engine_books(engine);

        for (enum unattributed reason = 0; reason < UNATTRIBUTED_MAX; reason++) {
                struct window window;

                traffic_window(&books->unattributed[reason], engine_now(engine), RING_SECONDS, &window);
                expect(window.in + window.out <= traffic_bytes(&books->unattributed[reason]));
        }
        expect(books->lost_buckets == 0); /* there was memory */
}

static void read_all(struct engine *engine) {
        struct source_error error = {};
        struct source_stats stats;
        uint64_t packets = 0;
        int r;

        while ((r = engine_drain(engine, PACKETS_PER_DRAIN, &error)) > 0) {
                expect(r <= PACKETS_PER_DRAIN);
                packets += (uint64_t) r;
                check_ledger(engine);
                engine_expire(engine);
        }
        expect(r == -ENODATA || (r == -EBADMSG && error.text[0] != '\0'));
        engine_finish(engine);
        engine_source_stats(engine, &stats);
        expect(stats.received == packets);
}

/* A whole savefile, through the source that reads it into the books, as `netflowd --read` does. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static int fd = -1;
        static char path[64];
        _cleanup_(engine_freep) struct engine *engine = NULL;
        struct source_error error = {};
        struct engine_config config;
        struct ledger ledger;
        int r;

        if (fd < 0) {
                fd = memfd_create("savefile", MFD_CLOEXEC);
                expect(fd >= 0);
                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        }
        expect(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t) size);

        engine_config_init(&config);
        config.backend = "file";
        config.savefile = path;
        config.limits = small;
        r = engine_new(&config, &engine, &error);
        if (r < 0) {
                expect(r == -EBADMSG && error.text[0] != '\0');
                return 0;
        }
        read_all(engine);
        check_ledger(engine);
        check_windows(engine);
        engine_ledger(engine, &ledger);
        expect(ledger.attributed == 0 && ledger.unattributed[UNATTRIBUTED_PENDING] == 0);
        return 0;
}
