/* SPDX-License-Identifier: MIT */
#pragma once

#include "source/addresses.h"
#include "source/filter.h"
#include "source/interfaces.h"
#include "source/source.h"

/* What is to be captured, ready to be used. */
struct selection {
        char **patterns; /* NULL: all, on `any` */
        char *title;     /* the patterns in one string */
        struct addresses addresses;
        struct filter *filter;
};

/* Reads a choice. A filter that goes with none of the chosen devices that are there is refused. Returns 0;
 * -EINVAL, -ETIMEDOUT or another negative errno with *ret_error saying why. */
int selection_init(const struct source_choice *choice, const struct interfaces *interfaces,
                   const struct source_waiting *waiting, struct selection *ret_selection,
                   struct source_error *ret_error);

/* Frees what is in it and leaves it empty. */
void selection_done(struct selection *selection);
