/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "bus/bus.h"
#include "manager/manager.h"
#include "manager/savefile.h"
#include "util/log.h"
#include "util/parse.h"

#define EXIT_USAGE 2

static const char usage[] =
        "netflowd [OPTION…]\n"
        "\n"
        "Counts the network traffic of each process and serves it as org.netflowd1 on D-Bus.\n"
        "\n"
        "  --read FILE        read a savefile instead of the network, print the rank as JSON\n"
        "  --bus-fd FD        serve one peer on this socket instead of the system bus\n"
        "                     (what netflowctl --standalone does)\n"
        "  --bus-introspect   print the introspection XML and exit\n"
        "  --help             show this and exit\n"
        "  --version          show the version and exit\n";

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

static int usage_error(void) {
        (void) fprintf(stderr, "Try `netflowd --help`.\n");
        return EXIT_USAGE;
}

int main(int argc, char **argv) {
        enum { OPTION_READ = 256, OPTION_BUS_FD, OPTION_INTROSPECT, OPTION_HELP, OPTION_VERSION };
        static const struct option options[] = {
                {"read", required_argument, NULL, OPTION_READ},
                {"bus-fd", required_argument, NULL, OPTION_BUS_FD},
                {"bus-introspect", no_argument, NULL, OPTION_INTROSPECT},
                {"help", no_argument, NULL, OPTION_HELP},
                {"version", no_argument, NULL, OPTION_VERSION},
                {},
        };
        struct manager_config config = {.bus_fd = -1};
        uint32_t fd;
        int option;

        engine_config_init(&config.engine);
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (option) {
                case OPTION_READ:
                        config.engine.backend = "file";
                        config.engine.savefile = optarg;
                        break;
                case OPTION_BUS_FD:
                        if (parse_u32(optarg, 3, INT32_MAX, &fd) < 0) {
                                (void) fprintf(stderr,
                                               "netflowd: --bus-fd %s: not a file descriptor from 3 on\n",
                                               optarg);
                                return usage_error();
                        }
                        config.bus_fd = (int) fd;
                        break;
                case OPTION_INTROSPECT:
                        return introspect();
                case OPTION_HELP:
                        return fputs(usage, stdout) < 0 ? EX_IOERR : EXIT_SUCCESS;
                case OPTION_VERSION:
                        return puts("netflowd " NETFLOWD_VERSION) < 0 ? EX_IOERR : EXIT_SUCCESS;
                default:
                        return usage_error();
                }
        if (optind < argc) {
                (void) fprintf(stderr, "netflowd: unexpected argument: %s\n", argv[optind]);
                return usage_error();
        }

        return config.engine.savefile ? savefile_run(&config.engine) : manager_run(&config);
}
