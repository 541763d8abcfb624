/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <signal.h>

#include "arguments.h"
#include "connection.h"
#include "output.h"
#include "standalone.h"
#include "util.h"
#include "verbs.h"
#include "watch.h"

static int run_once(struct connection *connection, const struct arguments *arguments) {
        struct output output;
        int status, ended;

        output_begin(&output, arguments);
        status = arguments->verb->run(connection, arguments, &output);
        ended = output_end(&output);
        return status != EXIT_SUCCESS ? status : ended;
}

static int run(struct connection *connection, const struct arguments *arguments) {
        int status;

        if (arguments->standalone && !(arguments->verb->flags & VERB_LIVE)) {
                status = standalone_measure(connection, arguments->recent);
                if (status != EXIT_SUCCESS)
                        return status;
        }
        return arguments->watch > 0 ? watch_run(connection, arguments) : run_once(connection, arguments);
}

/* Where nobody reads any more, the end is that of any filter: quiet, and by SIGPIPE, unless who started us has that
 * ignored. */
static int end(int status, sighandler_t on_pipe) {
        if (status != EXIT_OUTPUT_CLOSED)
                return status;
        (void) signal(SIGPIPE, on_pipe);
        (void) raise(SIGPIPE);
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        struct arguments arguments;
        struct connection connection;
        sighandler_t on_pipe;
        int status;

        (void) setlocale(LC_ALL, ""); /* how wide characters are, for tables */
        on_pipe = signal(SIGPIPE, SIG_IGN);
        if (!arguments_read(argc, argv, &arguments, &status))
                return status == EXIT_SUCCESS ? end(output_flush(), on_pipe) : status;

        status = arguments.standalone ? standalone_open(&connection, arguments.verb->flags & VERB_SCREEN)
                                      : connection_open_system(&connection);
        if (status != EXIT_SUCCESS)
                return status;
        connection.may_ask = arguments.verb->flags & VERB_MAY_ASK;
        status = run(&connection, &arguments);
        connection_close(&connection);
        return end(status, on_pipe);
}
