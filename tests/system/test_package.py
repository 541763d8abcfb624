#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Debian package: built, found clean by lintian(1), installed, upgraded, removed and purged on a machine."""

import pathlib
import shutil
import subprocess

import image
from machine import copy_tree
from service import UNIT, Service, main

CONFIG = "/etc/netflowd/netflowd.conf"
NEXT = "9.9-1"  # the version that it is upgraded to
# what dpkg(1) and its tools note down, and the user that stays
OTHERS = ("/var/lib/dpkg", "/var/log", "/var/cache", "/var/lib/systemd", "/etc/passwd", "/etc/group", "/etc/shadow",
          "/etc/gshadow")


def sh(*words, **options):
    result = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                            stdin=subprocess.DEVNULL, **options)
    assert result.returncode == 0, f"{words}: {result.returncode}\n{result.stdout[-6000:]}"
    return result.stdout


class Package(Service):
    """netflowd as dpkg(1) installs it."""

    def prepare(self):
        """Builds the package from the sources alone, and the same as of a later version."""
        work = self.machine.directory / "package"
        copy_tree(str(image.ROOT / self.build), work / "netflowd")
        shutil.rmtree(work / "netflowd" / self.build)
        # the tests of a build are run for each build; not once more here
        sh("dpkg-buildpackage", "-us", "-uc", "-b", cwd=work / "netflowd",
           env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                "DEB_BUILD_OPTIONS": "parallel=2 nocheck noautodbgsym"})
        self.changes = next(work.glob("*.changes"))
        package = next(work.glob("*.deb"))
        sh("dpkg-deb", "-R", str(package), str(work / "next"))
        control = work / "next/DEBIAN/control"
        lines = control.read_text(encoding="utf-8").splitlines()
        control.write_text("".join(f"Version: {NEXT}\n" if line.startswith("Version:") else line + "\n"
                                   for line in lines), encoding="utf-8")
        sh("dpkg-deb", "--root-owner-group", "-b", str(work / "next"), str(self.machine.root / "root/next.deb"))
        shutil.copy(package, self.machine.root / "root/netflowd.deb")
        shutil.rmtree(work / "next")
        self.machine.run("useradd", "--create-home", "alice")
        self.before = self.files()

    def restore(self):
        """Each case goes on where the one before it ended."""

    def dpkg(self, *words):
        return self.machine.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *words).stdout

    def files(self):
        return {path: content for path, content in super().files().items() if not path.startswith(OTHERS)}


def test_lintian(package):
    """No error and no warning, exceptions argued in debian/."""
    # a machine without a user to build packages is no fault of theirs
    sh("lintian", "--allow-root", "--fail-on", "error,warning,info", "-EvIL", ">=info", str(package.changes))


def test_installed(package):
    """Installing is not enabling; anybody is told what to do."""
    package.dpkg("-i", "/root/netflowd.deb")
    assert package.show("LoadState", "UnitFileState", "ActiveState", "NeedDaemonReload") == [
        "loaded", "disabled", "inactive", "no"]
    package.machine.run("getent", "passwd", "netflowd")
    assert "systemctl start netflowd" in package.ctl("rank", check=False).stderr


def test_runs(package):
    package.systemctl("enable", "-q", "--now", UNIT)
    assert package.ctl("status", user="alice").stdout.count("Capturing: yes") == 1


def test_upgraded(package):
    """It goes on as the new version, and with the settings that were made."""
    package.machine.write(CONFIG, "[Netflowd]\nFilter=tcp\n")
    before = package.pid
    package.dpkg("--force-confold", "-i", "/root/next.deb")
    assert package.show("UnitFileState", "ActiveState") == ["enabled", "active"] and package.pid not in (0, before)
    assert package.machine.run("dpkg-query", "-Wf", "${Version}", "netflowd").stdout == NEXT
    assert "Filter: tcp" in package.ctl("status").stdout


def test_removed(package):
    """The settings stay, and nothing that runs."""
    package.dpkg("-r", "netflowd")
    assert package.show("ActiveState") == "inactive" and not package.machine.run("pgrep", "netflowd", check=False).stdout
    assert (package.machine.root / CONFIG[1:]).read_text(encoding="utf-8") == "[Netflowd]\nFilter=tcp\n"
    assert not (package.machine.root / "usr/sbin/netflowd").exists()


def test_purged(package):
    """Nothing is left but the user."""
    (package.machine.root / "var/lib/netflowd").mkdir(exist_ok=True)
    package.dpkg("-P", "netflowd")
    assert package.show("LoadState") == "not-found"
    after = package.files()
    changed = [path for path in after.keys() | package.before.keys() if after.get(path) != package.before.get(path)
               or (path in after) != (path in package.before)]
    assert not changed, changed


main({"dbus-daemon": [test_lintian, test_installed, test_runs, test_upgraded, test_removed, test_purged]}, Package)
