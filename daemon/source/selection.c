/* SPDX-License-Identifier: MIT */
#include "source/selection.h"

#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#include "source/chosen.h"
#include "source/pattern.h"
#include "source/pcap_handle.h"
#include "util/strv.h"

void selection_done(struct selection *selection) {
        strv_free(selection->patterns);
        free(selection->title);
        filter_free(selection->filter);
        *selection = (struct selection){};
}

/* 0: not known before it is opened. */
static int link_type_of(const struct interface *interface) {
        switch (interface->arp_type) {
        case ARPHRD_ETHER:
        case ARPHRD_LOOPBACK:
                return DLT_EN10MB;
        case ARPHRD_NONE:
        case ARPHRD_TUNNEL:
        case ARPHRD_SIT:
        case ARPHRD_IPGRE:
        case ARPHRD_RAWIP:
                return DLT_RAW;
        case ARPHRD_PPP:
                return DLT_LINUX_SLL;
        default:
                return 0;
        }
}

/* A filter that goes with none of the devices that are there is refused; one that goes with some is not, and
 * the others say so themselves. */
static int check_filter(const struct selection *selection, const struct interfaces *interfaces,
                        struct source_error *ret_error) {
        _cleanup_free_ struct chosen *chosen = NULL;
        struct bpf_program program;
        size_t n;
        int r, failure = 0;

        r = choose_interfaces(interfaces, (const char *const *) selection->patterns, &chosen, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                int link_type = link_type_of(chosen[i].interface);

                if (link_type == 0)
                        return 0;
                r = filter_program(selection->filter, link_type, &program, ret_error);
                if (r >= 0)
                        return 0;
                failure = r;
        }
        return failure;
}

static int select_patterns(const char *const *patterns, struct selection *selection,
                           struct source_error *ret_error) {
        int r;

        r = patterns_check(patterns, ret_error);
        if (r < 0)
                return r;
        r = strv_copy(patterns, &selection->patterns);
        if (r < 0)
                return r;
        selection->title = selection->patterns ? strv_join(patterns, " ") : strdup(PCAP_ANY);
        return selection->title ? 0 : -ENOMEM;
}

int selection_init(const struct source_choice *choice, const struct interfaces *interfaces,
                   const struct source_waiting *waiting, struct selection *ret_selection,
                   struct source_error *ret_error) {
        _cleanup_(selection_done) struct selection selection = {};
        int r;

        r = select_patterns(choice->devices, &selection, ret_error);
        if (r < 0)
                return r;
        r = addresses_parse(choice->addresses, &selection.addresses, ret_error);
        if (r < 0)
                return r;
        r = filter_new(choice->filter, SNAPLEN, selection.patterns ? FILTER_DEVICES : FILTER_ANY, waiting,
                       &selection.filter, ret_error);
        if (r < 0)
                return r;
        if (selection.patterns) {
                r = check_filter(&selection, interfaces, ret_error);
                if (r < 0)
                        return r;
        }
        *ret_selection = selection;
        selection = (struct selection){};
        return 0;
}
