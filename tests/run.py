#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the tests of one build.

usage: run.py [--label LABEL] [--only KIND] [--match PATTERN] BUILD [PATTERN…]

KIND is unit, static, fuzz, e2e or system; a PATTERN picks tests by a part of their name. With CI=true nothing may be skipped."""

import argparse
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

# Most tests wait most of the time, and two run at a time. A virtual machine has one of the two places, one after the
# other; what counts as fast as it goes, or all of this machine, runs alone at the end.
MACHINES = {"test_limits.py", "test_bpf_kernel.py"}
ALONE = {"test_traffic.py", "test_bpf.py"}


class Totals:
    def __init__(self, label):
        self.label, self.counts = label, {"PASS": 0, "FAIL": 0, "SKIP": 0}
        self.lock = threading.Lock()

    def tell(self, verdicts, text):
        with self.lock:
            for verdict in verdicts:
                self.counts[verdict] += 1
            print(text, flush=True)

    def add(self, verdict, name, seconds, output=""):
        text = f"{verdict} {self.label}{name} {seconds:.1f} s"
        if output and verdict != "PASS":
            text += "\n    " + output.rstrip().replace("\n", "\n    ")
        self.tell([verdict], text)


def run(command):
    """Exit status and output; all that it started is ended with it."""
    environment = {**os.environ, "ASAN_OPTIONS": "exitcode=99:detect_leaks=1", "NETFLOWD_TESTS": str(TESTS),
                   "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True, stdin=subprocess.DEVNULL, env=environment)
    try:
        output = process.communicate(timeout=HANG_SECONDS)[0]
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return 1, process.communicate()[0] + f"\nstill running after {HANG_SECONDS} s"


def run_one(totals, name, command):
    begin = time.monotonic()
    status, output = run(command)
    skipped = [line for line in output.splitlines() if line.startswith("skipped:") or "skipped: needs" in line]
    verdict = "FAIL" if status != 0 else "SKIP" if skipped else "PASS"
    totals.add(verdict, name, time.monotonic() - begin, output if verdict == "FAIL" else "\n".join(skipped))


def run_cases(totals, name, command):
    """A file of end-to-end cases says PASS, FAIL or SKIP for each itself."""
    status, output = run(command)
    verdicts = [line for line in output.splitlines() if line.split(" ", 1)[0] in totals.counts]
    totals.tell([line.split(" ", 1)[0] for line in verdicts],
                "\n".join(f"{line.split(' ', 1)[0]} {totals.label}{name}:{line.split(' ', 1)[1]}"
                          if line.split(" ", 1)[0] in totals.counts else "    " + line for line in output.splitlines()))
    failed = any(line.startswith("FAIL") for line in verdicts)
    if not verdicts or (status != 0) != failed:
        totals.add("FAIL", name, 0, f"exit status {status} after {len(verdicts)} cases")


def tests_of(build):
    for path in sorted(pathlib.Path(build, "tests/unit").glob("test-*")):
        if os.access(path, os.X_OK) and not path.suffix:
            yield "unit", path.name, [str(path)], run_one
    yield "static", "golden", [str(TESTS / "golden/check.py"), build], run_one
    yield "static", "layers", [str(TESTS / "layers.py"), build], run_one
    yield "static", "introspection", ["sh", "-c", f"{build}/netflowd --bus-introspect | "
                                                  "diff dbus/org.netflowd1.Manager.xml -"], run_one
    yield "static", "manual", [str(TESTS / "manual.py"), build], run_one
    for path in sorted(pathlib.Path(build, "tests/fuzz").glob("fuzz-*")):
        if os.access(path, os.X_OK) and not path.suffix:
            yield "fuzz", path.name, [str(TESTS / "fuzz/replay"), str(path)], run_one
    for kind in ("e2e", "system"):
        for path in sorted(pathlib.Path(TESTS, kind).glob("test_*.py")):
            yield kind, path.name, [str(path), build], run_cases


def run_all(totals, tests):
    places = concurrent.futures.ThreadPoolExecutor(2)

    def run_machines():
        for _, name, command, runner in tests:
            if name in MACHINES:
                runner(totals, name, command)

    begun = [places.submit(run_machines)]
    begun += [places.submit(runner, totals, name, command) for _, name, command, runner in tests
              if name not in ALONE | MACHINES]
    for one in begun:
        one.result()
    for _, name, command, runner in tests:
        if name in ALONE:
            runner(totals, name, command)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--label", default="")
    parser.add_argument("--only", action="append")
    parser.add_argument("--match", action="append", default=[])
    parser.add_argument("build")
    parser.add_argument("pattern", nargs="*")
    options = parser.parse_args()
    totals = Totals(f"{options.label}/" if options.label else "")
    patterns = options.pattern + options.match
    tests = [test for test in tests_of(options.build) if (not options.only or test[0] in options.only) and
             (not patterns or any(pattern in test[1] for pattern in patterns))]
    run_all(totals, tests)
    counts = totals.counts
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    strict = os.environ.get("CI") == "true"
    sys.exit(1 if counts["FAIL"] or not counts["PASS"] or (strict and counts["SKIP"]) else 0)


main()
