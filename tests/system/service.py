# SPDX-License-Identifier: MIT
"""netflowd as it is installed on a machine, its users and its traffic; and what runs the cases."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

import image  # pylint: disable=wrong-import-position
import machine  # pylint: disable=wrong-import-position
# pylint: disable-next=wrong-import-position,unused-import
from harness import INTERFACE, NAME, OBJECT, Daemon, assert_balanced, until

UNIT = "netflowd.service"
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"
RULE = "/etc/polkit-1/rules.d/10-netflowd-test.rules"
SOURCES = "/usr/src/netflowd"
USERS = ("alice", "bob")

# What others write while netflowd is installed and taken out again: below these folders,
OTHERS_FOLDERS = ("/dev", "/proc", "/sys",
                  "/run", "/tmp", "/var/tmp",     # gone with the machine
                  "/var/log/journal",             # the journal
                  "/var/lib/systemd",             # timers, the random seed
                  "/var/lib/private", "/root",    # polkitd's state; this test's own
                  "/home", SOURCES)
# and these files.
OTHERS_FILES = ("/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-",  # backups that useradd(8) keeps
                "/etc/.pwd.lock", "/etc/machine-id", "/etc/.updated", "/var/.updated",
                "/etc/systemd/system.control",  # of `systemctl set-property`; what it had for netflowd is gone
                "/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", "/var/log/faillog")


class Service(Daemon):  # pylint: disable=too-many-public-methods
    """The netflowd of a machine, and the ways to ask it."""

    def __init__(self, on, bus, build):  # pylint: disable=super-init-not-called
        self.machine, self.bus, self.build = on, bus, build
        self.before, self.installed = None, None

    # --- asking it
    def ctl(self, *words, check=True, user=None):  # pylint: disable=arguments-differ
        return self.machine.run("netflowctl", *words, check=check, user=user)

    def busctl(self, *words, user=None, check=True):  # pylint: disable=arguments-differ
        result = self.machine.run("busctl", "--json=short", *words, user=user, check=check)
        return json.loads(result.stdout) if result.returncode == 0 and result.stdout.strip() else result

    def call(self, method, *arguments, user=None):
        """What it answers, in JSON; asserts that it does."""
        return self.busctl("call", NAME, OBJECT, INTERFACE, method, *arguments, user=user)["data"]

    def processes(self, user=None):
        """Rows of the rank by pid, as that user sees them."""
        rows = json.loads(self.ctl("rank", "--limit", "0", "--recent", "300", "--json", user=user).stdout)
        return {row["pid"]: row for row in rows if "pid" in row}

    def row_of(self, pid, user=None):
        """Once it has had traffic: that it is known may be told before."""
        def moved():
            row = self.processes(user).get(pid)
            return row if row and row["total"]["in"] + row["total"]["out"] > 0 else None

        return until(moved, f"process {pid} in the rank")

    @property
    def pid(self):
        return int(self.show("MainPID"))

    def show(self, *properties):
        return self.machine.show(UNIT, *properties)

    def systemctl(self, *words, check=True):
        return self.machine.run("systemctl", *words, check=check)

    def journal(self, cursor):
        """What it has said since."""
        return [entry for entry in self.machine.journal(cursor, f"--unit={UNIT}")
                if entry.get("SYSLOG_IDENTIFIER") == "netflowd"]

    def await_systemd(self, cursor, words):
        """systemd's own message about the unit."""
        return self.machine.await_journal(cursor, lambda entry: entry.get("UNIT") == UNIT
                                          and words in entry["MESSAGE"])

    # --- installing, and how each case finds it
    def prepare(self):
        for user in USERS:
            self.machine.run("useradd", "--create-home", user)
        self.before = self.files()
        self.installed = self.make("install")

    def make(self, target):
        """As the README says, with the settings that it was built with: nothing is to be built again."""
        settings = (self.machine.root / SOURCES[1:] / self.build / "settings").read_text(encoding="utf-8")
        werror = "WERROR=1" if "-Werror" in settings else "WERROR="
        return self.machine.run("make", "-C", SOURCES, f"BUILD={self.build}", werror, target).stdout

    def restore(self):
        """Enabled and running, as if nothing had been done to it."""
        self.machine.sh(f"rm -f {DROP_IN} {RULE}; systemctl unmask -q --runtime polkit; systemctl daemon-reload; "
                        f"systemctl reset-failed; systemctl enable -q {UNIT}; systemctl start {UNIT}")

    @contextlib.contextmanager
    def drop_in(self, *lines):
        """Other settings, from its next start on."""
        self.machine.write(DROP_IN, "\n".join(["[Service]", *lines, ""]))
        self.systemctl("daemon-reload")
        try:
            yield
        finally:
            self.machine.sh(f"rm {DROP_IN}; systemctl daemon-reload")

    def start_fails(self):
        """Starts it, which is to fail; gives its exit status and the one error it has told of."""
        self.systemctl("stop", UNIT)
        cursor = self.machine.cursor()
        assert self.systemctl("start", UNIT, check=False).returncode != 0, "it has started"
        said = [entry["MESSAGE"] for entry in self.journal(cursor) if entry["PRIORITY"] <= "3"]
        assert len(said) == 1, said
        return int(self.show("ExecMainStatus")), said[0]

    def files(self):
        """All there are in the machine that are not others', with what tells a change: of /etc, the content."""
        found = {}
        for folder, folders, names in os.walk(self.machine.root):
            inside = "/" + os.path.relpath(folder, self.machine.root)
            folders[:] = [name for name in folders if os.path.join(inside, name) not in OTHERS_FOLDERS]
            for name in folders + names:
                path = os.path.join(inside, name)
                if path not in OTHERS_FILES:
                    found[path] = content(self.machine.root / path[1:]) if inside.startswith("/etc") else None
        return found

    # --- its traffic
    @contextlib.contextmanager
    def chat(self, user):
        """A process of that user with a flow that goes on; gives its pid, once it is in the rank."""
        with self.machine.service(f"chat-{user}", f"{SOURCES}/tests/system/chat.py", user=user) as pid:
            self.row_of(pid)
            yield pid

    @contextlib.contextmanager
    def second_host(self):
        """The machine's second host, joined to the one that netflowd watches: 10.9.0.1 there, 10.9.0.2 here."""
        self.machine.sh("ip netns add other; ip link add v0 type veth peer name v0 netns other; "
                        "for host in '' '-n other'; do ip $host link set v0 addrgenmode none up; done; "
                        "ip addr add 10.9.0.1/24 dev v0; ip -n other addr add 10.9.0.2/24 dev v0")
        try:
            yield
        finally:
            self.machine.sh("ip netns del other")

    def counters(self):
        """Bytes at the IP layer that v0 has counted: in and out."""
        stats = json.loads(self.machine.sh("ip -s -j link show v0"))[0]["stats64"]
        return {"in": stats["rx"]["bytes"] - 14 * stats["rx"]["packets"],
                "out": stats["tx"]["bytes"] - 14 * stats["tx"]["packets"]}


def content(path):
    if path.is_symlink():
        return os.readlink(path)
    return path.read_bytes() if path.is_file() else None


def main(cases, kind=Service):
    """Runs the cases of each bus, {bus: [case…]}, or those named on the command line, each with a service of that
    kind. usage: test_x.py BUILD [BUS/CASE…]"""
    if os.geteuid() != 0:
        for bus, functions in cases.items():
            for case in functions:
                print(f"SKIP {name_of(bus, case)}: needs root, for a machine", flush=True)
        return
    machine.isolate()
    build = pathlib.Path(sys.argv[1]).resolve().relative_to(image.ROOT)
    results = [run(bus, functions, str(build), kind) for bus, functions in cases.items()]
    sys.exit(0 if all(results) else 1)


def name_of(bus, case):
    return f"{bus}/{case.__name__.removeprefix('test_')}"


def run(bus, cases, build, kind):
    """One machine for all cases of a bus, in their order; returns whether all passed."""
    wanted = [case for case in cases if not sys.argv[2:] or name_of(bus, case) in sys.argv[2:]]
    if not wanted:
        return True
    begin = time.monotonic()
    try:
        with machine.machine(bus, str(image.ROOT / build)) as booted:
            service = kind(booted, bus, build)
            service.prepare()
            print(f"PASS {bus}/boot {time.monotonic() - begin:.1f} s", flush=True)
            return all([run_case(service, bus, case) for case in wanted])  # a list: each is run
    except (AssertionError, OSError, subprocess.SubprocessError):
        print(f"FAIL {bus}/boot {time.monotonic() - begin:.1f} s\n{traceback.format_exc()}", flush=True)
        return False


def run_case(service, bus, case):
    begin, cursor = time.monotonic(), service.machine.cursor()
    try:
        if case.__name__ != "test_install":
            service.restore()
        note = case(service)
        print(f"PASS {name_of(bus, case)} {time.monotonic() - begin:.1f} s{': ' + note if note else ''}", flush=True)
        return True
    except Exception:  # pylint: disable=broad-except
        print(f"FAIL {name_of(bus, case)} {time.monotonic() - begin:.1f} s\n{traceback.format_exc()}", flush=True)
        journal = service.machine.run("journalctl", "-q", f"--after-cursor={cursor}", check=False).stdout
        print(journal[-4000:], flush=True)
        service.machine.run("systemctl", "kill", "-s", "CONT", "netflowd", "polkit", check=False)
        return False
