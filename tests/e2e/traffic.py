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
  answer NAME COUNT            takes COUNT datagrams and sends each back to where it came from
  adopt NAME PID FD            has another process's socket, too, as if it had been inherited or passed
  fd NAME                      answers its descriptor
  buffers NAME SEND RECEIVE    sets the sizes of its buffers
  options NAME                 what it sends has IPv4 options, or an IPv6 destination options header
  cycle ADDRESS PORT COUNT RATE  COUNT connections, RATE a second: 100 bytes there and back, closed
  serve LISTENER COUNT         takes COUNT connections, one by one: 100 bytes there and back, until it is closed
  thread NAME ADDRESS PORT SIZE  a thread makes a connection and writes SIZE bytes
  exec PROGRAM NAME            becomes another program, which goes on as this one does, with that socket only
  reset NAME                   closes a connection so that nothing of it stays
  close NAME"""

import ctypes
import os
import socket
import struct
import sys
import threading
import time

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


def answer(name, count):
    for _ in range(int(count)):
        SOCKETS[name].sendto(*SOCKETS[name].recvfrom(65536))


def adopt(name, pid, number):
    made = ctypes.CDLL(None, use_errno=True).syscall(438, os.pidfd_open(int(pid)), int(number), 0)  # pidfd_getfd(2)
    if made < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    SOCKETS[name] = socket.socket(fileno=made)


def fd(name):
    return SOCKETS[name].fileno()


def buffers(name, send_size, receive_size):
    SOCKETS[name].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(send_size))
    SOCKETS[name].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(receive_size))


def options(name):
    if SOCKETS[name].family == socket.AF_INET6:
        SOCKETS[name].setsockopt(socket.IPPROTO_IPV6, 59, bytes([0, 0, 1, 4, 0, 0, 0, 0]))  # IPV6_DSTOPTS: padding
    else:
        SOCKETS[name].setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01" * 8)  # no operation


def cycle(address, port, count, rate):
    begin = time.monotonic()
    for i in range(int(count)):
        time.sleep(max(0, begin + i / int(rate) - time.monotonic()))  # the pace, not a wait
        with socket.create_connection((address, int(port))) as made:
            made.sendall(b"x" * 100)
            made.recv(100, socket.MSG_WAITALL)
    return f"{int(count) / (time.monotonic() - begin):.0f}"


def serve(listener, count):
    for _ in range(int(count)):
        with SOCKETS[listener].accept()[0] as made:
            made.sendall(made.recv(100, socket.MSG_WAITALL))
            made.recv(1)


def thread(name, address, port, size):
    def run():
        connect(name, address, port)
        write(name, size)

    started = threading.Thread(target=run)
    started.start()
    started.join()


def execute(program, name):
    os.set_inheritable(SOCKETS[name].fileno(), True)
    os.execv(program, [program, __file__, f"{name}={SOCKETS[name].fileno()}"])


def reset(name):
    SOCKETS[name].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close(name)


def close(name):
    SOCKETS.pop(name).close()


COMMANDS = {function.__name__: function
            for function in (udp, connect, send, write, listen, accept, read, fork, answer, adopt, fd, buffers, options, cycle,
                             serve, thread, reset, close)}
COMMANDS["exec"] = execute
for argument in sys.argv[1:]:  # after exec
    SOCKETS[argument.split("=")[0]] = socket.socket(fileno=int(argument.split("=")[1]))
    print("ok", flush=True)

for line in sys.stdin:
    words = line.split()
    result = COMMANDS[words[0]](*words[1:])
    print("ok" if result is None else f"ok {result}", flush=True)
