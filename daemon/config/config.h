/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/macros.h"

/* Every setting: its row in settings[] of settings.c, its field in struct config, its words in
 * netflowd.conf(5) and systemd/netflowd.conf. */
enum config_setting {
        CONFIG_BACKEND,
        CONFIG_OWNERS,
        CONFIG_DEVICES,
        CONFIG_ADDRESSES,
        CONFIG_FILTER,
        CONFIG_TIMEOUT,
        CONFIG_SYNC_INTERVAL,
        CONFIG_WORKERS,
        CONFIG_QUEUE_SIZE,
        CONFIG_STORE_PCAP,
        CONFIG_STORE_PCAP_MAX_SIZE,
        CONFIG_STORE_PCAP_FILES,
        CONFIG_SIGNAL_INTERVAL,
        CONFIG_SIGNAL_LIMIT,
        CONFIG_LOG_LEVEL,
        CONFIG_SETTINGS, /* how many there are */
};

/* Where a value was set last; of a list, where each part of it was. */
struct config_origin {
        enum config_origin_kind {
                CONFIG_FROM_DEFAULT,
                CONFIG_FROM_FILE,
                CONFIG_FROM_ENVIRONMENT,
                CONFIG_FROM_COMMAND_LINE,
        } kind;
        char *places; /* "/etc/netflowd/netflowd.conf:3", for files */
};

/* What holds. All of it belongs to the struct; config_done() frees it. */
struct config {
        const char *backend;   /* "auto", "bpf", "pcap"; static */
        const char *owners;    /* "auto", "bpf", "procfs"; static */
        char **devices;        /* names and patterns of fnmatch(3), `!` in front negates; ends with NULL */
        char **addresses;      /* as inet_ntop(3) writes them; ends with NULL */
                               /* both lists: NULL where there is nothing in them */
        char *filter;          /* pcap-filter(7), not compiled yet; NULL: none */
        uint64_t timeout_usec; /* UNITS_INFINITY: never */
        uint64_t sync_interval_usec; /* between two walks over all processes */
        uint32_t workers;            /* that read packets */
        uint32_t queue_packets; /* that the kernel's ring is to hold; 0: as many as go into the default ring
                                 */
        char *store_pcap;       /* absolute path of a savefile; NULL: none */
        uint64_t store_pcap_max_bytes; /* of one file; UNITS_INFINITY: no limit */
        uint32_t store_pcap_files;     /* kept, the one being written among them */
        uint64_t signal_interval_usec; /* that closes between two signals of a kind */
        uint32_t signal_limit;         /* rows of RankChanged */
        int log_level;                 /* LOG_ERR, … of syslog(3) */
        struct config_origin origins[CONFIG_SETTINGS];
};

/* All at their defaults. Allocates nothing. */
void config_init(struct config *ret_config);

/* Frees what is in it. */
void config_done(struct config *config);

/* One setting as given on the command line. */
struct config_option {
        enum config_setting setting;
        const char *text;
};

/* Where to look; strings are only read. */
struct config_sources {
        const char *root;                    /* "", or what a test has put in the place of "/" */
        const char *file;                    /* this one instead of the search; NULL: search */
        bool no_files;                       /* neither */
        const char *log_level;               /* $SYSTEMD_LOG_LEVEL; NULL */
        const struct config_option *options; /* the command line, in order; checked by config_check() */
        size_t n_options;
};

/* Called for each thing that is wrong with one line that says what, and where: for the program to log. */
typedef void (*config_handler)(void *userdata, const char *message);

/* Defaults, then files (netflowd.conf(5) has the order), then the environment, then the command line. What
 * is wrong in a file or the environment is told to handler, and what held before it stands. Returns 0,
 * -ENOMEM, or what `file` could not be read with, which handler has been told; *ret_config is untouched
 * then. The caller does config_done(). */
int config_load(const struct config_sources *sources, config_handler handler, void *userdata,
                struct config *ret_config);

/* Reads the text of one file; `path` is what messages call it. Returns 0 or -ENOMEM. */
int config_parse(struct config *config, const char *path, const char *text, size_t size,
                 config_handler handler, void *userdata);

/* May this stand on the command line? Returns 0 or -EINVAL, with one line in error that names the option,
 * the value and the range. */
#define CONFIG_MESSAGE_MAX 512u
int config_check(const struct config_option *option, char error[static CONFIG_MESSAGE_MAX]);

/* Do the two differ in this setting? */
bool config_differs(const struct config *a, const struct config *b, enum config_setting setting);

/* Puts that setting of `from` into `config`; `from` has the old one then. */
void config_take(struct config *config, struct config *from, enum config_setting setting);

/* Sets it back to its default. */
void config_reset(struct config *config, enum config_setting setting);

/* The key of a setting, such as "SyncInterval", and can it be changed at run time? */
const char *config_key(enum config_setting setting);
bool config_applies_at_run_time(enum config_setting setting);

/* The value as it is written in a file; the caller frees it. NULL: out of memory. */
char *config_format(const struct config *config, enum config_setting setting);

/* Where the value is from: "default", "/etc/netflowd/netflowd.conf:3", "$SYSTEMD_LOG_LEVEL", "command line".
 * Good as long as that stands. */
const char *config_origin_text(const struct config *config, enum config_setting setting);

/* Writes all that holds as a configuration file, each value below a comment that says where it is from.
 * Returns 0 or a negative errno. */
int config_print(const struct config *config, FILE *out);
