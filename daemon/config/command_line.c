/* SPDX-License-Identifier: MIT */
#include "config/command_line.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "config/settings.h"
#include "dbus/completion.h"
#include "util/log.h"
#include "util/parse.h"

/* The settings come first: their values of getopt_long(3) are these numbers up. */
#define FIRST_SETTING 256

enum {
        OPTION_CONFIG = FIRST_SETTING + CONFIG_SETTINGS,
        OPTION_READ,
        OPTION_BUS_FD,
        OPTION_COMPLETION,
        OPTION_ACTION
};

static const struct program_option {
        const char *name, *argument, *help; /* no help: not for people */
        int value;
} program_options[] = {
        {"config", "FILE", "read this configuration file and no other", OPTION_CONFIG},
        {"print-config", NULL, "print the settings that hold and where they are from, and exit",
         OPTION_ACTION + COMMAND_LINE_PRINT_CONFIG},
        {"read", "FILE", "read a savefile instead of the network, print the rank as JSON", OPTION_READ},
        {"bus-fd", "FD", "serve one peer on this socket instead of the system bus", OPTION_BUS_FD},
        {"bus-introspect", NULL, "print the introspection XML and exit",
         OPTION_ACTION + COMMAND_LINE_INTROSPECT},
        {"print-completion", "SHELL", NULL, OPTION_COMPLETION},
        {"help", NULL, "show this and exit", OPTION_ACTION + COMMAND_LINE_HELP},
        {"version", NULL, "show the version and exit", OPTION_ACTION + COMMAND_LINE_VERSION},
};

void command_line_done(struct command_line *line) {
        for (char **path = line->paths; path && *path; path++)
                free(*path);
        free(line->paths);
        free(line->options);
        *line = (struct command_line){.bus_fd = -1};
}

/* What may become a part of a message. */
static void printable(char *text) {
        for (char *c = text; *c; c++)
                if ((unsigned char) *c < ' ' || *c == '\177')
                        *c = '?';
}

static int refuse(char error[static CONFIG_MESSAGE_MAX], const char *what, const char *argument,
                  const char *why) {
        (void) snprintf(error, CONFIG_MESSAGE_MAX, "%s%.100s%s", what, argument, why);
        printable(error);
        return -EINVAL;
}

static void build_options(struct option options[CONFIG_SETTINGS + ELEMENTSOF(program_options) + 1]) {
        struct option *option = options;

        for (int i = 0; i < CONFIG_SETTINGS; i++)
                *option++ = (struct option){settings[i].option, required_argument, NULL, FIRST_SETTING + i};
        for (size_t i = 0; i < ELEMENTSOF(program_options); i++)
                *option++ = (struct option){program_options[i].name,
                                            program_options[i].argument ? required_argument : no_argument,
                                            NULL, program_options[i].value};
        *option = (struct option){};
}

/* What is relative on the command line counts from where the program is called. */
static int make_absolute(struct command_line *line, const char **path) {
        _cleanup_free_ char *directory = NULL;
        char **paths, *absolute;
        size_t n = 0;

        if (**path == '/' || **path == '\0')
                return 0;
        directory = getcwd(NULL, 0);
        if (!directory)
                return -errno;
        while (line->paths && line->paths[n])
                n++;
        paths = reallocarray(line->paths, n + 2, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        line->paths = paths;
        paths[n] = paths[n + 1] = NULL;
        if (asprintf(&absolute, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, *path) < 0)
                return -ENOMEM;
        *path = paths[n] = absolute;
        return 0;
}

static int add_setting(struct command_line *line, enum config_setting setting, const char *text,
                       char error[static CONFIG_MESSAGE_MAX]) {
        struct config_option option = {.setting = setting, .text = text}, *options;
        int r;

        if (settings[setting].type == &value_path) {
                r = make_absolute(line, &option.text);
                if (r < 0)
                        return r;
        }
        r = config_check(&option, error);
        if (r < 0)
                return r;
        options = reallocarray(line->options, line->n_options + 1, sizeof(*options));
        if (!options)
                return -ENOMEM;
        line->options = options;
        options[line->n_options++] = option;
        return 0;
}

static int read_option(struct command_line *line, int option, const char *text,
                       char error[static CONFIG_MESSAGE_MAX]) {
        uint32_t fd;

        if (option < OPTION_CONFIG)
                return add_setting(line, (enum config_setting)(option - FIRST_SETTING), text, error);
        if (option == OPTION_CONFIG)
                line->config_file = text;
        else if (option == OPTION_READ)
                line->savefile = text;
        else if (option == OPTION_BUS_FD) {
                if (parse_u32(text, 3, INT32_MAX, &fd) < 0)
                        return refuse(error, "--bus-fd ", text, ": must be a file descriptor from 3 on");
                line->bus_fd = (int) fd;
        } else if (option == OPTION_COMPLETION) {
                line->action = COMMAND_LINE_COMPLETION;
                line->shell = text;
        } else
                line->action = (enum command_line_action)(option - OPTION_ACTION);
        return 0;
}

int command_line_read(int argc, char **argv, struct command_line *ret_line,
                      char error[static CONFIG_MESSAGE_MAX]) {
        _cleanup_(command_line_done) struct command_line line = {.bus_fd = -1};
        struct option options[CONFIG_SETTINGS + ELEMENTSOF(program_options) + 1];
        int option, r;

        build_options(options);
        optind = 0; /* from the start, with glibc's state made anew: getopt(3) */
        opterr = 0; /* it would print, and has not the program's name from us */
        /* ':' in front tells what is missing from what is unknown */
        while ((option = getopt_long(argc, argv, ":", options, NULL)) >= 0) {
                if (option == ':')
                        return refuse(error, "", argv[optind - 1], ": needs a value; see --help");
                if (option == '?')
                        return refuse(error, "", argv[optind - 1],
                                      ": no such option, or it takes no value; see --help");
                r = read_option(&line, option, optarg, error);
                if (r == -EINVAL)
                        return r;
                if (r < 0) {
                        (void) snprintf(error, CONFIG_MESSAGE_MAX, "%s", strerror(-r));
                        return r;
                }
                if (line.action == COMMAND_LINE_HELP || line.action == COMMAND_LINE_VERSION ||
                    line.action == COMMAND_LINE_COMPLETION)
                        break; /* whatever else there is */
        }
        if (option < 0 && optind < argc)
                return refuse(error, "unexpected argument: ", argv[optind], "; see --help");

        *ret_line = line;
        line = (struct command_line){.bus_fd = -1};
        return 0;
}

static void print_option(FILE *out, const char *name, const char *argument, const char *help,
                         const char *more) {
        int width = fprintf(out, "  --%s%s%s", name, argument ? " " : "", argument ?: "");

        if (width > 28)
                width = fprintf(out, "\n") - 1;
        (void) fprintf(out, "%*s%s%s\n", MAX(30 - width, 1), "", help, more);
}

static void print_setting(FILE *out, const struct setting *setting) {
        char range[CONFIG_MESSAGE_MAX], more[2 * CONFIG_MESSAGE_MAX] = "";

        setting_range(setting, range);
        if (setting->argument && *range)
                (void) snprintf(more, sizeof(more), " (%s; default %s)", range, setting->standard);
        else if (*setting->standard)
                (void) snprintf(more, sizeof(more), " (default %s)", setting->standard);
        print_option(out, setting->option, setting->argument ?: range, setting->help, more);
}

int command_line_print_help(FILE *out) {
        (void) fputs("netflowd [OPTION…]\n\nCounts the network traffic of each process and serves it as "
                     "org.netflowd1 "
                     "on D-Bus.\n\nSettings, as in netflowd.conf(5):\n",
                     out);
        for (size_t i = 0; i < CONFIG_SETTINGS; i++)
                print_setting(out, &settings[i]);
        (void) fputs("\nOthers:\n", out);
        for (size_t i = 0; i < ELEMENTSOF(program_options); i++)
                if (program_options[i].help)
                        print_option(out, program_options[i].name, program_options[i].argument,
                                     program_options[i].help, "");
        return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

static enum completion_values values_of(const struct setting *setting) {
        if (setting->type == &value_path)
                return COMPLETION_FILE;
        if (setting->type == &value_devices)
                return COMPLETION_DEVICE;
        if (setting->type == &value_level)
                return COMPLETION_WORDS;
        return setting->argument ? COMPLETION_ANY : COMPLETION_WORDS; /* as --help shows it */
}

/* What it may be, with "|" between. */
static void words_of(const struct setting *setting, char words[static CONFIG_MESSAGE_MAX]) {
        if (setting->type != &value_level) {
                setting_range(setting, words);
                return;
        }
        words[0] = '\0';
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                (void) snprintf(words + strlen(words), CONFIG_MESSAGE_MAX - strlen(words), "%s%s",
                                level > LOG_EMERG ? "|" : "", log_level_name(level));
}

int command_line_print_completion(FILE *out, const char *shell) {
        struct completion_option options[CONFIG_SETTINGS + ELEMENTSOF(program_options)];
        struct completion completion = {.program = "netflowd", .options = options};
        char ranges[CONFIG_SETTINGS][CONFIG_MESSAGE_MAX];
        int r;

        for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
                words_of(&settings[i], ranges[i]);
                options[completion.n_options++] = (struct completion_option){
                        .name = settings[i].option,
                        .help = settings[i].help,
                        .repeated = settings[i].type->is_list,
                        .values = values_of(&settings[i]),
                        .words = ranges[i],
                };
        }
        for (size_t i = 0; i < ELEMENTSOF(program_options); i++)
                if (program_options[i].help)
                        options[completion.n_options++] = (struct completion_option){
                                .name = program_options[i].name,
                                .help = program_options[i].help,
                                .values = !program_options[i].argument ? COMPLETION_NOTHING
                                          : strcmp(program_options[i].argument, "FILE") == 0
                                                  ? COMPLETION_FILE
                                                  : COMPLETION_ANY,
                        };
        r = completion_print(out, shell, &completion);
        return r < 0 ? r : fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

void command_line_sources(const struct command_line *line, const char *log_level,
                          struct config_sources *ret_sources) {
        *ret_sources = (struct config_sources){
                .root = "",
                .file = line->config_file,
                .no_files = line->savefile || line->bus_fd >= 0,
                .log_level = log_level,
                .options = line->options,
                .n_options = line->n_options,
        };
}
