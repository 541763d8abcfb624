#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Moves bytes as it is told, a line on standard input a command, and answers each with "ok" and what it did.

  udp NAME ADDRESS PORT        a UDP socket bound there (port 0: any); answers its port
  connect NAME ADDRESS PORT    connects a socket, or makes a TCP one and connects it; from a fixed port: PORT FROM
  send NAME ADDRESS PORT N SIZE    N datagrams from an unconnected socket
  write NAME SIZE              SIZE bytes into a connection
  listen NAME ADDRESS PORT     a TCP listener; "::" is dual-stack
  accept NAME LISTENER         takes one connection
  read NAME SIZE               reads until SIZE bytes have come, in datagrams or a stream, or it ends
  fork NAME SIZE               a child, which has all sockets too, writes SIZE bytes; answers its pid when it has exited
  reset NAME                   closes a connection so that nothing of it stays
  close NAME"""

import os
import socket
import struct
import sys

SOCKETS = {}
SO_RCVBUFFORCE = 33  # include/uapi/asm-generic/socket.h


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def new_socket(address, kind):
    made = socket.socket(family_of(address), kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)  # whatever net.core.rmem_max is
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return made


def udp(name, address, port):
    SOCKETS[name] = new_socket(address, socket.SOCK_DGRAM)
    SOCKETS[name].bind((address, int(port)))
    return SOCKETS[name].getsockname()[1]


def connect(name, address, port, source="0"):
    if name not in SOCKETS:
        SOCKETS[name] = new_socket(address, socket.SOCK_STREAM)
        if int(source):
            SOCKETS[name].bind(("", int(source)))
    SOCKETS[name].connect((address, int(port)))


def send(name, address, port, count, size):
    for _ in range(int(count)):
        SOCKETS[name].sendto(b"x" * int(size), (address, int(port)))


def write(name, size):
    SOCKETS[name].sendall(b"x" * int(size))


def listen(name, address, port):
    SOCKETS[name] = new_socket(address, socket.SOCK_STREAM)
    SOCKETS[name].bind((address, int(port)))
    SOCKETS[name].listen(64)


def accept(name, listener):
    SOCKETS[name] = SOCKETS[listener].accept()[0]


def read(name, size):
    left = int(size)
    while left > 0:
        try:
            data = SOCKETS[name].recv(min(left, 65536) if SOCKETS[name].type == socket.SOCK_STREAM else 65536)
        except ConnectionResetError:
            break
        if not data:
            break
        left -= len(data)
    return int(size) - left


def fork(name, size):
    child = os.fork()
    if child == 0:
        write(name, size)
        os._exit(0)
    os.waitpid(child, 0)
    return child


def reset(name):
    SOCKETS[name].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close(name)


def close(name):
    SOCKETS.pop(name).close()


COMMANDS = {function.__name__: function
            for function in (udp, connect, send, write, listen, accept, read, fork, reset, close)}

for line in sys.stdin:
    words = line.split()
    result = COMMANDS[words[0]](*words[1:])
    print("ok" if result is None else f"ok {result}", flush=True)
