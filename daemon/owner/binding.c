/* SPDX-License-Identifier: MIT */
#include "owner/binding.h"

#include <string.h>

bool binding_takes(const struct flow_key *binding, bool ipv6_only, const struct flow_key *key) {
        bool bound_ipv4 = IN6_IS_ADDR_V4MAPPED(&binding->local), ipv4 = flow_key_is_ipv4(key);

        if (ipv4 ? !bound_ipv4 && (ipv6_only || !IN6_IS_ADDR_UNSPECIFIED(&binding->local)) : bound_ipv4)
                return false;
        if (!address_is_unspecified(&binding->local) && memcmp(&binding->local, &key->local, sizeof(key->local)) != 0)
                return false;
        return binding->remote_port == 0 || (binding->remote_port == key->remote_port &&
                                             memcmp(&binding->remote, &key->remote, sizeof(key->remote)) == 0);
}
