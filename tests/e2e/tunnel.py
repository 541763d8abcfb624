#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A tunnel in user space: carries the packets of a tun device in datagrams.

usage: tunnel.py DEVICE LOCAL REMOTE PORT

Says "ready" once the device is there."""

import fcntl
import os
import selectors
import socket
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h


def main():
    device, local, remote, port = sys.argv[1:]
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind((local, int(port)))
    peer.connect((remote, int(port)))
    print("ready", flush=True)
    with selectors.DefaultSelector() as ready:
        ready.register(tun, selectors.EVENT_READ, lambda: peer.send(os.read(tun, 65536)))
        ready.register(peer, selectors.EVENT_READ, lambda: os.write(tun, peer.recv(65536)))
        while True:
            for key, _ in ready.select():
                try:
                    key.data()
                except ConnectionRefusedError:  # the other end is not there yet
                    pass


main()
