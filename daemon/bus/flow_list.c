/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>

#include "bus/bus_internal.h"
#include "bus/options.h"
#include "bus/process_fields.h"
#include "dbus/org.netflowd1.h"
#include "util/clock.h"

/* "[2001:db8::1]:65535" */
#define ENDPOINT_MAX (INET6_ADDRSTRLEN + 8)

const char *protocol_name(uint8_t protocol, char text[static 16]) {
        switch (protocol) {
        case IPPROTO_TCP:
                return "tcp";
        case IPPROTO_UDP:
                return "udp";
        case IPPROTO_UDPLITE:
                return "udplite";
        case IPPROTO_ICMP:
                return "icmp";
        case IPPROTO_ICMPV6:
                return "icmpv6";
        case IPPROTO_SCTP:
                return "sctp";
        default: /* a byte of a packet: anything */
                (void) snprintf(text, 16, "%u", protocol);
                return text;
        }
}

/* As ss(8) writes it. */
static void format_endpoint(const struct in6_addr *address, uint16_t port, char text[ENDPOINT_MAX]) {
        char name[INET6_ADDRSTRLEN] = "";

        if (IN6_IS_ADDR_V4MAPPED(address)) {
                (void) inet_ntop(AF_INET, address->s6_addr + 12, name, sizeof(name));
                (void) snprintf(text, ENDPOINT_MAX, "%s:%u", name, port);
        } else {
                (void) inet_ntop(AF_INET6, address, name, sizeof(name));
                (void) snprintf(text, ENDPOINT_MAX, "[%s]:%u", name, port);
        }
}

static int append_flow(sd_bus_message *reply, const struct flow *flow, uint64_t now_usec) {
        char protocol[16], local[ENDPOINT_MAX], remote[ENDPOINT_MAX];

        format_endpoint(&flow->key.local, flow->key.local_port, local);
        format_endpoint(&flow->key.remote, flow->key.remote_port, remote);
        return sd_bus_message_append(
                reply, "a{sv}", 7, NETFLOWD_KEY_PID, "u", flow->process->id.pid, NETFLOWD_FLOW_PROTOCOL, "s",
                protocol_name(flow->key.protocol, protocol), NETFLOWD_FLOW_LOCAL, "s", local,
                NETFLOWD_FLOW_REMOTE, "s", remote, NETFLOWD_KEY_IN, "t", flow->in, NETFLOWD_KEY_OUT, "t",
                flow->out, NETFLOWD_FLOW_AGE, "t",
                now_usec > flow->since_usec ? now_usec - flow->since_usec : (uint64_t) 0);
}

/* Most bytes first; then by age, so that the order does not change by itself. */
static int by_bytes(const void *a, const void *b) {
        const struct flow *x = *(const struct flow *const *) a, *y = *(const struct flow *const *) b;
        uint64_t x_bytes = x->in + x->out, y_bytes = y->in + y->out;

        if (x_bytes != y_bytes)
                return x_bytes > y_bytes ? -1 : 1;
        return x->since_usec < y->since_usec ? -1 : x->since_usec > y->since_usec;
}

static bool is_wanted(const struct flow *flow, const struct process *process, const struct caller *caller) {
        if (flow->state != FLOW_OWNED && flow->state != FLOW_FOUND)
                return false;
        if (process)
                return flow->process == process;
        return !process_exited(flow->process) && process_is_visible_to(flow->process, caller);
}

/* The caller frees *ret_flows. process NULL: of all that live and that the caller may see. */
static int collect(const struct engine *engine, const struct process *process, const struct caller *caller,
                   const struct flow ***ret_flows, size_t *ret_n) {
        const struct flow_table *table = engine_books(engine)->flows;
        const struct flow **flows = calloc((size_t) flow_table_size(table) + 1, sizeof(*flows)), *flow;
        uint32_t cursor = 0;
        size_t n = 0;

        if (!flows)
                return -ENOMEM;
        while ((flow = flow_table_next(table, &cursor)))
                if (is_wanted(flow, process, caller))
                        flows[n++] = flow;
        qsort(flows, n, sizeof(*flows), by_bytes);
        *ret_flows = flows;
        *ret_n = n;
        return 0;
}

static int reply_flows(struct bus *bus, sd_bus_message *call, const struct process *process,
                       const struct caller *caller) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ const struct flow **flows = NULL;
        uint64_t now = clock_usec(CLOCK_REALTIME);
        size_t n;
        int r;

        r = collect(bus->config.engine, process, caller, &flows, &n);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; i < MIN(n, (size_t) NETFLOWD_FLOWS_MAX) && r >= 0; i++)
                r = append_flow(reply, flows[i], now);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_send(reply);
}

static int make_list(sd_bus_message *call, const struct caller *caller, void *userdata,
                     sd_bus_error *ret_error) {
        struct process *process = NULL;
        struct bus *bus = userdata;
        uint32_t pid = 0;
        int r;

        r = sd_bus_message_rewind(call, true);
        if (r >= 0)
                r = sd_bus_message_read(call, "u", &pid);
        if (r >= 0)
                r = options_read(call, NULL, 0, ret_error);
        if (r >= 0 && pid != 0)
                r = bus_find_process(bus, pid, &process, ret_error);
        if (r < 0)
                return r;
        if (!engine_knows_flows(bus->config.engine))
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_NOT_SUPPORTED,
                                        "backend bpf counts processes, not flows: that takes backend pcap");
        if (process && !process_is_visible_to(process, caller))
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "the flows of process %u, which is another user's, need %s", pid,
                                         NETFLOWD_ACTION_INSPECT);
        return reply_flows(bus, call, process, caller);
}

static int list_flows(sd_bus_message *call, const struct caller *caller, void *userdata,
                      sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return answers_make(bus->answers, call, caller, make_list, bus, ret_error);
}

/* One's own are nobody else's business: polkit is asked where it comes to another user's. */
static int authorize_list(sd_bus_message *call, const struct caller *caller, void *userdata,
                          sd_bus_error *ret_error) {
        struct bus *bus = userdata;
        const struct process *process;
        uint32_t pid;
        int r;

        r = sd_bus_message_read(call, "u", &pid);
        if (r < 0)
                return r;
        process = engine_find_pid(bus->config.engine, pid);
        if (process && process_is_visible_to(process, caller))
                return list_flows(call, caller, bus, ret_error);
        return callers_authorize(bus->callers, call, caller, NETFLOWD_ACTION_INSPECT, pid != 0, list_flows,
                                 bus, ret_error);
}

int on_list_flows(sd_bus_message *call, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_ask(bus->callers, call, CALL_BYTES, authorize_list, bus, ret_error);
}
