/* SPDX-License-Identifier: MIT */
#include "source/filter_compile.h"

#include <ctype.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/macros.h"

#define OURS "ip or ip6"

/* It is set later on. */
#define ANY_SNAPLEN 262144

/* A number that the scanner of libpcap refuses in words of its own, wherever in the grammar it stands. */
#define BAD_NUMBER       "99999999999"
#define BAD_NUMBER_WORDS "overflows"

static void handle_close(pcap_t **handle) {
        if (*handle)
                pcap_close(*handle);
}

static void program_free(struct bpf_program **program) {
        if (*program)
                pcap_freecode(*program);
}

/* Frames come to the kernel's filter without their tag, which lies beside them; that `vlan` must look there
 * libpcap only knows of an open Ethernet device. Loopback is one. Where it cannot be opened, only tags
 * inside the frame are found. */
static pcap_t *open_ethernet(void) {
        _cleanup_(handle_close) pcap_t *handle = NULL;
        char error[PCAP_ERRBUF_SIZE];

        handle = pcap_create("lo", error);
        if (!handle)
                return NULL;
        (void) pcap_set_snaplen(handle, ANY_SNAPLEN);
        (void) pcap_set_buffer_size(handle, 1); /* one block, the least there is */
        if (pcap_activate(handle) < 0 || pcap_datalink(handle) != DLT_EN10MB)
                return NULL;
        return TAKE_PTR(handle);
}

static pcap_t *open_for(int link_type) {
        pcap_t *handle = link_type == DLT_EN10MB ? open_ethernet() : NULL;

        return handle ?: pcap_open_dead(link_type, ANY_SNAPLEN);
}

static bool compile(pcap_t *handle, const char *text, bool optimize, struct bpf_program *ret_program) {
        return pcap_compile(handle, ret_program, text, optimize, PCAP_NETMASK_UNKNOWN) >= 0;
}

/* Would libpcap's parser read on at the end of this part of the text? */
static bool is_good_so_far(pcap_t *handle, const char *text, size_t length) {
        _cleanup_free_ char *probe = NULL;
        struct bpf_program program;

        if (asprintf(&probe, "%.*s " BAD_NUMBER, (int) length, text) < 0) {
                probe = NULL;
                return false;
        }
        if (compile(handle, probe, false, &program)) {
                pcap_freecode(&program);
                return false;
        }
        return strstr(pcap_geterr(handle), BAD_NUMBER_WORDS) != NULL;
}

static bool begins_token(const char *text, size_t i) {
        static const char single[] = "()[]!&|<>=+-*/%^,:";

        if (text[i] == '\0' || isspace((unsigned char) text[i]))
                return false;
        return i == 0 || isspace((unsigned char) text[i - 1]) || strchr(single, text[i]) ||
               strchr(single, text[i - 1]);
}

/* libpcap says that there is a syntax error, but not where: the last token up to which it would have read on
 * is the one. Returns its offset; the length of the text when the end is what is wrong. */
static size_t find_syntax_error(pcap_t *handle, const char *text) {
        size_t good = 0, bad = strlen(text) + 1;

        if (is_good_so_far(handle, text, bad - 1))
                return bad - 1;
        while (true) {
                size_t middle = good + (bad - good) / 2, i;

                for (i = middle; i > good && !begins_token(text, i); i--)
                        ;
                if (i == good)
                        for (i = middle; i < bad && !begins_token(text, i); i++)
                                ;
                if (i == good || i >= bad)
                        return good;
                if (is_good_so_far(handle, text, i))
                        good = i;
                else
                        bad = i;
        }
}

/* Where in the text is what the message is about? Returns false when that cannot be told. */
static bool find_error(pcap_t *handle, const char *text, const char *message, size_t *ret_offset) {
        const char *quote = strchr(message, '\''), *end, *found;
        char word[128];

        if (strstr(message, "syntax error")) {
                *ret_offset = find_syntax_error(handle, text);
                return true;
        }
        if (!quote)
                return false;
        end = strchr(quote + 1, '\'');
        if (!end || end == quote + 1 || (size_t) (end - quote) > sizeof(word))
                return false;
        memcpy(word, quote + 1, (size_t) (end - quote - 1));
        word[end - quote - 1] = '\0';
        found = strstr(text, word);
        if (!found)
                return false;
        *ret_offset = (size_t) (found - text);
        return true;
}

static void explain(pcap_t *handle, const char *text, struct filter_program *program) {
        char message[PCAP_ERRBUF_SIZE];
        size_t offset;

        (void) snprintf(message, sizeof(message), "%s", pcap_geterr(handle));
        if (!find_error(handle, text, message, &offset))
                (void) snprintf(program->error, sizeof(program->error), "%.200s", message);
        else if (text[offset] == '\0')
                (void) snprintf(program->error, sizeof(program->error), "%.180s, at the end", message);
        else
                (void) snprintf(program->error, sizeof(program->error), "%.180s, at character %zu", message,
                                offset + 1);
}

/* What one part does not let pass, the next is asked for: its `ret #0` become jumps there. */
static bool append(const struct bpf_program *part, struct filter_program *program) {
        if (program->n + part->bf_len > FILTER_INSNS_MAX) {
                (void) snprintf(program->error, sizeof(program->error),
                                "it takes more than the %u instructions that the kernel allows",
                                FILTER_INSNS_MAX);
                return false;
        }
        for (uint32_t i = 0; i < program->n; i++)
                if (program->insns[i].code == (BPF_RET | BPF_K) && program->insns[i].k == 0)
                        program->insns[i] =
                                (struct bpf_insn){.code = BPF_JMP | BPF_JA, .k = program->n - (i + 1)};
        memcpy(program->insns + program->n, part->bf_insns, part->bf_len * sizeof(*part->bf_insns));
        program->n += part->bf_len;
        return true;
}

/* What the user asked for must not be read together with ours ("tcp or udp" is one operand), nor reach out
 * of its parentheses. */
static bool is_one_operand(const char *text) {
        int depth = 0;

        for (const char *c = text; *c; c++) {
                depth += (*c == '(') - (*c == ')');
                if (depth < 0)
                        return false;
        }
        return true;
}

static char *format(const char *pattern, const char *text) {
        char *result;

        /* patterns are the literals below */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        return asprintf(&result, pattern, text) < 0 ? NULL : result;
#pragma GCC diagnostic pop
}

/* In a frame with a tag, or two, inside it (sent by a device that does not do tags itself). After `vlan`,
 * libpcap reads all that follows behind the tag. A text that says so itself stands in front of ours instead.
 */
static const char *const tagged_parts[] = {"vlan and (%s) and (" OURS ")",
                                           "vlan and vlan and (%s) and (" OURS ")", NULL};
static const char *const self_tagged_parts[] = {"(%s) and (" OURS ")", NULL};
static const char *const no_parts[] = {NULL};

static const char *const *more_parts(const char *text, int link_type) {
        if (link_type != DLT_EN10MB)
                return no_parts;
        return text && strstr(text, "vlan") ? self_tagged_parts : tagged_parts;
}

enum part { PART_ADDED, PART_REJECTED, PART_TOO_LONG };

static enum part compile_part(pcap_t *handle, const char *pattern, const char *text,
                              struct filter_program *program) {
        _cleanup_free_ char *part = format(pattern, text ?: OURS);
        _cleanup_(program_free) struct bpf_program *compiled = NULL;
        struct bpf_program code;

        if (!part || !compile(handle, part, true, &code))
                return PART_REJECTED;
        compiled = &code;
        return append(compiled, program) ? PART_ADDED : PART_TOO_LONG;
}

static void explain_parentheses(pcap_t *handle, const char *text, struct filter_program *program) {
        struct bpf_program code;

        if (compile(handle, text, true, &code)) {
                pcap_freecode(&code);
                (void) snprintf(program->error, sizeof(program->error), "parentheses do not match");
        } else
                explain(handle, text, program);
}

/* What rejects all packets is an error to libpcap: here it is one only when there is no other part, and then
 * the first has the words. */
static void compile_parts(pcap_t *handle, const char *text, struct filter_program *program) {
        const char *const *more = more_parts(text, program->link_type);
        enum part part;

        part = compile_part(handle, text ? "(" OURS ") and (%s)" : "%s", text, program);
        if (part == PART_REJECTED)
                explain(handle, text ?: OURS, program);
        for (; *more && part != PART_TOO_LONG; more++)
                part = compile_part(handle, *more, text, program);
        if (part == PART_TOO_LONG)
                program->n = 0;
}

void filter_compile(const char *text, struct filter_program *program) {
        _cleanup_(handle_close) pcap_t *handle = open_for(program->link_type);

        program->n = 0;
        *program->error = '\0';
        if (!handle) {
                (void) snprintf(program->error, sizeof(program->error), "out of memory");
                return;
        }
        if (text && !is_one_operand(text))
                explain_parentheses(handle, text, program);
        else
                compile_parts(handle, text, program);
}
