/* SPDX-License-Identifier: MIT */
#include "manager/file_recording.h"

#include "util/log.h"

void file_recording_start(struct file_recording *recording) {
        const struct config *config = recording->config;
        const char *filter = engine_filter(recording->engine);
        const struct store_request request = {
                .fd = -1,
                .path = config->store_pcap,
                .files = config->store_pcap_files,
                .filter = *filter ? filter : NULL,
                .max_bytes = config->store_pcap_max_bytes == UINT64_MAX ? 0 : config->store_pcap_max_bytes,
        };
        struct source_error error = {};

        if (!config->store_pcap || recording->id != 0)
                return;
        if (store_start(recording->store, &request, &recording->id, &error) < 0)
                log_write(LOG_ERR, "StorePcap=%s is not written: %s", config->store_pcap, error.text);
}

void file_recording_stop(struct file_recording *recording) {
        if (recording->id != 0)
                (void) store_stop(recording->store, recording->id, STORE_REQUESTED);
        recording->id = 0;
}

void file_recording_ended(struct file_recording *recording, uint64_t id) {
        if (recording->id == id)
                recording->id = 0;
}
