/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "top_keys.h"
#include "top_panes.h"
#include "util.h"

static char *clock_text(int64_t second, char text[16]) {
        time_t time = (time_t) second;
        struct tm local;

        if (second == 0 || !localtime_r(&time, &local) || strftime(text, 16, "%H:%M:%S", &local) == 0)
                strcpy(text, "-");
        return text;
}

static const char *order_text(enum top_sort sort) {
        switch (sort) {
        case TOP_SORT_TOTAL:
                return "most first";
        case TOP_SORT_IN:
                return "most in first";
        case TOP_SORT_OUT:
                return "most out first";
        case TOP_SORT_NAME:
        case TOP_SORT_MAX:
                break;
        }
        return "by name";
}

/* How many rows there are; of groups it is not known where the rank was cut. */
static const char *rows_text(const struct top_model *model, char text[24]) {
        if (!model->cut)
                (void) snprintf(text, 24, "%zu", model->n);
        else if (model->group == TOP_BY_PROCESS)
                (void) snprintf(text, 24, "%" PRIu64, model->whole.processes);
        else
                strcpy(text, "many");
        return text;
}

static void write_title(const struct top_paper *paper, const struct top_state *state) {
        const struct top_model *model = &state->model;
        const char *how = "";
        char clock[16], rows[24];

        clock_text(model->last_second, clock);
        if (state->link != TOP_FOLLOWING) {
                top_write(paper, 0, TOP_ALARM, "%s, waiting  (as of %s)",
                          state->link == TOP_NO_BUS ? "The system bus is gone" : "netflowd is not running",
                          clock);
                return;
        }
        if (state->paused)
                how = "PAUSED  ";
        else if (model->whole.has_ledger && !model->whole.capturing)
                how = "NOT CAPTURING  ";
        top_write(paper, 0, *how ? TOP_ALARM : TOP_BOLD, "%snetflowctl top  %s  %s  %zu of %s by %s, %s%s%s",
                  how, clock, model->whole.backend, model->n_shown, rows_text(model, rows),
                  top_group_name(model->group), order_text(model->sort), *model->filter ? ", with /" : "",
                  model->filter);
}

static const char *rate_text(const struct top_state *state, uint64_t bytes, char text[TOP_AMOUNT_MAX]) {
        return top_amount(bytes / state->model.recent, state->units, text);
}

static struct top_bytes interfaces_shown(const struct top_model *model) {
        struct top_bytes shown = model->whole.interfaces;

        if (model->without_loopback) {
                shown.in -= model->whole.loopback.in;
                shown.out -= model->whole.loopback.out;
        }
        return shown;
}

static void write_interfaces(const struct top_paper *paper, const struct top_state *state) {
        const struct top_whole *whole = &state->model.whole;
        char in[TOP_AMOUNT_MAX], out[TOP_AMOUNT_MAX], lo_in[TOP_AMOUNT_MAX], lo_out[TOP_AMOUNT_MAX];
        const struct top_bytes shown = interfaces_shown(&state->model);

        if (!whole->has_interfaces) {
                top_write(paper, 1, TOP_PLAIN, "Interfaces  -");
                return;
        }
        rate_text(state, shown.in, in);
        rate_text(state, shown.out, out);
        rate_text(state, whole->loopback.in, lo_in);
        rate_text(state, whole->loopback.out, lo_out);
        if (state->model.without_loopback)
                top_write(paper, 1, TOP_PLAIN, "Interfaces  %7s/s in %7s/s out  without loopback", in, out);
        else
                top_write(paper, 1, TOP_PLAIN, "Interfaces  %7s/s in %7s/s out  loopback %s/s in, %s/s out",
                          in, out, lo_in, lo_out);
}

/* In per cent with two decimals; what is not all of it does not look so. */
static char *share_text(uint64_t part, uint64_t whole, char text[16]) {
        double share = whole > 0 ? 100.0 * (double) part / (double) whole : 100.0;

        if (part < whole && share > 99.99)
                share = 99.99;
        (void) snprintf(text, 16, "%.2f %%", share);
        return text;
}

static void write_processes(const struct top_paper *paper, const struct top_state *state) {
        const struct top_whole *whole = &state->model.whole;
        char in[TOP_AMOUNT_MAX], out[TOP_AMOUNT_MAX], share[16];
        const struct top_bytes interfaces = interfaces_shown(&state->model);
        uint64_t rows = whole->rows.in + whole->rows.out, all = interfaces.in + interfaces.out;

        rate_text(state, whole->rows.in, in);
        rate_text(state, whole->rows.out, out);
        if (whole->has_interfaces && all > 0)
                top_write(paper, 2, TOP_PLAIN, "Processes   %7s/s in %7s/s out  %s of all interfaces", in,
                          out, share_text(rows, all, share));
        else
                top_write(paper, 2, TOP_PLAIN, "Processes   %7s/s in %7s/s out", in, out);
}

static void write_ledger(const struct top_paper *paper, const struct top_state *state) {
        const struct top_whole *whole = &state->model.whole;
        char amount[TOP_AMOUNT_MAX], share[16], reasons[512] = "";

        if (!whole->has_ledger) {
                top_write(paper, 3, TOP_PLAIN, "Ledger      -");
                top_write(paper, 4, TOP_PLAIN, "No process  -");
                return;
        }
        top_write(paper, 3, whole->dropped > 0 ? TOP_ALARM : TOP_PLAIN,
                  "Ledger      %7s seen, %s with a process, %" PRIu64 " packets dropped",
                  top_amount(whole->seen, state->units, amount),
                  share_text(whole->attributed, whole->seen, share), whole->dropped);
        for (size_t i = 0; i < whole->n_reasons; i++) {
                size_t n = strlen(reasons);

                (void) snprintf(reasons + n, sizeof(reasons) - n, "%s%s %s", i > 0 ? ", " : "",
                                top_amount(whole->reasons[i].bytes, state->units, amount),
                                whole->reasons[i].name);
        }
        top_write(paper, 4, TOP_PLAIN, "No process  %s", *reasons ? reasons : "  none");
}

void top_write_header(const struct top_paper *paper, const struct top_state *state) {
        write_title(paper, state);
        write_interfaces(paper, state);
        write_processes(paper, state);
        write_ledger(paper, state);
}

static void write_hints(const struct top_paper *paper, size_t line) {
        char hints[256] = "";

        for (const struct top_key *key = top_keys; key->names; key++)
                if (key->hint) {
                        size_t n = strlen(hints);

                        if (n + 3 + strlen(key->hint) > paper->columns)
                                continue;
                        (void) snprintf(hints + n, sizeof(hints) - n, "%s%s", n > 0 ? "   " : "", key->hint);
                }
        top_write(paper, line, TOP_DIM, "%s", hints);
}

void top_write_footer(const struct top_paper *paper, const struct top_state *state, size_t line) {
        if (state->editing)
                top_write(paper, line, TOP_BOLD, "/%s_", state->model.filter);
        else if (*state->message)
                top_write(paper, line, TOP_BOLD, "%s", state->message);
        else if (*state->trouble)
                top_write(paper, line, TOP_ALARM, "%s", state->trouble);
        else
                write_hints(paper, line);
}
