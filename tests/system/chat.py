#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ten datagrams a second from a socket to itself: one flow of one process, for as long as it runs."""

import socket
import time

ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ours.bind(("127.0.0.1", 0))
ours.connect(ours.getsockname())
while True:
    ours.send(b"x" * 1000)
    ours.recv(2000)
    time.sleep(0.1)
