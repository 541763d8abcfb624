#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The service as systemd runs it: what `make install` brings, and how it starts, stops, fails and comes back."""

import json
import re

import image
from service import DROP_IN, NAME, UNIT, assert_balanced, main, until

EXPOSURE_MAX = 3.0  # systemd-analyze security
EX_UNAVAILABLE, EX_NOPERM = 69, 77  # sysexits.h
WARNING, NOTICE, INFO = "4", "5", "6"  # syslog.h


def test_install(service):
    """Installing is not enabling, and nothing of what was built is built again."""
    assert "CC " not in service.installed and "LINK" not in service.installed, service.installed
    assert service.show("LoadState", "UnitFileState", "ActiveState", "NeedDaemonReload") == [
        "loaded", "disabled", "inactive", "no"]
    service.machine.run("getent", "passwd", "netflowd")
    assert_not_started(service)


def assert_not_started(service):
    """While it is not enabled, a call does not start it, and one line says what to do."""
    result = service.ctl("rank", user="alice", check=False)
    assert result.returncode == 1 and not result.stdout, result
    assert re.fullmatch(r"netflowctl: [^\n]*systemctl (enable --now|start) netflowd[^\n]*\n", result.stderr), result
    assert service.show("ActiveState", "NRestarts") == ["inactive", "0"]


def test_enable(service):
    """From disabled to running with the one command that is documented."""
    service.systemctl("disable", "-q", "--now", UNIT)
    assert_not_started(service)
    service.systemctl("enable", "-q", "--now", UNIT)
    assert service.show("ActiveState", "SubState", "UnitFileState") == ["active", "running", "enabled"]
    assert service.ctl("status", user="alice").stdout.count("Capturing: yes") == 1


def test_privileges(service):
    """An own user, just the capabilities that the unit names, no new ones, seccomp."""
    status = dict(line.split(":\t", 1) for line in service.machine.sh(f"cat /proc/{service.pid}/status").splitlines()
                  if ":\t" in line)
    user, group = (service.machine.sh(f"id {option} netflowd").strip() for option in ("-u", "-g"))
    assert user != "0" and status["Uid"].split() == [user] * 4 and status["Gid"].split() == [group] * 4, status
    assert status["Groups"].split() in ([], [group]), status
    unit = (image.ROOT / "systemd/netflowd.service.in").read_text(encoding="utf-8")
    named = set(re.search(r"^AmbientCapabilities=(.+)$", unit, re.MULTILINE)[1].lower().split())
    assert "cap_net_raw" in named and "cap_sys_admin" not in named, named
    for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        held = service.machine.sh(f"capsh --decode={status[which]}").strip().split("=")[1]
        assert set(held.split(",")) == named, (which, held)
    for setting in service.show("AmbientCapabilities", "CapabilityBoundingSet"):
        assert set(setting.split()) == named, setting
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), status


def test_security(service):
    text = service.machine.sh(f"systemd-analyze security --no-pager {UNIT}")
    exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)[1])
    assert exposure <= EXPOSURE_MAX, text
    return f"exposure {exposure}"


def test_rank_as_user(service):
    """iperf3 from this host to another: the right process with the right bytes, for an ordinary user."""
    with service.second_host():
        with service.machine.service("server", "ip", "netns", "exec", "other", "iperf3", "-s"):
            until(lambda: service.machine.sh("ip netns exec other ss -Htln sport = 5201").strip(), "a listener")
            with service.machine.service("load", "iperf3", "-c", "10.9.0.2", "-t", "600", "-b", "50M",
                                         user="alice") as pid:
                def ranked():
                    text = service.ctl("rank", "--limit", "5", "--recent", "5", user="alice").stdout
                    return re.search(rf"^ *{pid} +iperf3 +/usr/bin/iperf3 .*[0-9.]+ MB .* [0-9.]+ MB/s$", text,
                                     re.MULTILINE)

                until(ranked, f"iperf3 ({pid}) in the rank, with megabytes a second")
                row = service.processes("alice")[pid]
            ledger = service.settled()
        counted, row = service.counters(), {**row, **service.processes("alice")[pid]}
    assert (row["name"], row["user"], row["unit"]) == ("iperf3", "alice", "load.service"), row
    for way in ("in", "out"):
        assert abs(row["total"][way] - counted[way]) <= max(0.005 * counted[way], 2000), (way, row, counted)
    assert_balanced(service, ledger)
    return f"{row['total']['out']} of {counted['out']} bytes out"


def test_journal(service):
    """One line when it starts, with what it captures, by what, and under which limits; as fields too."""
    cursor = service.machine.cursor()
    service.systemctl("restart", UNIT)
    stopped, started = service.journal(cursor)
    assert stopped["PRIORITY"] == INFO, stopped
    assert started["PRIORITY"] == INFO and started["_SYSTEMD_UNIT"] == UNIT, started
    status = service.status()
    assert started["NETFLOWD_DEVICE"] == status["Devices"][0]["name"], started
    assert started["NETFLOWD_BACKEND"] == status["Backend"], started
    assert started["NETFLOWD_OWNERS"] in started["MESSAGE"], started
    for field in ("NETFLOWD_CPU_QUOTA_USEC", "NETFLOWD_MEMORY_MAX"):
        assert started[field].isdigit(), started
    assert re.search(r"CPU quota: \S+.*, memory limit: \S+", started["MESSAGE"]), started


def test_losses(service):
    """What the kernel had to drop is counted to the end and told of once, not each second."""
    def drop(least):
        """A stopped daemon, and more packets than its ring can hold."""
        service.systemctl("kill", "-s", "STOP", UNIT)
        service.machine.run("iperf3", "-c", "127.0.0.1", "-u", "-b", "0", "-l", "16", "-k", "200000")
        service.systemctl("kill", "-s", "CONT", UNIT)
        return until(lambda: (now := service.status()["PacketsDropped"]) > least and now, "packets dropped")

    def told():
        return [entry for entry in service.journal(cursor) if "NETFLOWD_DROPPED" in entry]

    service.systemctl("restart", UNIT)
    cursor = service.machine.cursor()
    with service.machine.service("server", "iperf3", "-s"):
        until(lambda: service.machine.sh("ss -Htln sport = 5201").strip(), "a listener")
        first = drop(0)
        entry = service.machine.await_journal(cursor, lambda entry: "NETFLOWD_DROPPED" in entry)
        assert entry["PRIORITY"] == WARNING and 0 < int(entry["NETFLOWD_DROPPED"]) <= first, entry
        second = drop(first)
        assert_balanced(service, service.settled())
    assert len(told()) == 1, told()
    return f"{second} packets dropped"


def test_reload(service):
    with service.chat("alice") as pid:
        cursor, before, books = service.machine.cursor(), service.pid, service.processes()[pid]
        service.systemctl("reload", UNIT)
        assert [entry["MESSAGE"] for entry in service.journal(cursor)][0].startswith("capturing on "), cursor
        assert service.show("ActiveState", "MainPID", "Result") == ["active", str(before), "success"]
        assert service.processes()[pid]["total"]["out"] >= books["total"]["out"] > 0


def test_restart(service):
    before = service.pid
    service.systemctl("restart", UNIT)
    assert service.show("ActiveState", "Result", "NRestarts") == ["active", "success", "0"]
    assert service.pid != before
    service.ctl("rank", user="alice")


def test_stop(service):
    """In time, with success, and with the last signals sent; then systemctl says why it is gone."""
    with service.chat("alice"), service.machine.follow("netflowctl", "monitor", "--json", user="alice") as monitor:
        monitor.wait_json(lambda line: line["signal"] == "RankChanged")
        service.systemctl("stop", UNIT)
        assert monitor.wait_json(lambda line: line["signal"] == "CaptureStopped")["arguments"] == ["requested"]
        monitor.wait(lambda line: "netflowctl: netflowd went away" in line)
    assert service.show("ActiveState", "Result", "ExecMainStatus", "ExecMainCode") == ["inactive", "success", "0", "1"]


def test_killed(service):
    """Restarted by systemd, and served again."""
    cursor, before = service.machine.cursor(), service.pid
    service.machine.run("kill", "-9", before)
    service.await_systemd(cursor, "Started ")
    assert service.show("ActiveState", "NRestarts") == ["active", "1"]
    assert service.pid != before
    service.ctl("rank", user="alice")


def test_watchdog(service):
    """An event loop that stands still is noticed, and the daemon started again."""
    assert service.show("WatchdogUSec") == "30s"
    with service.drop_in("WatchdogSec=1s"):
        service.systemctl("restart", UNIT)
        cursor, before = service.machine.cursor(), service.pid
        service.machine.run("kill", "-STOP", before)
        service.await_systemd(cursor, "Watchdog timeout")
        service.await_systemd(cursor, "Started ")
        assert service.show("ActiveState", "NRestarts") == ["active", "1"]
        assert service.pid != before
    service.systemctl("restart", UNIT)


def test_activation(service):
    """Enabled but stopped: the call of an ordinary user starts it and is answered."""
    service.systemctl("stop", UNIT)
    service.ctl("rank", user="alice")
    assert service.show("ActiveState", "SubState") == ["active", "running"]


def test_bus_restart(service):
    """The bus goes and comes: netflowd stays, with its books, and is served again."""
    with service.chat("alice") as pid:
        before, books = service.pid, service.processes()[pid]["total"]
        cursor = service.machine.cursor()
        service.systemctl("restart", "dbus.service")
        service.machine.await_journal(cursor, lambda entry: entry.get("SYSLOG_IDENTIFIER") == "netflowd"
                                      and "connected to the bus again" in entry["MESSAGE"])
        assert service.show("ActiveState", "MainPID", "NRestarts") == ["active", str(before), "0"]
        total = service.processes("alice")[pid]["total"]
        assert total["since_usec"] == books["since_usec"] and total["out"] >= books["out"], (total, books)
        priorities = {entry["PRIORITY"] for entry in service.journal(cursor)}
        assert priorities <= {NOTICE, WARNING}, service.journal(cursor)


def test_not_permitted(service):
    """Without the capabilities: one line, EX_NOPERM, and no attempt after the other."""
    with service.drop_in("CapabilityBoundingSet=", "AmbientCapabilities="):
        status, said = service.start_fails()
        assert status == EX_NOPERM and "CAP_NET_RAW" in said, (status, said)
        assert service.show("ActiveState", "Result", "NRestarts") == ["failed", "exit-code", "0"]
    service.systemctl("reset-failed", UNIT)


def test_capture_only(service):
    """With CAP_NET_RAW alone it counts, and says what it cannot do."""
    with service.drop_in("CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_NET_RAW",
                         "AmbientCapabilities=", "AmbientCapabilities=CAP_NET_RAW"):
        cursor = service.machine.cursor()
        service.systemctl("restart", UNIT)
        warnings = [entry["MESSAGE"] for entry in service.journal(cursor) if entry["PRIORITY"] == WARNING]
        assert len(warnings) == 1 and "CAP_SYS_PTRACE" in warnings[0], warnings
        service.ctl("rank", user="alice")
    service.systemctl("restart", UNIT)


def test_no_bus(service):
    with service.drop_in("Environment=DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/no-bus", "Restart=no"):
        status, said = service.start_fails()
        assert status == EX_UNAVAILABLE and "bus" in said, (status, said)
    service.systemctl("reset-failed", UNIT)


def test_no_cgroup_files(service):
    """It knows of no limits then, says so, and does its work."""
    with service.drop_in("InaccessiblePaths=/sys/fs/cgroup"):
        cursor = service.machine.cursor()
        service.systemctl("restart", UNIT)
        started = service.journal(cursor)[-1]
        assert "CPU quota: none, memory limit: none" in started["MESSAGE"], started
        assert service.status()["Limits"] == {}, service.status()
    service.systemctl("restart", UNIT)


def test_reboot(service):
    """The machine goes down and netflowd in good order, and both are back."""
    service.machine.reboot()
    assert service.show("ActiveState", "SubState", "NRestarts") == ["active", "running", "0"]
    last = service.machine.run("journalctl", "-q", "-o", "json", "--boot=-1", f"UNIT={UNIT}", "-n", "3").stdout
    messages = [json.loads(line)["MESSAGE"] for line in last.splitlines()]
    assert any("Deactivated successfully" in message for message in messages), messages
    service.ctl("rank", user="alice")


def test_uninstall(service):
    """Running, enabled and with limits of the administrator's: nothing of it stays."""
    service.systemctl("set-property", UNIT, "CPUQuota=50%")
    assert any("netflowd" in path for path in service.files())
    service.make("uninstall")
    after = service.files()
    assert not sorted(set(after) - set(service.before)), sorted(set(after) - set(service.before))
    assert not sorted(set(service.before) - set(after)), sorted(set(service.before) - set(after))
    changed = sorted(path for path in after if after[path] != service.before[path])
    assert not changed, changed
    assert service.show("LoadState", "ActiveState") == ["not-found", "inactive"]
    assert service.machine.run("getent", "passwd", "netflowd", check=False).returncode == 2
    assert not service.machine.run("pgrep", "-x", "netflowd", check=False).stdout
    names = service.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                           "ListActivatableNames")["data"][0]
    assert NAME not in names, names
    assert not service.machine.run("ls", DROP_IN, check=False).stdout


ALWAYS = [test_install, test_enable, test_rank_as_user, test_stop, test_activation, test_bus_restart]
main({"dbus-daemon": [*ALWAYS, test_privileges, test_security, test_journal, test_losses, test_reload, test_restart,
                      test_killed, test_watchdog, test_not_permitted, test_capture_only, test_no_bus,
                      test_no_cgroup_files, test_reboot, test_uninstall],
      "dbus-broker": [*ALWAYS, test_killed, test_reboot, test_uninstall]})
