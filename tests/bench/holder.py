#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Processes that hold open TCP sockets, both ends of each connection, and do nothing. Says "ready" when all are open and
stays until standard input ends. usage: holder.py PROCESSES SOCKETS"""

import os
import resource
import socket
import sys

BACKLOG = 16


def hold(number, sockets):
    """On an address of its own, so that ports suffice: 127.1.0.0 and up."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (sockets + 64, sockets + 64))
    with socket.create_server((f"127.1.{number // 250}.{number % 250 + 1}", 9000), backlog=BACKLOG) as listener:
        kept = [listener]
        while len(kept) < sockets - 1:
            kept.append(socket.create_connection(listener.getsockname()))
            kept.append(listener.accept()[0])
        os.write(1, b"1\n")
        sys.stdin.read()


def main():
    processes, sockets = map(int, sys.argv[1:])
    reader, writer = os.pipe()
    for number in range(processes):
        if os.fork() == 0:
            os.close(reader)
            os.dup2(writer, 1)
            hold(number, sockets // processes)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        for _ in range(processes):
            if not said.readline():
                sys.exit("holder.py: a process ended")
    print("ready", flush=True)
    sys.stdin.read()


main()
