/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "bar.h"
#include "complete.h"
#include "dbus/completion.h"
#include "dbus/org.netflowd1.h"
#include "dbus/units.h"
#include "util.h"
#include "verbs.h"

enum {
        OPTION_LIMIT = 256,
        OPTION_RECENT,
        OPTION_BY,
        OPTION_SORT,
        OPTION_NO_LOOPBACK,
        OPTION_WATCH,
        OPTION_PID,
        OPTION_UNIT,
        OPTION_FILTER,
        OPTION_DEVICE,
        OPTION_TIMEOUT,
        OPTION_MAX_SIZE,
        OPTION_JSON,
        OPTION_CSV,
        OPTION_FORMAT,
        OPTION_STANDALONE,
        OPTION_NO_LEGEND,
        OPTION_NO_PAGER,
        OPTION_PRINT_COMPLETION,
        OPTION_COMPLETE,
        OPTION_HELP,
        OPTION_VERSION,
};

#define BY_WORDS                                                                                             \
        NETFLOWD_BY_PROCESS                                                                                  \
        "|" NETFLOWD_BY_APP "|" NETFLOWD_BY_UNIT "|" NETFLOWD_BY_USER "|" NETFLOWD_BY_INTERFACE              \
        "|" NETFLOWD_BY_REMOTE "|" NETFLOWD_BY_PROTOCOL
#define SORT_WORDS   NETFLOWD_SORT_TOTAL "|" NETFLOWD_SORT_IN "|" NETFLOWD_SORT_OUT
#define FORMAT_WORDS BAR_FORMAT_WAYBAR "|" BAR_FORMAT_I3BLOCKS

/* One table is parser, help and completion. */
static const struct described_option {
        const char *name;
        int has_argument;
        int value;
        const char *argument;
        const char *help; /* NULL: not for people */
        enum completion_values values; /* of one with an argument; COMPLETION_NOTHING: any */
        const char *words;             /* that it may be, with "|" between; NULL: others */
} described[] = {
        {.name = "limit", required_argument, OPTION_LIMIT, "N", "this many rows; 0: all (default 10)"},
        {.name = "recent", required_argument, OPTION_RECENT, "SEC",
         "over the last SEC seconds, 1 to 300 (default 3)"},
        {.name = "by", required_argument, OPTION_BY, "WHAT",
         "process, app, unit, user, interface, remote or protocol", COMPLETION_WORDS, BY_WORDS},
        {.name = "sort", required_argument, OPTION_SORT, "KEY", "total, in or out (default total)", COMPLETION_WORDS,
         SORT_WORDS},
        {.name = "no-loopback", no_argument, OPTION_NO_LOOPBACK, NULL, "rank, top: without what went over loopback"},
        {.name = "watch", optional_argument, OPTION_WATCH, "[SEC]",
         "again every SEC seconds (default 1), until Ctrl-C"},
        {.name = "write", required_argument, 'w', "FILE", "pcap: write there; -: standard output", COMPLETION_FILE},
        {.name = "pid", required_argument, OPTION_PID, "PID", "pcap: only packets of this process", COMPLETION_PID},
        {.name = "unit", required_argument, OPTION_UNIT, "UNIT", "pcap: only packets of this systemd unit",
         COMPLETION_UNIT},
        {.name = "filter", required_argument, OPTION_FILTER, "EXPR", "pcap, start: only packets that match (pcap-filter(7))"},
        {.name = "device", required_argument, OPTION_DEVICE, "DEV",
         "start: only on this device, a name or pattern; may be repeated", COMPLETION_DEVICE},
        {.name = "timeout", required_argument, OPTION_TIMEOUT, "SPAN", "pcap, start: for so long, such as 90s or 5min"},
        {.name = "max-size", required_argument, OPTION_MAX_SIZE, "SIZE", "pcap: until the file is as large, such as 10M"},
        {.name = "json", no_argument, OPTION_JSON, NULL, "JSON instead of a table"},
        {.name = "csv", no_argument, OPTION_CSV, NULL, "comma-separated values instead of a table"},
        {.name = "format", required_argument, OPTION_FORMAT, "BAR", "monitor: lines for a status bar: waybar or i3blocks",
         COMPLETION_WORDS, FORMAT_WORDS},
        {.name = "standalone", no_argument, OPTION_STANDALONE, NULL,
         "measure now, with a netflowd of its own; needs root"},
        {.name = "no-legend", no_argument, OPTION_NO_LEGEND, NULL, "no column headings"},
        {.name = "no-pager", no_argument, OPTION_NO_PAGER, NULL, "do not pipe output into a pager"},
        {.name = "print-completion", required_argument, OPTION_PRINT_COMPLETION, NULL, NULL},
        {.name = "complete", required_argument, OPTION_COMPLETE, NULL, NULL},
        {.name = "help", no_argument, OPTION_HELP, NULL, "show this and exit"},
        {.name = "version", no_argument, OPTION_VERSION, NULL, "show the version and exit"},
};

static void print_help(void) {
        puts("netflowctl [OPTION…] [VERB]\n\nWhich process uses the network, as netflowd counts "
             "it.\n\nVerbs:");
        for (const struct verb *verb = verbs; verb->name; verb++)
                printf("  %-8s %-9s %s\n", verb->name, verb->argument ? verb->argument : "", verb->help);
        puts("\nOptions:");
        for (size_t i = 0; i < ELEMENTSOF(described); i++)
                if (described[i].help)
                        printf("  %s --%-11s %-5s %s\n", described[i].value == 'w' ? "-w," : "   ", described[i].name,
                               described[i].argument ? described[i].argument : "", described[i].help);
}

static size_t completion_verbs(struct completion_verb *ret_verbs) {
        size_t n = 0;

        for (const struct verb *verb = verbs; verb->name && n < VERBS_MAX; verb++)
                ret_verbs[n++] = (struct completion_verb){
                        .name = verb->name, .help = verb->help, .takes_pid = verb->argument != NULL};
        return n;
}

/* Returns an exit status. */
static int print_completion(const char *shell) {
        struct completion_option options[ELEMENTSOF(described)];
        struct completion_verb verb_list[VERBS_MAX];
        struct completion completion = {.program = "netflowctl", .options = options, .verbs = verb_list};

        for (size_t i = 0; i < ELEMENTSOF(described); i++)
                if (described[i].help)
                        options[completion.n_options++] = (struct completion_option){
                                .name = described[i].name,
                                .help = described[i].help,
                                .letter = described[i].value < 256 ? (char) described[i].value : 0,
                                .optional = described[i].has_argument == optional_argument,
                                .repeated = described[i].value == OPTION_DEVICE,
                                .values = described[i].has_argument == no_argument ? COMPLETION_NOTHING
                                          : described[i].values == COMPLETION_NOTHING ? COMPLETION_ANY
                                                                                      : described[i].values,
                                .words = described[i].words,
                        };
        completion.n_verbs = completion_verbs(verb_list);
        if (completion_print(stdout, shell, &completion) == 0)
                return EXIT_SUCCESS;
        (void) fail("--print-completion is %s, but must be one of bash, zsh, fish", shell);
        return EXIT_USAGE;
}

static bool is_number(const char *text) {
        return *text && strspn(text, "0123456789") == strlen(text);
}

static bool read_number(const char *what, const char *text, uint32_t min, uint32_t max,
                        uint32_t *ret_number) {
        unsigned long long number;

        errno = 0;
        number = is_number(text) ? strtoull(text, NULL, 10) : 0;
        if (!is_number(text) || errno == ERANGE || number < min || number > max) {
                (void) fail("%s is %s, but must be a whole number in the range %u..%u", what, text, min,
                            max);
                return false;
        }
        *ret_number = (uint32_t) number;
        return true;
}

static const struct verb *find_verb(const char *name) {
        for (const struct verb *verb = verbs; verb->name; verb++)
                if (strcmp(verb->name, name) == 0)
                        return verb;
        return NULL;
}

static void print_unknown_verb(const char *name) {
        char known[256] = "";

        for (const struct verb *verb = verbs; verb->name; verb++)
                (void) snprintf(known + strlen(known), sizeof(known) - strlen(known), " %s", verb->name);
        (void) fail("unknown verb %s: one of%s, or --help", name, known);
}

/* The verb and its argument, which are what is left when the options have been read. */
static bool read_verb(int n, char **words, struct arguments *arguments) {
        int taken = n > 0;

        arguments->verb = n > 0 ? find_verb(words[0]) : &verbs[0];
        if (!arguments->verb) {
                print_unknown_verb(words[0]);
                return false;
        }
        if (arguments->verb->argument && (n > 1 || arguments->verb->argument[0] != '[')) {
                if (n < 2) {
                        (void) fail("%s needs a %s; see --help", arguments->verb->name,
                                    arguments->verb->argument);
                        return false;
                }
                if (!read_number("PID", words[1], 1, UINT32_MAX, &arguments->pid))
                        return false;
                taken = 2;
        }
        if (arguments->verb->run == verb_pcap && !arguments->write) {
                (void) fail("pcap needs -w FILE; -w - is standard output");
                return false;
        }
        if (taken < n) {
                (void) fail("unexpected argument %s; see --help", words[taken]);
                return false;
        }
        return true;
}

/* --watch takes a number as its argument also when it is a word of its own. */
static bool read_watch(int argc, char **argv, struct arguments *arguments) {
        const char *text = optarg;

        if (!text && optind < argc && is_number(argv[optind]))
                text = argv[optind++];
        return read_number("--watch", text ? text : "1", 1, 86400, &arguments->watch);
}

static bool check_word(const char *what, const char *text, const char *words) {
        size_t n, length = strlen(text);
        char known[128] = "";

        for (const char *word = words; *word; word += n + (word[n] == '|')) {
                n = strcspn(word, "|");
                if (n == length && strncmp(word, text, n) == 0)
                        return true;
                (void) snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%.*s", *known ? ", " : "",
                                (int) n, word);
        }
        (void) fail("%s is %s, but must be one of %s", what, text, known);
        return false;
}

static bool read_span(const char *what, const char *text, uint64_t *ret_usec) {
        if (parse_span(text, ret_usec) < 0 || *ret_usec == 0) {
                (void) fail("%s is %s, but must be a span of time such as 90s or 5min", what, text);
                return false;
        }
        if (*ret_usec == UNITS_INFINITY)
                *ret_usec = 0;
        return true;
}

static bool read_size(const char *what, const char *text, uint64_t *ret_bytes) {
        if (parse_size(text, ret_bytes) < 0 || *ret_bytes == 0) {
                (void) fail("%s is %s, but must be a size in bytes such as 500K or 10M", what, text);
                return false;
        }
        if (*ret_bytes == UNITS_INFINITY)
                *ret_bytes = 0;
        return true;
}

/* Returns -1 to go on, or an exit status. */
static int read_option(int option, int argc, char **argv, struct arguments *arguments) {
        switch (option) {
        case OPTION_LIMIT:
                return read_number("--limit", optarg, 0, UINT32_MAX, &arguments->limit) ? -1 : EXIT_USAGE;
        case OPTION_RECENT:
                return read_number("--recent", optarg, NETFLOWD_RECENT_MIN, NETFLOWD_RECENT_MAX,
                                   &arguments->recent)
                               ? -1
                               : EXIT_USAGE;
        case OPTION_WATCH:
                return read_watch(argc, argv, arguments) ? -1 : EXIT_USAGE;
        case OPTION_BY:
                arguments->by = optarg;
                return check_word("--by", optarg, BY_WORDS) ? -1 : EXIT_USAGE;
        case OPTION_SORT:
                arguments->sort = optarg;
                return check_word("--sort", optarg, SORT_WORDS) ? -1 : EXIT_USAGE;
        case OPTION_NO_LOOPBACK:
                arguments->no_loopback = true;
                return -1;
        case OPTION_PID:
                return read_number("--pid", optarg, 1, UINT32_MAX, &arguments->pid) ? -1 : EXIT_USAGE;
        case OPTION_UNIT:
                arguments->unit = optarg;
                return -1;
        case OPTION_FILTER:
                arguments->filter = optarg;
                return -1;
        case OPTION_DEVICE:
                if (arguments->n_devices == DEVICES_MAX) {
                        (void) fail("--device is there more than %d times", DEVICES_MAX);
                        return EXIT_USAGE;
                }
                arguments->devices[arguments->n_devices++] = optarg;
                return -1;
        case 'w':
                arguments->write = optarg;
                return -1;
        case OPTION_TIMEOUT:
                arguments->has_timeout = true;
                return read_span("--timeout", optarg, &arguments->timeout_usec) ? -1 : EXIT_USAGE;
        case OPTION_MAX_SIZE:
                return read_size("--max-size", optarg, &arguments->max_bytes) ? -1 : EXIT_USAGE;
        case OPTION_JSON:
                arguments->json = true;
                return -1;
        case OPTION_CSV:
                arguments->csv = true;
                return -1;
        case OPTION_FORMAT:
                arguments->format = optarg;
                return check_word("--format", optarg, FORMAT_WORDS) ? -1 : EXIT_USAGE;
        case OPTION_STANDALONE:
                arguments->standalone = true;
                return -1;
        case OPTION_NO_LEGEND:
                arguments->no_legend = true;
                return -1;
        case OPTION_NO_PAGER:
                arguments->no_pager = true;
                return -1;
        case OPTION_PRINT_COMPLETION:
                return print_completion(optarg);
        case OPTION_COMPLETE:
                complete_print(optarg);
                return EXIT_SUCCESS;
        case OPTION_HELP:
                print_help();
                return EXIT_SUCCESS;
        case OPTION_VERSION:
                puts("netflowctl " NETFLOWD_VERSION);
                return EXIT_SUCCESS;
        default: /* getopt_long(3) has said what is wrong */
                (void) fputs("Try `netflowctl --help`.\n", stderr);
                return EXIT_USAGE;
        }
}

/* What does not go together. */
static bool check_together(const struct arguments *arguments) {
        const char *verb = arguments->verb->name;
        bool answers = arguments->verb->flags & VERB_ANSWERS;

        if (arguments->json && arguments->csv)
                (void) fail("--json and --csv do not go together");
        else if (arguments->format && (arguments->json || arguments->verb->run != verb_monitor))
                (void) fail("--format is for monitor, without --json");
        else if (arguments->no_loopback && arguments->verb->run != verb_rank && arguments->verb->run != verb_top)
                (void) fail("%s has no --no-loopback", verb);
        else if (arguments->csv && !answers)
                (void) fail("%s has no --csv", verb);
        else if (arguments->csv && arguments->watch > 0 && arguments->verb->run == verb_show)
                (void) fail("show --csv has the last seconds already: it has no --watch");
        else if (arguments->watch > 0 && !answers)
                (void) fail("%s has no --watch", verb);
        else
                return true;
        return false;
}

bool arguments_read(int argc, char **argv, struct arguments *ret_arguments, int *ret_status) {
        struct arguments arguments = {.limit = 10, .recent = 3};
        struct option options[ELEMENTSOF(described) + 1] = {};
        int option;

        for (size_t i = 0; i < ELEMENTSOF(described); i++)
                options[i] = (struct option){.name = described[i].name,
                                             .has_arg = described[i].has_argument,
                                             .val = described[i].value};
        while ((option = getopt_long(argc, argv, "w:", options, NULL)) >= 0) {
                *ret_status = read_option(option, argc, argv, &arguments);
                if (*ret_status >= 0)
                        return false;
        }
        if (!read_verb(argc - optind, argv + optind, &arguments) || !check_together(&arguments)) {
                *ret_status = EXIT_USAGE;
                return false;
        }
        *ret_arguments = arguments;
        return true;
}
