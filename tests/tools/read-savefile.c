/* SPDX-License-Identifier: MIT */

/* Reads savefiles as `netflowd --read` does and prints what came of each, a line a file: see tests/savefiles.
 *
 *   PACKETS BYTES FILE[: ERROR]
 *
 * PACKETS is "-" for a file that could not be opened, and BYTES are those of the ledger. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine/engine.h"

#define PACKETS_PER_DRAIN 4096

static void expect_balance(struct engine *engine, const char *path) {
        struct ledger ledger;
        uint64_t sum;

        engine_ledger(engine, &ledger);
        sum = ledger.attributed;
        for (enum unattributed reason = 0; reason < UNATTRIBUTED_MAX; reason++)
                sum += ledger.unattributed[reason];
        if (sum != ledger.seen) {
                (void) fprintf(stderr, "%s: the ledger does not balance\n", path);
                abort();
        }
}

static void read_savefile(const char *path) {
        _cleanup_(engine_freep) struct engine *engine = NULL;
        struct source_error error = {};
        struct engine_config config;
        struct source_stats stats;
        struct ledger ledger;
        int r;

        engine_config_init(&config);
        config.backend = "file";
        config.savefile = path;
        r = engine_new(&config, &engine, &error);
        if (r < 0) {
                printf("- 0 %s\n", error.text);
                return;
        }
        while ((r = engine_drain(engine, PACKETS_PER_DRAIN, &error)) >= 0)
                engine_expire(engine);
        engine_finish(engine);
        expect_balance(engine, path);
        engine_source_stats(engine, &stats);
        engine_ledger(engine, &ledger);
        printf("%" PRIu64 " %" PRIu64 " %s\n", stats.received, ledger.seen, r == -ENODATA ? path : error.text);
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                read_savefile(argv[i]);
        return 0;
}
