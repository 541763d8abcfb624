/* SPDX-License-Identifier: MIT */
#include "config/settings.h"

#include <errno.h>
#include <string.h>

#include "dbus/units.h"
#include "util/clock.h"

#define FIELD(name) offsetof(struct config, name)
#define KIB         (UINT64_C(1) << 10)

static const char *const backends[] = {"auto", "bpf", "pcap", NULL};
static const char *const owners[] = {"auto", "bpf", "procfs", NULL};

const struct setting settings[CONFIG_SETTINGS] = {
        [CONFIG_BACKEND] =
                {
                        .key = "Backend",
                        .option = "backend",
                        .help = "where traffic is counted",
                        .standard = "auto",
                        .type = &value_word,
                        .range = {.words = backends},
                        .offset = FIELD(backend),
                },
        [CONFIG_OWNERS] =
                {
                        .key = "Owners",
                        .option = "owners",
                        .help = "how the processes of packets are found",
                        .standard = "auto",
                        .type = &value_word,
                        .range = {.words = owners},
                        .offset = FIELD(owners),
                },
        [CONFIG_DEVICES] =
                {
                        .key = "Devices",
                        .option = "device",
                        .argument = "DEV",
                        .help = "capture on this device, or those like en* or !docker*; may be repeated",
                        .standard = "",
                        .type = &value_devices,
                        .offset = FIELD(devices),
                        .at_run_time = true,
                },
        [CONFIG_ADDRESSES] =
                {
                        .key = "Addresses",
                        .option = "address",
                        .argument = "IP",
                        .help = "count only this local address; may be repeated",
                        .standard = "",
                        .type = &value_addresses,
                        .offset = FIELD(addresses),
                        .at_run_time = true,
                },
        [CONFIG_FILTER] =
                {
                        .key = "Filter",
                        .option = "filter",
                        .argument = "EXPR",
                        .help = "count only packets that match, see pcap-filter(7)",
                        .standard = "",
                        .type = &value_text,
                        .offset = FIELD(filter),
                        .at_run_time = true,
                },
        [CONFIG_TIMEOUT] =
                {
                        .key = "Timeout",
                        .option = "timeout",
                        .argument = "SPAN",
                        .help = "stop capturing after so long",
                        .standard = "infinity",
                        .type = &value_span,
                        .range = {USEC_PER_MSEC, UNITS_INFINITY, NULL},
                        .offset = FIELD(timeout_usec),
                        .at_run_time = true,
                },
        [CONFIG_SYNC_INTERVAL] =
                {
                        .key = "SyncInterval",
                        .option = "sync-interval",
                        .argument = "SPAN",
                        .help = "go through all processes at most so often",
                        .standard = "250ms",
                        .type = &value_span,
                        .range = {10 * USEC_PER_MSEC, 60 * USEC_PER_SEC, NULL},
                        .offset = FIELD(sync_interval_usec),
                },
        [CONFIG_WORKERS] =
                {
                        .key = "Workers",
                        .option = "workers",
                        .argument = "N",
                        .help = "threads that read packets",
                        .standard = "1",
                        .type = &value_number,
                        .range = {1, 64, NULL},
                        .offset = FIELD(workers),
                },
        [CONFIG_QUEUE_SIZE] =
                {
                        .key = "QueueSize",
                        .option = "queue-size",
                        .argument = "PACKETS",
                        .help = "packets that the kernel holds for us; 0: 8 MiB of them",
                        .standard = "0",
                        .type = &value_number,
                        .range = {0, 1000000, NULL}, /* 305 MiB, which no memory limit is charged with */
                        .offset = FIELD(queue_packets),
                },
        [CONFIG_STORE_PCAP] =
                {
                        .key = "StorePcap",
                        .option = "store-pcap",
                        .argument = "FILE",
                        .help = "write the packets to a savefile",
                        .standard = "",
                        .type = &value_path,
                        .offset = FIELD(store_pcap),
                },
        [CONFIG_STORE_PCAP_MAX_SIZE] =
                {
                        .key = "StorePcapMaxSize",
                        .option = "store-pcap-max-size",
                        .argument = "BYTES",
                        .help = "begin another savefile after so many",
                        .standard = "100M",
                        .type = &value_size,
                        .range = {64 * KIB, UNITS_INFINITY, NULL},
                        .offset = FIELD(store_pcap_max_bytes),
                },
        [CONFIG_STORE_PCAP_FILES] =
                {
                        .key = "StorePcapFiles",
                        .option = "store-pcap-files",
                        .argument = "N",
                        .help = "savefiles to keep",
                        .standard = "2",
                        .type = &value_number,
                        .range = {1, 1000, NULL},
                        .offset = FIELD(store_pcap_files),
                },
        [CONFIG_SIGNAL_INTERVAL] =
                {
                        .key = "SignalInterval",
                        .option = "signal-interval",
                        .argument = "SPAN",
                        .help = "send signals of a kind at most so often",
                        .standard = "1s",
                        .type = &value_span,
                        /* buckets are seconds; and what exits is told of before it leaves the books, after
                         * 300 s */
                        .range = {USEC_PER_SEC, 60 * USEC_PER_SEC, NULL},
                        .offset = FIELD(signal_interval_usec),
                        .at_run_time = true,
                },
        [CONFIG_SIGNAL_LIMIT] =
                {
                        .key = "SignalLimit",
                        .option = "signal-limit",
                        .argument = "N",
                        .help = "processes in the rank that is sent as a signal",
                        .standard = "10",
                        .type = &value_number,
                        .range = {1, 100, NULL}, /* as many as ProcessesChanged tells of: bus/signals.c */
                        .offset = FIELD(signal_limit),
                        .at_run_time = true,
                },
        [CONFIG_LOG_LEVEL] =
                {
                        .key = "LogLevel",
                        .option = "log-level",
                        .argument = "LEVEL",
                        .help = "log what is at least so important: emerg, …, info, debug, or 0..7",
                        .standard = "info",
                        .type = &value_level,
                        .offset = FIELD(log_level),
                        .at_run_time = true,
                },
};

const struct setting *setting_find(const char *key) {
        for (size_t i = 0; i < CONFIG_SETTINGS; i++)
                if (strcmp(settings[i].key, key) == 0)
                        return &settings[i];
        return NULL;
}

void *setting_field(const struct setting *setting, struct config *config) {
        return (char *) config + setting->offset;
}

const void *setting_field_const(const struct setting *setting, const struct config *config) {
        return (const char *) config + setting->offset;
}

void setting_range(const struct setting *setting, char text[static CONFIG_MESSAGE_MAX]) {
        *text = '\0';
        if (setting->type->describe)
                setting->type->describe(&setting->range, text, CONFIG_MESSAGE_MAX);
}

static void say(const struct setting *setting, int problem, char error[static CONFIG_MESSAGE_MAX]) {
        char range[CONFIG_MESSAGE_MAX];

        if (problem == -E2BIG)
                (void) snprintf(error, CONFIG_MESSAGE_MAX, "more than %u", VALUE_LIST_MAX);
        else {
                setting_range(setting, range);
                (void) snprintf(error, CONFIG_MESSAGE_MAX, "must be %s%s%.200s", setting->type->what ?: "",
                                setting->type->what && *range ? " in the range " : "", range);
        }
}

static bool is_blank(const char *text) {
        return text[strspn(text, "\t\n\r ")] == '\0';
}

static void set_standard(const struct setting *setting, struct config *config) {
        void *field = setting_field(setting, config);

        setting->type->clear(field);
        if (*setting->standard) /* cannot fail: the types with memory to get have none, see test-config.c */
                (void) setting->type->read(field, setting->standard, &setting->range);
}

int setting_assign(const struct setting *setting, struct config *config, const char *text,
                   char error[static CONFIG_MESSAGE_MAX]) {
        int r = 0;

        if (is_blank(text))
                set_standard(setting, config);
        else
                r = setting->type->read(setting_field(setting, config), text, &setting->range);
        if (r < 0 && r != -ENOMEM)
                say(setting, r, error);
        return r;
}

void config_init(struct config *ret_config) {
        *ret_config = (struct config){};
        for (size_t i = 0; i < CONFIG_SETTINGS; i++)
                set_standard(&settings[i], ret_config);
}

void config_done(struct config *config) {
        for (size_t i = 0; i < CONFIG_SETTINGS; i++) {
                settings[i].type->clear(setting_field(&settings[i], config));
                free(config->origins[i].places);
        }
        *config = (struct config){};
}

void config_reset(struct config *config, enum config_setting setting) {
        set_standard(&settings[setting], config);
        free(config->origins[setting].places);
        config->origins[setting] = (struct config_origin){};
}

bool config_differs(const struct config *a, const struct config *b, enum config_setting setting) {
        const struct setting *row = &settings[setting];

        return !row->type->equal(setting_field_const(row, a), setting_field_const(row, b));
}

void config_take(struct config *config, struct config *from, enum config_setting setting) {
        char *one = setting_field(&settings[setting], config),
             *other = setting_field(&settings[setting], from);
        struct config_origin origin = config->origins[setting];

        for (size_t i = 0; i < settings[setting].type->size; i++) {
                char byte = one[i];

                one[i] = other[i];
                other[i] = byte;
        }
        config->origins[setting] = from->origins[setting];
        from->origins[setting] = origin;
}

const char *config_key(enum config_setting setting) {
        return settings[setting].key;
}

bool config_applies_at_run_time(enum config_setting setting) {
        return settings[setting].at_run_time;
}
