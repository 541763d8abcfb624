# SPDX-License-Identifier: MIT
"""Ways to have a kernel refuse BPF that it would not by itself, and a program of somebody else. x86-64 only."""

import ctypes
import errno
import os
import platform
import struct
import sys

SYS_BPF = 321  # arch/x86/entry/syscalls/syscall_64.tbl
MAP_CREATE, PROG_LOAD, PROG_ATTACH, PROG_DETACH, LINK_CREATE = 0, 5, 8, 9, 28  # enum bpf_cmd
CGROUP_SKB, CGROUP_INET_EGRESS = 8, 1  # enum bpf_prog_type, enum bpf_attach_type

LIBC = ctypes.CDLL(None, use_errno=True)


def possible():
    return platform.machine() == "x86_64"


def refuse(command, error):
    """From here on bpf(2) with that command fails with that error, for this process and its children: seccomp(2)."""
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in (
        (0x20, 0, 0, 0),  # the number of the system call
        (0x15, 0, 3, SYS_BPF),
        (0x20, 0, 0, 16),  # its first argument
        (0x15, 0, 1, command),
        (0x06, 0, 0, 0x00050000 | error),  # SECCOMP_RET_ERRNO
        (0x06, 0, 0, 0x7fff0000)))  # SECCOMP_RET_ALLOW
    filters = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(filters))
    if LIBC.prctl(22, 2, header, 0, 0) < 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "prctl")


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"))
    result = LIBC.syscall(SYS_BPF, command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return result


class Exclusive:
    """A program at a cgroup, which lets everything pass, attached as the old way is: for itself alone."""

    def __init__(self, cgroup):
        pass_all = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, 1, 0x95, 0, 0, 0))
        licence = ctypes.create_string_buffer(b"MIT")
        self.cgroup = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        # prog_type, insn_cnt, insns, license, then up to expected_attach_type nothing
        self.program = bpf(PROG_LOAD, struct.pack("<IIQQ", CGROUP_SKB, 2, ctypes.addressof(pass_all),
                                                  ctypes.addressof(licence)).ljust(68, b"\0") +
                           struct.pack("<I", CGROUP_INET_EGRESS))
        self.attached = False

    def attach(self):
        """Is it alone there, so that it could be?"""
        try:
            bpf(PROG_ATTACH, struct.pack("<IIII", self.cgroup, self.program, CGROUP_INET_EGRESS, 0))
        except OSError as error:
            if error.errno == errno.EPERM:
                return False
            raise
        self.attached = True
        return True

    def close(self):
        if self.attached:
            bpf(PROG_DETACH, struct.pack("<IIII", self.cgroup, self.program, CGROUP_INET_EGRESS, 0))
        os.close(self.program)
        os.close(self.cgroup)


def main():
    """usage: refusals.py COMMAND ERRNO PROGRAM…"""
    refuse(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])


if __name__ == "__main__":
    main()
