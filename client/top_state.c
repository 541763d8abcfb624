/* SPDX-License-Identifier: MIT */
#include "top_state.h"

void top_state_init(struct top_state *state) {
        *state = (struct top_state){};
        top_model_init(&state->model);
}

void top_details_done(struct top_details *details) {
        json_object_put(details->process);
        json_object_put(details->flows);
        *details = (struct top_details){};
}

void top_state_done(struct top_state *state) {
        top_details_done(&state->details);
        top_model_done(&state->model);
}
