# SPDX-License-Identifier: MIT
"""A throwaway machine with systemd as PID 1: a container over a pristine Debian, of which nothing stays. The tests run
in mount and pid namespaces of their own, so that all of it ends with them, whatever ends them."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import image

BOOT_SECONDS = 60
COMMAND_SECONDS = 60  # for what takes moments, or never ends
EXIT_REBOOT = 133  # of systemd-nspawn --keep-unit, see its main()
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TERM": "dumb"}


def isolate():
    """Runs this program again in namespaces of its own: with its end, its mounts and all it has started are gone."""
    if os.getpid() != 1:
        os.execvp("unshare", ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child",
                              "--mount-proc", sys.executable, *sys.argv])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


class Lines:
    """What a program says, line by line, as it comes. All that has come is kept, for the message of what did not."""

    def __init__(self, process):
        self.process, self.left, self.seen = process, b"", []

    def next(self, end):
        """The next line, or None at the end of the output."""
        while b"\n" not in self.left:
            ready = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]
            assert ready, "this was all that came:\n" + "\n".join(self.seen)
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return None
            self.left += data
        line, self.left = self.left.split(b"\n", 1)
        self.seen.append(line.decode(errors="replace"))
        return self.seen[-1]

    def wait(self, wanted, seconds=COMMAND_SECONDS):
        """The first line for which `wanted` gives something: that."""
        end = time.monotonic() + seconds
        while (line := self.next(end)) is not None:
            result = wanted(line)
            if result:
                return result
        raise AssertionError("it ended after:\n" + "\n".join(self.seen))

    def wait_json(self, wanted):
        def check(line):
            with contextlib.suppress(ValueError):
                document = json.loads(line)
                return document if wanted(document) else None

        return self.wait(check)


class Machine:
    """One that runs; see machine()."""

    def __init__(self, directory, cgroup):
        self.directory, self.cgroup = pathlib.Path(directory), cgroup
        self.root = self.directory / "root"
        self.process = self.leader = None

    # --- on and off
    def boot(self):
        """Until all that it starts by itself has started, which its systemd tells."""
        notify = self.directory / "notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, open(self.directory / "console", "ab") as out:
            told.bind(str(notify))
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                ["systemd-nspawn", "-q", "-D", str(self.root), "--register=no", "--keep-unit", "--private-network",
                 "--machine=netflowd-test", "--capability=CAP_BPF,CAP_PERFMON", "--notify-ready=yes", "-b"],
                env={**ENVIRONMENT, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "NOTIFY_SOCKET": str(notify)},
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=lambda: pathlib.Path(self.cgroup, "cgroup.procs").write_text("0", encoding="utf-8"))
            self.await_ready(told)

    def await_ready(self, told):
        end, ready, self.leader = time.monotonic() + BOOT_SECONDS, False, None
        exited = os.pidfd_open(self.process.pid)
        try:
            while not (ready and self.leader):
                readable = select.select([told, exited], [], [], max(0, end - time.monotonic()))[0]
                assert told in readable, f"it did not boot:\n{self.console()}"
                for line in told.recv(4096).decode().splitlines():
                    ready = ready or line == "READY=1"
                    if line.startswith("X_NSPAWN_LEADER_PID="):
                        self.leader = int(line.split("=", 1)[1])
        finally:
            os.close(exited)

    def console(self):
        return (self.directory / "console").read_text(errors="replace")[-4000:]

    def reboot(self):
        self.run("systemctl", "reboot", check=False)
        assert self.process.wait(BOOT_SECONDS) == EXIT_REBOOT, self.console()
        self.boot()

    def destroy(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            if self.leader:  # it is ours now, and goes when all of its pid namespace is gone and waited for
                os.kill(self.leader, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    while True:
                        os.wait()

    # --- what runs in it
    def command(self, words, user=None):
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return ["nsenter", f"--target={self.leader}", "--all", *become, *map(str, words)]

    def run(self, *words, user=None, check=True, text=None):
        """Its result, with standard output and error apart."""
        result = subprocess.run(self.command(words, user), env=ENVIRONMENT, input=text or "", text=True, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=COMMAND_SECONDS)
        assert not check or result.returncode == 0, f"{words}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def sh(self, script, **options):
        return self.run("sh", "-ec", script, **options).stdout

    @contextlib.contextmanager
    def follow(self, *words, user=None):
        """A program whose lines are waited for; ended at the latest on the way out."""
        with subprocess.Popen(self.command(words, user), env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                yield Lines(process)
            finally:
                # nsenter itself stays outside and waits for it
                subprocess.run(["pkill", "-KILL", "--parent", str(process.pid)], check=False)

    def write(self, path, text):
        """At once, as far as whoever watches the folder can tell."""
        self.run("sh", "-ec", 'mkdir -p "$(dirname "$1")"; cat > /root/written; chmod 644 /root/written; '
                 'mv /root/written "$1"', "sh", path, text=text)

    # --- its systemd
    def show(self, unit, *properties):
        lines = self.run("systemctl", "show", unit, "--property=" + ",".join(properties)).stdout.splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return values[properties[0]] if len(properties) == 1 else [values[name] for name in properties]

    def cursor(self):
        """Where the journal ends now."""
        self.run("journalctl", "--sync")
        return json.loads(self.run("journalctl", "-n1", "-o", "json").stdout)["__CURSOR"]

    def journal(self, cursor, *matches):
        """Its entries from there on, as the fields they have."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "-q", "-a", "-o", "json", f"--after-cursor={cursor}", *matches).stdout
        return [json.loads(line) for line in lines.splitlines()]

    def await_journal(self, cursor, wanted):
        """The first entry from there on that is wanted; waits for it."""
        with self.follow("journalctl", "-qafn", "all", "-o", "json", f"--after-cursor={cursor}") as lines:
            return lines.wait_json(wanted)

    @contextlib.contextmanager
    def service(self, name, *words, user="root"):
        """A program as a unit of its own; gives its main pid."""
        self.run("systemd-run", "-q", f"--unit={name}", f"--uid={user}", "--collect", "-p", "Type=exec", *words)
        try:
            yield int(self.show(f"{name}.service", "MainPID"))
        finally:
            self.run("systemctl", "stop", f"{name}.service", check=False)


@contextlib.contextmanager
def own_cgroup():
    """A cgroup (v2) that the machine has for itself; gives its folder."""
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    points = [words[1] for words in mounts if words[2] == "cgroup2"]
    assert points, "there is no cgroup2 here"
    path = tempfile.mkdtemp(prefix="netflowd-test-", dir=points[0])
    try:
        yield path
    finally:
        for folder, _, _ in os.walk(path, topdown=False):
            os.rmdir(folder)


def copy_tree(build, to):
    """The working tree with what was built in `build`; without its tests, and without other builds."""
    unwanted = {image.ROOT / ".git", pathlib.Path(build, "tests")}

    def ignore(folder, names):
        paths = [pathlib.Path(folder, name) for name in names]
        return [path.name for path in paths
                if path in unwanted or path.name == "__pycache__" or
                (str(path) != build and (path / "settings").exists())]

    shutil.copytree(image.ROOT, to, symlinks=True, ignore=ignore)


@contextlib.contextmanager
def machine(bus, build):
    """One that has booted, with that bus (dbus-daemon or dbus-broker), and the working tree as /usr/src/netflowd."""
    lower = image.root_folder(image.system_packages())
    with tempfile.TemporaryDirectory(prefix="netflowd-machine-") as directory, own_cgroup() as cgroup:
        image.sh(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory])
        try:
            made = Machine(directory, cgroup)
            for name in ("upper", "work", "root"):
                (made.directory / name).mkdir()
            image.sh(["mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={directory}/upper,"
                      f"workdir={directory}/work", "overlay", str(made.root)])
            image.sh(["systemctl", "-q", f"--root={made.root}", "enable" if bus == "dbus-broker" else "disable",
                      "dbus-broker.service"])
            copy_tree(build, made.root / "usr/src/netflowd")
            try:
                made.boot()
                yield made
            finally:
                made.destroy()
                image.sh(["umount", "-l", str(made.root)])
        finally:
            image.sh(["umount", "-l", directory])
