#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rank by something else than processes, and in another order."""

import subprocess

from harness import (INTERFACE, NAME, OBJECT, assert_balanced, beside_loopback, busy, daemon_on, hosts, main, sh, traffic,
                     until_split)

NOBODY = ["setpriv", "--reuid=65534", "--clear-groups"]


def rank_by(daemon, what, *words):
    return daemon.json("rank", "--by", what, "--limit", "0", "--recent", "300", *words)


def bytes_of(row):
    return row["traffic_stats"]["in"] + row["traffic_stats"]["out"]


def test_sums(build):
    """Each way to look at it comes to the same sum: of all that processes had, or of all that was seen."""
    with hosts() as (a, b), daemon_on(a, build) as daemon, traffic(a) as client, traffic(b) as server:
        server.tell("udp", "s", "10.9.0.2", 7000)
        server.tell("listen", "l", "fd09::2", 8000)
        client.tell("udp", "c", "10.9.0.1", 0)
        client.tell("send", "c", "10.9.0.2", 7000, 10, 1000)
        client.tell("send", "c", "10.9.0.2", 7001, 3, 100)  # answered by ICMP
        client.tell("connect", "t", "fd09::2", 8000)
        server.tell("accept", "t", "l")
        client.tell("write", "t", 100000)
        server.tell("read", "t", 100000)
        ledger = daemon.in_windows()
        assert_balanced(daemon, ledger)
        for what in ("process", "app", "unit", "user"):
            rows = rank_by(daemon, what)
            assert sum(map(bytes_of, rows)) == ledger["attributed"], (what, rows, ledger)
        by_protocol = {row.get("protocol"): row for row in rank_by(daemon, "protocol")}
        assert set(by_protocol) == {"udp", "tcp", "icmp"}, by_protocol
        assert by_protocol["udp"]["total"] == {**by_protocol["udp"]["total"], "in": 0, "packets_out": 13,
                                               "out": 10 * 1028 + 3 * 128}
        by_remote = {row.get("remote"): row for row in rank_by(daemon, "remote")}
        assert set(by_remote) == {"10.9.0.2", "fd09::2"}, by_remote
        interface, = rank_by(daemon, "interface")
        assert interface["interface"] == "v0" and bytes_of(interface) == ledger["seen"], (interface, ledger)
        for rows in (by_protocol, by_remote):
            assert sum(map(bytes_of, rows.values())) == ledger["seen"], (rows, ledger)
        counted = a.counters("v0")
        assert (interface["total"]["in"], interface["total"]["out"]) == (counted["in"], counted["out"])
        user, = rank_by(daemon, "user")
        assert (user["user"], user["uid"], user["processes"]) == ("root", 0, 1), user
        table = daemon.ctl("rank", "--by", "protocol").stdout.splitlines()
        assert table[0].split() == ["PROTOCOL", "SUM", "IN", "SUM", "OUT", "IN", "RATE", "OUT", "RATE"], table
        table = daemon.ctl("rank", "--by", "app").stdout.splitlines()
        assert table[0].split()[:2] == ["APP", "PROCS"] and "python3" in table[1], table


def test_sort(build):
    """Who sent most is not who received most."""
    with busy(build) as (daemon, client):
        for key, first in (("out", True), ("in", False)):
            rows = daemon.json("rank", "--sort", key, "--recent", "300")
            assert (rows[0]["pid"] == client.pid) is first, (key, rows)


def test_loopback(build):
    """Without it, each way to look at it comes to what the cable has counted, and it is as if nothing else had been."""
    with hosts() as (a, b), daemon_on(a, build) as daemon, beside_loopback(a, b) as processes:
        both, inner, outer = processes
        until_split(daemon, processes)
        assert_balanced(daemon, daemon.in_windows())
        counted = a.counters("v0")
        for what, label, count in (("process", "pid", 2), ("app", "name", 1), ("unit", "unit", 1), ("user", "user", 1),
                                   ("interface", "interface", 1), ("remote", "remote", 1), ("protocol", "protocol", 1)):
            rows = rank_by(daemon, what, "--no-loopback")
            assert len(rows) == count and sum(map(bytes_of, rows)) == counted["out"], (what, rows, counted)
            if what in ("app", "unit", "user"):
                assert rows[0]["processes"] == 2 and rank_by(daemon, what)[0]["processes"] == 3, (what, rows)
            elif what != "process":
                assert rows[0][label] == {"interface": "v0", "remote": "10.9.0.2", "protocol": "udp"}[what], rows
        assert [row["pid"] for row in rank_by(daemon, "process", "--no-loopback")] == [outer.pid, both.pid]
        assert [row["pid"] for row in rank_by(daemon, "process")] == [both.pid, inner.pid, outer.pid]
        assert {row["interface"] for row in rank_by(daemon, "interface")} == {"lo", "v0"}
        lines = daemon.ctl("rank", "--csv", "--no-loopback").stdout.splitlines()
        assert [line.split(",")[0] for line in lines] == ["pid", str(outer.pid), str(both.pid)], lines
        with subprocess.Popen([f"{build}/netflowctl", "rank", "--no-loopback", "--watch", "--no-legend"], text=True,
                              env=daemon.environment, stdout=subprocess.PIPE) as watch:
            lines = [watch.stdout.readline() for _ in range(3)]
            watch.terminate()
        assert str(inner.pid) not in {line.split()[0] for line in lines if line.strip()}, lines


def test_errors(build):
    with busy(build) as (daemon, _):
        for words, status, said in ((["--by", "phase"], 2, "process, app, unit"), (["--sort", "name"], 2, "total, in")):
            result = daemon.ctl("rank", *words, check=False, stderr=subprocess.PIPE)
            assert result.returncode == status and said in result.stderr, result
        for arguments, said in ((["phase", "5", "5", "0"], "process, app, unit"), (["app", "5", "0", "0"], "1..300"),
                                (["app", "5", "301", "0"], "1..300"), (["app", "5", "5", "1", "sort", "s", "x"], "total, in"),
                                (["app", "5", "5", "1", "sort", "u", "1"], "sort"),
                                (["app", "5", "5", "1", "loopback", "s", "no"], "loopback"),
                                (["app", "5", "5", "1", "what", "s", "x"], "what")):
            result = subprocess.run(["busctl", f"--address={daemon.address}", "call", NAME, OBJECT, INTERFACE, "GetRank",
                                     "suua{sv}", *arguments], check=False, text=True, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
            assert result.returncode != 0 and said in result.stderr, (arguments, result)


def test_other_user(build):
    """Everyone sees who uses the network, and not what programs they run nor whom they talk to."""
    with busy(build) as (daemon, _):
        for what, private in (("app", "exe"), ("unit", "cgroup"), ("user", "exe"), ("interface", "remote"),
                              ("protocol", "remote")):
            output = sh([*NOBODY, f"{build}/netflowctl", "rank", "--by", what, "--json"], env=daemon.environment)
            assert "traffic_stats" in output and f'"{private}"' not in output, (what, output)
        result = subprocess.run([*NOBODY, f"{build}/netflowctl", "rank", "--by", "remote"], env=daemon.environment,
                                check=False, text=True, stderr=subprocess.PIPE)
        assert result.returncode == 1 and "org.netflowd1.inspect" in result.stderr, result


main([test_sums, test_sort, test_loopback, test_errors, test_other_user])
