#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""All of the bytes where other tools show none, and never a byte to the wrong process."""

from harness import alone, assert_balanced, daemon_on, hosts, main, set_next_pid, traffic, until

V4, V6 = ("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")


def assert_all(daemon, process, counted):
    """The interface moved just these bytes, and all of them are this process's."""
    ledger = daemon.settled()
    assert ledger["seen"] == counted["in"] + counted["out"], (ledger, counted)
    row = daemon.row(process.pid)
    assert row, "not in the rank"
    assert {key: row["total"][key] for key in ("in", "out")} == counted, (row, counted)
    assert_balanced(daemon, ledger)


def datagrams(build, bind, pairs, count, size):
    """An unconnected client on one side, a server on the other; each has all the bytes of its side."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, daemon_on(b, build) as on_b, \
            traffic(a) as client, traffic(b) as server:
        server.tell("udp", "s", bind, 7000)
        for address in pairs:
            client.tell("udp", "c" + address, "::" if ":" in address else "0.0.0.0", 0)
            client.tell("send", "c" + address, address, 7000, count, size)
            server.tell("read", "s", count * size)
        assert_all(on_a, client, a.counters("v0"))
        assert_all(on_b, server, b.counters("v0"))


def test_udp_wildcard_v4(build):
    datagrams(build, "0.0.0.0", [V4[1]], 200, 500)


def test_udp_wildcard_v6(build):
    datagrams(build, "::", [V6[1]], 200, 500)


def test_udp_dual_stack(build):
    """One socket, reached over IPv6 and IPv4."""
    datagrams(build, "::", [V6[1], V4[1]], 200, 500)


def test_fragments(build):
    """8000 bytes do not fit into a packet: six fragments, five of which name no port."""
    datagrams(build, "::", [V6[1], V4[1]], 100, 8000)


def test_tcp_dual_stack(build):
    """A connection over IPv4 to an IPv6 socket, closed by the client; both sides have all of it."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, daemon_on(b, build) as on_b, \
            traffic(a) as client, traffic(b) as server:
        server.tell("listen", "l", "::", 8000)
        client.tell("connect", "c", V4[1], 8000)
        server.tell("accept", "s", "l")
        client.tell("write", "c", 1000000)
        server.tell("read", "s", 1000000)
        server.tell("write", "s", 300000)
        client.tell("read", "c", 300000)
        assert_all(on_a, client, a.counters("v0"))
        assert_all(on_b, server, b.counters("v0"))
        client.tell("close", "c")
        server.tell("read", "s", 1)  # the end
        server.tell("close", "s")
        assert_all(on_a, client, a.counters("v0"))
        assert_all(on_b, server, b.counters("v0"))


def test_loopback(build):
    """Out to the one side, in to the other: TCP and UDP, v4 and v6."""
    with hosts(1) as (a,), daemon_on(a, build) as on_a, traffic(a) as client, traffic(a) as server:
        server.tell("listen", "l", "::", 8000)
        server.tell("udp", "u", "::", 8001)
        for address in ("127.0.0.1", "::1"):
            client.tell("connect", "c" + address, address, 8000)
            server.tell("accept", "s" + address, "l")
            client.tell("write", "c" + address, 500000)
            server.tell("read", "s" + address, 500000)
            client.tell("udp", "u" + address, address, 0)
            client.tell("send", "u" + address, address, 8001, 50, 1000)
            server.tell("read", "u", 50000)
        ledger, lo = on_a.settled(), a.counters("lo")
        assert ledger["seen"] == lo["in"] + lo["out"] == ledger["attributed"], (ledger, lo)
        sent, received = on_a.row(client.pid)["total"], on_a.row(server.pid)["total"]
        assert (sent["out"], sent["in"]) == (received["in"], received["out"]), (sent, received)
        assert sent["out"] > 1100000
        assert sent["in"] + sent["out"] == lo["in"]
        assert_balanced(on_a, ledger)


def test_exit_keeps_the_books(build):
    """A process that exits stays, with its totals as they were."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, traffic(b) as server:
        server.tell("udp", "s", "0.0.0.0", 7000)
        with traffic(a) as client:
            client.tell("udp", "c", "0.0.0.0", 0)
            client.tell("send", "c", V4[1], 7000, 100, 500)
            on_a.settled()
            before = on_a.row(client.pid)
            assert before["state"] in "RSD"
        until(lambda: on_a.row(client.pid)["state"] == "exited", "an exit in the rank")
        after = on_a.row(client.pid)
        assert after["total"] == before["total"] and after["total"]["out"] == 100 * 528, (before, after)
        assert_balanced(on_a, on_a.settled())


@alone
def test_pid_reuse(build):
    """Two processes of one pid, one after the other: two rows, each with its own bytes."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, traffic(b) as server:
        server.tell("udp", "s", "0.0.0.0", 7000)
        with traffic(a) as first:
            pid = first.pid
            first.tell("udp", "c", "0.0.0.0", 6000)
            first.tell("send", "c", V4[1], 7000, 100, 500)
            on_a.settled()
        for _ in range(50):  # somebody else may take the number in between
            set_next_pid(pid)
            with traffic(a) as second:
                if second.pid != pid:
                    continue
                second.tell("udp", "c", "0.0.0.0", 6000)  # the same port, too
                second.tell("send", "c", V4[1], 7000, 30, 500)  # on the same flow: whose, nothing tells for sure
                on_a.settled()
                second.tell("send", "c", V4[1], 7000, 40, 500)
                ledger = on_a.settled()
                rows = sorted((row["start_time_usec"], row["total"]["out"], row["state"]) for row in on_a.rank()
                              if row.get("pid") == pid)
                assert len(rows) == 2 and rows[0][0] < rows[1][0], rows
                assert rows[0][1:] == (100 * 528, "exited"), rows
                assert 40 * 528 <= rows[1][1] <= 70 * 528, rows
                assert_balanced(on_a, ledger)
                return f"the second has {rows[1][1]} of {70 * 528} bytes"
        raise AssertionError("the pid was never given again")


def assert_no_more(daemon, moved, ledger):
    """No process has more than it moved (by pid), and the books are in balance. Returns how much they have."""
    notes = []
    for pid, truth in moved.items():
        row = daemon.row(pid)
        got = row["total"]["in"] + row["total"]["out"] if row else 0
        assert got <= truth, (pid, got, moved)
        notes.append(f"{100 * got / truth:.1f} %")
    assert_balanced(daemon, ledger)
    return "attributed: " + ", ".join(notes)


def test_tuple_reuse(build):
    """The same 5-tuple, used by one process after the other at once: unknown is allowed, too much for one is not."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, traffic(b) as server:
        server.tell("listen", "l", "0.0.0.0", 8000)
        server.tell("udp", "u", "0.0.0.0", 7000)
        truth = {}
        for turn, size in enumerate((400000, 100000, 200000)):
            with traffic(a) as client:
                before = a.counters("v0")
                client.tell("connect", "c", V4[1], 8000, 5000)
                server.tell("accept", f"s{turn}", "l")
                client.tell("write", "c", size)
                server.tell("read", f"s{turn}", size)
                if turn != 1:  # that one is over before anybody could look
                    on_a.settled()
                client.tell("reset", "c")
                client.tell("udp", "d", "0.0.0.0", 5000)
                client.tell("send", "d", V4[1], 7000, 20, 1000)
                server.tell("read", "u", 20000)
                after = a.counters("v0")
                truth[client.pid] = after["in"] + after["out"] - before["in"] - before["out"]
        ledger = on_a.settled()
        return assert_no_more(on_a, truth, ledger)


def test_tuple_contest(build):
    """A connection that is over at once, and then another process's on the same 5-tuple, while the packets of the
    first are still being read: none of them goes to the second."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, traffic(b) as server, traffic(a) as one, traffic(a) as two:
        server.tell("listen", "l", "0.0.0.0", 8000)
        moved = {one.pid: 0, two.pid: 0}
        for turn in range(60):
            client, size = ((one, 60000), (two, 1000))[turn % 2]
            before = a.counters("v0")
            client.tell("connect", "c", V4[1], 8000, 5000)
            server.tell("accept", "s", "l")
            client.tell("write", "c", size)
            server.tell("read", "s", size)
            if client is two:
                until(lambda: on_a.ledger()["unattributed-pending"] == 0, "an owner for what is pending")
            client.tell("reset", "c")
            server.tell("read", "s", 1)  # until the reset is there
            server.tell("close", "s")
            after = a.counters("v0")
            moved[client.pid] += after["in"] + after["out"] - before["in"] - before["out"]
        ledger = on_a.settled()
        return assert_no_more(on_a, moved, ledger)


def test_port_contest(build):
    """A UDP port that goes from hand to hand while the datagrams of the one before are still being read: theirs has
    no SYN, and none of them goes to the next one either, whether it stays to be found or is gone at once, too."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, traffic(b) as server, traffic(a) as one, traffic(a) as two:
        server.tell("udp", "s", "0.0.0.0", 7000)
        moved = {one.pid: 0, two.pid: 0}
        for turn in range(60):
            client, count = ((one, 40), (two, 1))[turn % 2]
            client.tell("udp", "c", "0.0.0.0", 5000)
            client.tell("send", "c", V4[1], 7000, count, 1000)
            server.tell("read", "s", count * 1000)
            moved[client.pid] += count * 1028
            if turn % 4 == 3:
                until(lambda: on_a.ledger()["unattributed-pending"] == 0, "an owner for what is pending")
            client.tell("close", "c")
        one.tell("udp", "c", "0.0.0.0", 5000)  # and this is plain again

        def attributed(count):
            """How many more bytes that process has, when it has sent so many datagrams more."""
            before = on_a.row(one.pid)
            one.tell("send", "c", V4[1], 7000, count, 1000)
            moved[one.pid] += count * 1028
            on_a.settled()
            row = on_a.row(one.pid)
            return (row["total"]["out"] if row else 0) - (before["total"]["out"] if before else 0)

        until(lambda: attributed(1) == 1028, "the flow being asked about anew")  # a second after it was in vain
        assert attributed(10) == 10280, on_a.row(one.pid)
        ledger = on_a.ledger()
        assert a.counters("v0")["out"] == sum(moved.values()) == ledger["seen"], (moved, ledger)
        return assert_no_more(on_a, moved, ledger)


def test_inherited_socket(build):
    """A child that has its parent's connection writes into it: nobody else's, and no more to either than it moved."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, traffic(b) as server, traffic(a) as client:
        server.tell("listen", "l", "0.0.0.0", 8000)
        client.tell("connect", "c", V4[1], 8000)
        server.tell("accept", "s", "l")
        client.tell("write", "c", 100000)
        server.tell("read", "s", 100000)
        on_a.settled()
        own = a.counters("v0")
        child = int(client.tell("fork", "c", 300000))
        server.tell("read", "s", 300000)
        ledger = on_a.settled()
        counted = a.counters("v0")
        assert {row.get("pid") for row in on_a.rank()} <= {client.pid, child}
        row = on_a.row(child)
        assert not row or row["total"]["out"] <= counted["out"] - own["out"], (row, own, counted)
        assert_balanced(on_a, ledger)


main([test_udp_wildcard_v4, test_udp_wildcard_v6, test_udp_dual_stack, test_fragments, test_tcp_dual_stack,
      test_loopback, test_exit_keeps_the_books, test_pid_reuse, test_tuple_reuse, test_tuple_contest,
      test_port_contest, test_inherited_socket])
