/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "bus/bus.h"
#include "config/command_line.h"
#include "manager/configure.h"
#include "manager/manager.h"
#include "manager/savefile.h"
#include "util/log.h"

#define EXIT_USAGE 2

static int introspect(void) {
        _cleanup_free_ char *xml = NULL;
        int r;

        r = bus_introspect(&xml);
        if (r < 0) {
                log_write(LOG_ERR, "cannot introspect: %s", strerror(-r));
                return EX_SOFTWARE;
        }
        return fputs(xml, stdout) < 0 || fflush(stdout) != 0 ? EX_IOERR : EXIT_SUCCESS;
}

static int run(const struct command_line *line, const struct config_sources *sources,
               struct config *config) {
        const struct manager_config manager_config = {
                .config = config, .sources = sources, .bus_fd = line->bus_fd};
        struct engine_config engine_config;

        configure_log(config);
        if (!line->savefile)
                return manager_run(&manager_config);
        configure_engine(config, &engine_config);
        engine_config.backend = "file";
        engine_config.savefile = line->savefile;
        return savefile_run(&engine_config);
}

static int configure_and_run(const struct command_line *line) {
        _cleanup_(config_done) struct config config;
        struct config_sources sources;
        int r;

        config_init(&config);
        command_line_sources(line, getenv("SYSTEMD_LOG_LEVEL"), &sources);
        r = config_load(&sources, configure_log_message, NULL, &config);
        if (r == -ENOMEM) {
                log_write(LOG_ERR, "no memory for the configuration");
                return EX_OSERR;
        }
        if (r < 0)
                return EX_NOINPUT; /* it has been said which file */
        if (line->action == COMMAND_LINE_PRINT_CONFIG)
                return config_print(&config, stdout) < 0 ? EX_IOERR : EXIT_SUCCESS;
        return run(line, &sources, &config);
}

int main(int argc, char **argv) {
        _cleanup_(command_line_done) struct command_line line = {.bus_fd = -1};
        char error[CONFIG_MESSAGE_MAX];
        int r;

        r = command_line_read(argc, argv, &line, error);
        if (r < 0) {
                (void) fprintf(stderr, "netflowd: %s\n", error);
                return r == -EINVAL ? EXIT_USAGE : EX_OSERR;
        }
        switch (line.action) {
        case COMMAND_LINE_HELP:
                return command_line_print_help(stdout) < 0 ? EX_IOERR : EXIT_SUCCESS;
        case COMMAND_LINE_VERSION:
                return puts("netflowd " NETFLOWD_VERSION) < 0 ? EX_IOERR : EXIT_SUCCESS;
        case COMMAND_LINE_INTROSPECT:
                return introspect();
        case COMMAND_LINE_COMPLETION:
                r = command_line_print_completion(stdout, line.shell);
                if (r == -EINVAL)
                        (void) fprintf(stderr, "netflowd: %s: must be bash, zsh or fish\n", line.shell);
                return r == -EINVAL ? EXIT_USAGE : r < 0 ? EX_IOERR : EXIT_SUCCESS;
        case COMMAND_LINE_RUN:
        case COMMAND_LINE_PRINT_CONFIG:
                break;
        }
        return configure_and_run(&line);
}
