/* SPDX-License-Identifier: MIT */
#include "manager/savefile.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "manager/rank_json.h"
#include "util/clock.h"
#include "util/log.h"

#define READ_PACKETS 4096
#define EXIT_USAGE   2

/* To the end, forgetting by the packets' own clock what is out of the longest window. */
static int read_all(struct engine *engine, struct source_error *ret_error) {
        uint64_t expired = 0;
        int r;

        while ((r = engine_drain(engine, READ_PACKETS, ret_error)) >= 0)
                if (engine_now(engine) >= expired + USEC_PER_SEC) {
                        engine_expire(engine);
                        expired = engine_now(engine);
                }
        engine_finish(engine);
        return r == -ENODATA ? 0 : r;
}

int savefile_run(const struct engine_config *config) {
        _cleanup_(engine_freep) struct engine *engine = NULL;
        struct source_error error = {.text = "out of memory"};
        int status = EXIT_SUCCESS, r;

        r = engine_new(config, &engine, &error);
        if (r < 0) {
                log_write(LOG_ERR, "%s", error.text);
                if (r == -EINVAL && config->choice.filter)
                        return EXIT_USAGE;
                return r == -ENOMEM ? EX_OSERR : r == -ENOENT ? EX_NOINPUT : EX_DATAERR;
        }
        r = read_all(engine, &error);
        if (r < 0) {
                log_write(LOG_ERR, "%s", error.text);
                status = EX_DATAERR;
        }
        if (engine_books(engine)->lost_buckets > 0) {
                log_write(LOG_ERR, "out of memory: windows miss %" PRIu64 " additions, totals have them",
                          engine_books(engine)->lost_buckets);
                status = EX_OSERR;
        }
        r = rank_json_write(engine, stdout);
        if (r < 0) {
                log_write(LOG_ERR, "cannot print the rank: %s", strerror(-r));
                status = r == -ENOMEM ? EX_OSERR : EX_IOERR;
        }
        return status;
}
