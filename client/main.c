/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <signal.h>

#include "arguments.h"
#include "connection.h"
#include "output.h"
#include "standalone.h"
#include "util.h"
#include "verbs.h"

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
        while ((status = run_once(connection, arguments)) == EXIT_SUCCESS && arguments->watch > 0) {
                status = connection_wait(connection, arguments->watch * UINT64_C(1000000));
                if (status != EXIT_SUCCESS)
                        return status;
        }
        return status;
}

int main(int argc, char **argv) {
        struct arguments arguments;
        struct connection connection;
        int status;

        (void) setlocale(LC_ALL, ""); /* how wide characters are, for tables */
        (void) signal(SIGPIPE, SIG_IGN);
        if (!arguments_read(argc, argv, &arguments, &status))
                return status == EXIT_SUCCESS && fflush(stdout) != 0 ? EXIT_FAILURE : status;

        status = arguments.standalone ? standalone_open(&connection) : connection_open_system(&connection);
        if (status != EXIT_SUCCESS)
                return status;
        connection.may_ask = arguments.verb->flags & VERB_MAY_ASK;
        status = run(&connection, &arguments);
        connection_close(&connection);
        return status;
}
