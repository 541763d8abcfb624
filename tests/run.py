#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the tests of one build.

usage: run.py [--label LABEL] [--only KIND] [--match PATTERN] BUILD [PATTERN…]

KIND is unit, static, fuzz, e2e or system; a PATTERN picks tests by a part of their name. With CI=true nothing may be skipped."""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
HANG_SECONDS = 600  # a test that takes this long never ends

# Most tests wait most of the time: so many run at a time. A virtual machine has a place of its own, in which one comes
# after the other. At the end, what moves much at a given rate runs by twos, and what moves as much as it can by itself;
# such cases say so (harness.paired, harness.alone).
PLACES = 2 * len(os.sched_getaffinity(0))
MACHINES = {"test_limits.py", "test_bpf_kernel.py", "test_bpf_owners_kernel.py"}
VERDICTS = ("PASS", "FAIL", "SKIP")
# What a build has to have for these: a sanitizer has an allocator of its own, and nothing is preloaded.
NEEDS = {"test_allocations.py": "tests/preload/fail-allocations.so"}

# place: "light", "machine", "paired" or "alone"
Test = collections.namedtuple("Test", "kind name command runner place")


class Totals:
    """What has been told, of all builds."""

    def __init__(self):
        self.counts = dict.fromkeys(VERDICTS, 0)
        self.failures = []
        self.lock = threading.Lock()

    def tell(self, verdict, text):
        with self.lock:
            self.counts[verdict] += 1
            if verdict == "FAIL":
                self.failures.append(text)
            print(text, flush=True)

    def conclude(self):
        """What failed once more, where a reader looks first, and the counts; gives the exit status."""
        passed, failed, skipped = (self.counts[verdict] for verdict in VERDICTS)
        if self.failures:
            print("\n".join(["", f"--- {failed} failed:", *self.failures]))
        print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
        strict = os.environ.get("CI") == "true"
        return 1 if failed or not passed or (strict and skipped) else 0


class Build:
    """Runs the tests of one build, with a label that tells them from those of another."""

    def __init__(self, totals, folder, label="", environment=None):
        self.totals, self.folder, self.label = totals, str(folder), f"{label}/" if label else ""
        self.environment = {**os.environ, "ASAN_OPTIONS": "exitcode=99:detect_leaks=1", "NETFLOWD_TESTS": str(TESTS),
                            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99", **(environment or {})}

    def run(self, command):
        """Exit status and output; all that it started is ended with it."""
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", start_new_session=True, stdin=subprocess.DEVNULL,
                                   env=self.environment)
        try:
            output = process.communicate(timeout=HANG_SECONDS)[0]
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return 1, process.communicate()[0] + f"\nstill running after {HANG_SECONDS} s"

    def tell(self, verdict, name, seconds, output=""):
        text = f"{verdict} {self.label}{name} {seconds:.1f} s"
        if output and verdict != "PASS":
            text += "\n    " + output.rstrip().replace("\n", "\n    ")
        self.totals.tell(verdict, text)

    def run_one(self, test):
        begin = time.monotonic()
        status, output = self.run(test.command)
        skipped = [line for line in output.splitlines() if line.startswith("skipped:") or "skipped: needs" in line]
        verdict = "FAIL" if status != 0 else "SKIP" if skipped else "PASS"
        self.tell(verdict, test.name, time.monotonic() - begin, output if verdict == "FAIL" else "\n".join(skipped))

    def run_cases(self, test):
        """A file of end-to-end cases says PASS, FAIL or SKIP for each itself, and below it what there is to say."""
        begin = time.monotonic()
        status, output = self.run(test.command)
        told, stray = [], []
        for line in output.splitlines():
            verdict, _, rest = line.partition(" ")
            if verdict in VERDICTS:
                told.append((verdict, [f"{verdict} {self.label}{test.name.partition(':')[0]}:{rest}"]))
            else:
                (told[-1][1] if told else stray).append("    " + line)
        for verdict, lines in told:
            self.totals.tell(verdict, "\n".join(lines))
        if not told or (status != 0) != any(verdict == "FAIL" for verdict, _ in told):
            self.tell("FAIL", test.name, time.monotonic() - begin,
                      "\n".join([f"exit status {status} after {len(told)} cases", *stray]))

    def cases_of(self, path):
        """Of a file of end-to-end cases each is a test, which finds its own place."""
        status, output = self.run([str(path), "--list"])
        lines = output.split("\n")[:-1] if status == 0 else []
        if not lines:  # as a test that fails for the same reason
            yield Test("e2e", path.name, [str(path), self.folder], Build.run_cases, "light")
        for name, *place in map(str.split, lines):
            yield Test("e2e", f"{path.name}:{name}", [str(path), self.folder, name], Build.run_cases,
                       *(place or ["light"]))

    def tests(self):
        def programs(pattern):
            for path in sorted(pathlib.Path(self.folder).glob(pattern)):
                if os.access(path, os.X_OK) and not path.suffix:
                    yield path

        def static(name, *command):
            return Test("static", name, list(command), Build.run_one, "light")

        for path in programs("tests/unit/test-*"):
            yield Test("unit", path.name, [str(path)], Build.run_one, "light")
        yield static("golden", str(TESTS / "golden/check.py"), self.folder)
        yield static("layers", str(TESTS / "layers.py"), self.folder)
        yield static("introspection", "sh", "-c",
                     f"{self.folder}/netflowd --bus-introspect | diff dbus/org.netflowd1.Manager.xml -")
        yield static("bench", str(TESTS / "bench/check.py"))
        yield static("manual", str(TESTS / "manual.py"), self.folder)
        yield static("cppcheck", str(TESTS / "analyze"), self.folder, "cppcheck")
        for path in programs("tests/fuzz/fuzz-*"):
            yield Test("fuzz", path.name, [str(TESTS / "fuzz/replay"), str(path)], Build.run_one, "light")
        for path in sorted(TESTS.glob("e2e/test_*.py")):
            if pathlib.Path(self.folder, NEEDS.get(path.name, ".")).exists():
                yield from self.cases_of(path)
        for path in sorted(TESTS.glob("system/test_*.py")):
            yield Test("system", path.name, [str(path), self.folder], Build.run_cases,
                       "machine" if path.name in MACHINES else "light")

    def chosen(self, kinds, patterns):
        return [test for test in self.tests() if (not kinds or test.kind in kinds) and
                (not patterns or any(pattern in test.name for pattern in patterns))]


class Schedule:
    """Has the tests of one build after the other run as there are places; finish() waits for all."""

    def __init__(self):
        self.pools = {place: concurrent.futures.ThreadPoolExecutor(count)
                      for place, count in (("light", PLACES), ("machine", 1), ("paired", 2), ("alone", 1))}
        self.begun, self.at_the_end = [], {"paired": [], "alone": []}

    def add(self, build, tests):
        for test in tests:
            if test.place in self.at_the_end:
                self.at_the_end[test.place].append((build, test))
            else:
                self.begin(build, test)

    def begin(self, build, test):
        self.begun.append(self.pools[test.place].submit(test.runner, build, test))

    def await_all(self):
        for one in self.begun:
            one.result()

    def cancel(self):
        """What has begun ends, and nothing else begins."""
        for pool in self.pools.values():
            pool.shutdown(cancel_futures=True)

    def finish(self):
        self.await_all()
        for tests in self.at_the_end.values():
            for build, test in tests:
                self.begin(build, test)
            self.await_all()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--label", default="")
    parser.add_argument("--only", action="append")
    parser.add_argument("--match", action="append", default=[])
    parser.add_argument("build")
    parser.add_argument("pattern", nargs="*")
    options = parser.parse_args()
    totals, schedule = Totals(), Schedule()
    build = Build(totals, options.build, options.label)
    schedule.add(build, build.chosen(options.only, options.pattern + options.match))
    schedule.finish()
    sys.exit(totals.conclude())


if __name__ == "__main__":
    main()
