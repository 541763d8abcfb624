/* SPDX-License-Identifier: MIT */
#include "engine/busy_ports.h"

#include <string.h>

#include "util/clock.h"
#include "util/macros.h"

/* So many datagrams within a second make a port busy, for so long. */
#define BUSY_DATAGRAMS 8
#define BUSY_USEC      (10 * USEC_PER_SEC)

bool busy_ports_have(const struct busy_ports *ports, uint16_t port) {
        for (size_t i = 0; i < ports->n; i++)
                if (ports->busy[i] == port)
                        return true;
        return false;
}

static void remove_oldest(struct busy_ports *ports) {
        ports->n--;
        memmove(ports->busy, ports->busy + 1, ports->n * sizeof(ports->busy[0]));
        memmove(ports->busy_usec, ports->busy_usec + 1, ports->n * sizeof(ports->busy_usec[0]));
}

bool busy_ports_note(struct busy_ports *ports, uint16_t port, uint64_t now_usec) {
        __typeof__(ports->counts[0]) *count = &ports->counts[port % ELEMENTSOF(ports->counts)];

        if (count->port != port || now_usec - count->since_usec > USEC_PER_SEC) {
                count->port = port;
                count->since_usec = now_usec;
                count->n = 0;
        }
        if (++count->n < BUSY_DATAGRAMS || busy_ports_have(ports, port))
                return false;
        if (ports->n == BUSY_PORTS_MAX)
                remove_oldest(ports);
        ports->busy[ports->n] = port;
        ports->busy_usec[ports->n++] = now_usec;
        count->n = 0;
        return true;
}

bool busy_ports_expire(struct busy_ports *ports, uint64_t now_usec) {
        bool expired = false;

        while (ports->n > 0 && now_usec - ports->busy_usec[0] > BUSY_USEC) {
                remove_oldest(ports);
                expired = true;
        }
        return expired;
}
