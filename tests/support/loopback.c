/* SPDX-License-Identifier: MIT */
#include "support/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"

uint16_t loopback_port(int fd) {
        struct sockaddr_in address;
        socklen_t length = sizeof(address);

        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &length), 0);
        return ntohs(address.sin_port);
}

int loopback_socket(int type, uint16_t port) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), yes = 1;

        assert_true(fd >= 0);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

int loopback_listener(void) {
        int fd = loopback_socket(SOCK_STREAM, 0);

        assert_int_equal(listen(fd, 64), 0);
        return fd;
}

struct flow_key loopback_key(uint16_t local, uint16_t remote) {
        struct flow_key key = {.local_port = local, .remote_port = remote, .protocol = IPPROTO_TCP};

        assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &key.local), 1);
        key.remote = key.local;
        return key;
}

struct loopback_end loopback_connect(uint16_t local, int listener) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(loopback_port(listener))};
        struct loopback_end end = {.fd = loopback_socket(SOCK_STREAM, local)};

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(connect(end.fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        end.key = loopback_key(loopback_port(end.fd), loopback_port(listener));
        return end;
}

void loopback_reset(int fd) {
        const struct linger at_once = {.l_onoff = 1};

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
        close(fd);
}
