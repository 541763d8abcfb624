/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "bus/bus.h"
#include "bus/bus_internal.h"
#include "dbus/org.netflowd1.h"

/* sd-bus writes the XML of a vtable only in answer to a call, so one is made, over a socket pair within this
 * very process. */

struct answer {
        bool there;
        char *xml; /* NULL: the call failed */
};

static void answer_done(struct answer *answer) {
        free(answer->xml);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct answer *answer = userdata;
        const char *xml;

        (void) ret_error;
        answer->there = true;
        if (sd_bus_message_read(reply, "s", &xml) >= 0)
                answer->xml = strdup(xml);
        return 0;
}

/* Takes the descriptor, also where it fails. */
static int new_end(int fd, bool server, sd_bus **ret_bus) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        if (server) {
                r = sd_bus_set_server(bus, 1, (sd_id128_t){.bytes = {1}});
                if (r < 0)
                        return r;
        }
        r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret_bus = TAKE_PTR(bus);
        return 0;
}

/* Lets both ends work until the answer is there. */
static int run(sd_bus *server, sd_bus *client, const struct answer *answer) {
        while (!answer->there) {
                int served = sd_bus_process(server, NULL), asked = sd_bus_process(client, NULL);

                if (served < 0 || asked < 0)
                        return MIN(served, asked);
                if (served == 0 && asked == 0)
                        (void) sd_bus_wait(client, 10000);
        }
        return answer->xml ? 0 : -EBADMSG;
}

/* Only this interface: what every sd-bus object has besides is no part of the contract. */
static int cut_interface(const char *xml, char **ret_xml) {
        const char *begin = strstr(xml, " <interface name=\"" NETFLOWD_INTERFACE "\">");
        const char *end = begin ? strstr(begin, " </interface>") : NULL;

        if (!end)
                return -EBADMSG;
        if (asprintf(ret_xml,
                     "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
                     "\"https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
                     "<node name=\"" NETFLOWD_OBJECT_PATH "\">\n%.*s </interface>\n</node>\n",
                     (int) (end - begin), begin) < 0)
                return -ENOMEM;
        return 0;
}

int bus_introspect(char **ret_xml) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *server = NULL, *client = NULL;
        _cleanup_(answer_done) struct answer answer = {};
        struct bus nothing = {}; /* introspection reads the vtable and calls none of it */
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        r = new_end(fds[0], true, &server);
        if (r < 0) {
                safe_close(fds[1]);
                return r;
        }
        r = new_end(fds[1], false, &client);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(server, NULL, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE, bus_vtable,
                                     &nothing);
        if (r < 0)
                return r;
        r = sd_bus_call_method_async(client, NULL, NULL, NETFLOWD_OBJECT_PATH,
                                     "org.freedesktop.DBus.Introspectable", "Introspect", on_reply, &answer,
                                     "");
        if (r < 0)
                return r;
        r = run(server, client, &answer);
        return r < 0 ? r : cut_interface(answer.xml, ret_xml);
}
