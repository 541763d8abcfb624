#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tests/e2e/test_bpf_owners.py once more, on the oldest supported kernel: that its verifier lets the programs pass, and
that they are told of the same there."""

import sys

import vm

CASES = ["choice", "preforked"]

if not sys.argv[2:]:
    sys.argv += CASES
vm.run_cases_inside(vm.image.ROOT / "tests/e2e/test_bpf_owners.py")
