#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who may see and do what: real buses with the installed policy, real polkit, and ordinary users."""

import contextlib
import json
import re
import xml.etree.ElementTree

from image import ROOT
from service import INTERFACE, NAME, OBJECT, RULE, main

PRIVATE = {"exe", "cgroup", "inodes"}
PUBLIC = {"pid", "name", "state", "uid", "user", "unit", "inode_count", "traffic_stats", "total"}
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
BUS_SAYS = {"dbus-daemon": "Rejected send message", "dbus-broker": "Sender is not authorized to send message"}
PROPERTIES = "org.freedesktop.DBus.Properties"

# A user's session at the machine, for as long as a command takes: pam_systemd(8).
PAM = "account required pam_permit.so\nsession required pam_systemd.so\n"
AT_THE_MACHINE = ["-p", "PAMName=netflowd-test", "-E", "XDG_SEAT=seat0", "-E", "XDG_SESSION_CLASS=user",
                  "-E", "XDG_SESSION_TYPE=tty"]


@contextlib.contextmanager
def polkit_says_yes(service, action, user):
    """A rule as an administrator writes it; in force within, and no more when that is left."""
    service.systemctl("start", "polkit")

    def reloaded(cursor):
        service.machine.await_journal(cursor, lambda entry: entry.get("SYSLOG_IDENTIFIER") == "polkitd"
                                      and "Finished loading" in entry["MESSAGE"])

    cursor = service.machine.cursor()
    service.machine.write(RULE, f'polkit.addRule(function(action, subject) {{ if (action.id == "{action}" && '
                                f'subject.user == "{user}") return polkit.Result.YES; }});\n')
    reloaded(cursor)
    try:
        yield
    finally:
        cursor = service.machine.cursor()
        service.machine.run("rm", RULE)
        reloaded(cursor)


def assert_sees(row, private):
    """All that is public, and what is private or nothing of it."""
    assert PUBLIC <= set(row), row
    assert set(row) & PRIVATE == (PRIVATE if private else set()), row


def assert_denied(service, *words, user="alice"):
    """By netflowd, not by the bus: one line, which names the action that would be needed."""
    result = service.ctl(*words, user=user, check=False)
    assert result.returncode == 1, (words, result)
    assert re.fullmatch(r"netflowctl: access denied: [^\n]*org\.netflowd1\.[^\n]*\n", result.stderr), (words, result)
    assert BUS_SAYS[service.bus] not in result.stderr, (words, result)


def flows(service, pid, user):
    return service.call("ListFlows", "ua{sv}", pid, 0, user=user)[0]


def test_others_processes(service):
    """An ordinary user sees who has how much traffic; of their own processes everything, of others' nothing private."""
    with service.chat("alice") as alices, service.chat("bob") as bobs, service.chat("root") as roots:
        for user, own in (("alice", {alices}), ("bob", {bobs}), ("root", {alices, bobs, roots})):
            rows = {row["pid"]["data"]: row for row in service.call("GetProcessRank", "uu", 0, 300, user=user)[0]}
            for pid in (alices, bobs, roots):
                assert_sees(rows[pid], pid in own)
                assert_sees(service.call("GetProcess", "u", pid, user=user)[0], pid in own)
        assert service.processes("bob")[alices]["unit"] == "chat-alice.service"
        text = service.ctl("rank", "--recent", "300", user="alice").stdout
        assert re.search(rf"^ *{alices} +chat.py +/usr/bin/python3", text, re.MULTILINE), text
        assert re.search(rf"^ *{bobs} +chat.py +-", text, re.MULTILINE), text


def test_flows(service):
    with service.chat("alice") as alices, service.chat("bob") as bobs:
        for user, pid in (("alice", alices), ("bob", bobs), ("root", alices)):
            found = flows(service, pid, user)
            assert len(found) == 1 and found[0]["local"] == found[0]["remote"], found
        assert_denied(service, "flows", bobs)
        # those of an earlier case may not be known to have exited yet
        found = {flow["pid"]["data"] for flow in flows(service, 0, "alice")}
        assert alices in found and bobs not in found, found


def test_control(service):
    """Stopping and starting is root's; who is not has changed nothing."""
    assert_denied(service, "stop")
    assert_denied(service, "start")
    assert ACCESS_DENIED in send(service, "alice", f"{INTERFACE}.StopCapture").stderr
    assert service.status()["Capturing"] is True
    with service.machine.follow("netflowctl", "monitor", "--json", user="alice") as monitor, service.chat("alice"):
        monitor.wait_json(lambda line: line["signal"] == "RankChanged")
        service.ctl("stop")
        monitor.wait_json(lambda line: line["signal"] == "CaptureStopped" and line["arguments"] == ["requested"])
        assert service.status()["Capturing"] is False
        service.ctl("start")
        monitor.wait_json(lambda line: line["signal"] == "CaptureStarted")
    assert service.status()["Capturing"] is True


def test_polkit_inspect(service):
    """What a rule grants holds for whom it names, and is taken back with it."""
    with service.chat("bob") as bobs, service.chat("root") as roots:
        assert_sees(service.processes("alice")[bobs], False)
        with polkit_says_yes(service, "org.netflowd1.inspect", "alice"):
            assert_sees(service.processes("alice")[bobs], True)
            assert_sees(service.processes("bob")[roots], False)
            assert len(flows(service, bobs, "alice")) == 1
            assert_denied(service, "stop")
        assert_sees(service.processes("alice")[bobs], False)
        assert_denied(service, "flows", bobs)


def test_polkit_kept_connection(service):
    """An applet asks each second on one connection; it too sees what is granted and what is taken back."""
    with service.chat("bob") as bobs:
        with service.machine.follow("netflowctl", "rank", "--json", "--recent", "300", "--watch", "1",
                                    user="alice") as rank:
            def shown(private):
                def check(rows):
                    row = next((row for row in rows if row.get("pid") == bobs), None)
                    return row is not None and ("exe" in row) == private

                return rank.wait_json(check)

            shown(False)
            with polkit_says_yes(service, "org.netflowd1.inspect", "alice"):
                shown(True)
            shown(False)


def test_polkit_manage(service):
    with polkit_says_yes(service, "org.netflowd1.manage", "alice"):
        service.ctl("stop", user="alice")
        assert service.status()["Capturing"] is False
        assert_denied(service, "start", user="bob")
        service.ctl("start", user="alice")
        assert service.status()["Capturing"] is True
    assert_denied(service, "stop")
    assert service.status()["Capturing"] is True


def test_active_session(service):
    """Who sits at the machine may look, and is not asked for a password; and may not stop it."""
    service.machine.write("/etc/pam.d/netflowd-test", PAM)
    with service.chat("bob") as bobs:
        def at_the_machine(*words):
            return service.machine.run("systemd-run", "-q", "--wait", "--pipe", "--collect", "--uid=alice",
                                       *AT_THE_MACHINE, *words, check=False)

        rows = json.loads(at_the_machine("netflowctl", "rank", "--limit", "0", "--recent", "300", "--json").stdout)
        assert_sees(next(row for row in rows if row["pid"] == bobs), True)
        result = at_the_machine("netflowctl", "stop")
        assert result.returncode == 1 and "org.netflowd1.manage" in result.stderr, result
        assert_sees(service.processes("alice")[bobs], False)


def assert_without_polkit(service, bobs, roots):
    """Root, and one's own: and all is answered."""
    rows = service.processes("bob")
    assert_sees(rows[bobs], True)
    assert_sees(rows[roots], False)
    assert len(flows(service, bobs, "bob")) == 1
    assert_denied(service, "flows", roots, user="bob")
    assert_denied(service, "stop")
    service.ctl("stop")
    service.ctl("start")
    assert_sees(service.processes("root")[bobs], True)


def test_polkit_masked(service):
    with service.chat("bob") as bobs, service.chat("root") as roots:
        service.systemctl("mask", "-q", "--runtime", "--now", "polkit")
        assert_without_polkit(service, bobs, roots)


def test_polkit_hangs(service):
    """A polkit that does not answer holds up nobody else, and only for a while who needs it."""
    with service.chat("bob") as bobs, service.chat("root") as roots:
        service.systemctl("start", "polkit")
        service.systemctl("kill", "-s", "STOP", "polkit")
        try:
            with service.machine.follow("busctl", "--allow-interactive-authorization=no", "call", NAME, OBJECT,
                                        INTERFACE, "StopCapture", user="alice") as refused:
                rows = service.processes("root")
                assert_sees(rows[bobs], True)
                assert_sees(service.processes("bob")[roots], False)
                refused.wait(lambda line: "Access denied" in line)
        finally:
            service.systemctl("kill", "-s", "CONT", "polkit")
        assert service.status()["Capturing"] is True


def is_bus_refusal(service, result):
    return ACCESS_DENIED in result.stderr and BUS_SAYS[service.bus] in result.stderr


def send(service, user, member, *arguments):
    return service.machine.run("dbus-send", "--system", "--print-reply", f"--dest={NAME}", OBJECT, member, *arguments,
                               user=user, check=False)


def test_policy(service):
    """The bus lets through what the policy names, and nothing else."""
    interface = xml.etree.ElementTree.parse(ROOT / "dbus/org.netflowd1.Manager.xml").find("interface")
    methods = [method.get("name") for method in interface.findall("method")]
    assert "GetProcessRank" in methods, methods
    for method in methods:
        result = send(service, "alice", f"{INTERFACE}.{method}")
        assert not is_bus_refusal(service, result), (method, result)
    for member, *arguments in ((f"{PROPERTIES}.Get", f"string:{INTERFACE}", "string:Version"),
                               (f"{PROPERTIES}.GetAll", f"string:{INTERFACE}"),
                               ("org.freedesktop.DBus.Introspectable.Introspect",),
                               ("org.freedesktop.DBus.Peer.Ping",)):
        result = send(service, "alice", member, *arguments)
        assert result.returncode == 0, (member, result)
    for member, *arguments in ((f"{INTERFACE}.NoSuchMethod",), ("org.example.Other.GetProcessRank",),
                               (f"{PROPERTIES}.Set", f"string:{INTERFACE}", "string:Filter", "variant:string:x"),
                               ("org.freedesktop.DBus.ObjectManager.GetManagedObjects",)):
        result = send(service, "alice", member, *arguments)
        assert is_bus_refusal(service, result), (member, result)
        assert not is_bus_refusal(service, send(service, "root", member, *arguments)), member


def request_name(service, user):
    return service.machine.run("dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus",
                               "/org/freedesktop/DBus", "org.freedesktop.DBus.RequestName", f"string:{NAME}",
                               "uint32:4", user=user, check=False)


def test_name(service):
    """Nobody but netflowd and root may be org.netflowd1; and there is one of it."""
    for user in ("alice", "bob"):
        result = request_name(service, user)
        assert result.returncode != 0 and ACCESS_DENIED in result.stderr, result
    assert "uint32 3" in request_name(service, "root").stdout  # DBUS_REQUEST_NAME_REPLY_EXISTS
    result = service.machine.run("/usr/local/sbin/netflowd", check=False)
    assert result.returncode == 69 and "is another netflowd running?" in result.stderr, result
    service.ctl("rank", user="alice")


def test_signals(service):
    """Everybody hears them, and nothing private is in them."""
    with service.machine.follow("netflowctl", "monitor", "--json", user="alice") as monitor:
        with service.chat("bob") as bobs:
            begun = monitor.wait_json(lambda line: line["signal"] == "ProcessesChanged"
                                      and any(row.get("pid") == bobs for row in line["arguments"][0]))
            rank = monitor.wait_json(lambda line: line["signal"] == "RankChanged"
                                     and any(row.get("pid") == bobs for row in line["arguments"][1]))
        exited = monitor.wait_json(lambda line: line["signal"] == "ProcessesChanged"
                                   and any(row.get("pid") == bobs for row in line["arguments"][1]))
    for rows in (*begun["arguments"][:2], rank["arguments"][1], *exited["arguments"][:2]):
        for row in rows:
            assert not set(row) & PRIVATE, row


def test_many_callers(service):
    """A hundred and fifty calls at a time, each from a connection that polkit is asked about, are all answered."""
    with service.chat("bob") as bobs:
        script = ("for i in $(seq 150); do netflowctl rank --recent 300 > /dev/null & all=\"$all $!\"; done; "
                  "for one in $all; do wait $one && echo ok || echo failed; done")
        with service.machine.follow("sh", "-c", script, user="alice") as callers:
            assert_sees(service.processes("root")[bobs], True)
            for _ in range(150):
                assert callers.wait(lambda line: line) == "ok", callers.seen


ALWAYS = [test_others_processes, test_flows, test_control, test_polkit_inspect, test_polkit_masked, test_policy,
          test_name, test_signals]
main({"dbus-daemon": [*ALWAYS, test_polkit_kept_connection, test_polkit_manage, test_active_session,
                      test_polkit_hangs, test_many_callers],
      "dbus-broker": [*ALWAYS, test_polkit_manage]})
