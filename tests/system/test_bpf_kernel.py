#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tests/e2e/test_bpf.py once more, on the oldest supported kernel: what differs there is which packets programs are
shown, and what the verifier lets pass."""

import sys

import vm

CASES = ["one_shot_curl", "one_shot_udp", "wrk", "container", "fragments", "headers", "old_sockets", "passed", "activated", "exec",
         "exit_before_close", "io_uring", "syn_cookies", "time_wait", "no_socket", "never_accepted", "three_capabilities", "killed"]

if not sys.argv[2:]:
    sys.argv += CASES
vm.run_cases_inside(vm.image.ROOT / "tests/e2e/test_bpf.py")
