/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "model/flow_key.h"

/* Could a socket send and receive packets of this flow, by where it is bound and connected? binding: its addresses,
 * as struct flow_key has them, and ports; unspecified and 0 where it is not bound or connected. */
bool binding_takes(const struct flow_key *binding, bool ipv6_only, const struct flow_key *key);
