"""Hundreds of gateways played by one program (lab/played.py), with legs that come and go.

They live in the access routers: whatever is sent to an address of theirs is taken there by a raw socket. What they do
is drawn from a seed.
"""

import collections
import random
import select
import socket
import struct
import threading
import time

from lab import namespaces
from lab.played import DSL, LTE, Gateway
from lab.topology import HAAP

ROUTERS = {DSL: "dsl", LTE: "lte"}


def network(leg: int) -> str:
    """Where the addresses of a leg are; the access router takes all of it for its own."""
    return f"10.{100 + leg}.0.0/16"


class Crowd:
    """`with Crowd(200) as crowd:`; they begin at `start`."""

    def __init__(self, size: int, seed: int = 8157):
        self.counts: collections.Counter = collections.Counter()
        chance = random.Random(seed)
        self.gateways = [
            Gateway(number, random.Random(chance.getrandbits(64)), self._send, self.counts) for number in range(size)
        ]
        self.error: Exception | None = None
        self._ended = threading.Event()
        self._out, self._in = {}, {}
        for leg, router in ROUTERS.items():
            namespaces.run(router, "ip", "route", "add", "local", network(leg), "dev", "lo")
            with namespaces.inside(router):
                self._out[leg] = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
                self._in[socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)] = leg
        for each in self._in:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            each.setblocking(False)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Crowd":
        return self

    def start(self) -> None:
        self._thread.start()

    def __exit__(self, *exception) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        for each in (*self._in, *self._out.values()):
            each.close()

    def calm(self, calm: bool) -> None:
        for each in self.gateways:
            each.calm = calm

    def leave(self) -> None:
        """All of them give their leases back and tear their bonds down, for good."""
        for each in self.gateways:
            each.leaves = True

    @property
    def settled(self) -> int:
        return sum(each.is_settled for each in self.gateways)

    def _send(self, leg: int, source: str, payload: bytes) -> None:
        # The kernel fills in length and check sum.
        head = struct.pack(">BBHHHBBH", 0x45, 0, 0, 0, 0, 64, 47, 0) + socket.inet_aton(source) + socket.inet_aton(HAAP)
        self._out[leg].sendto(head + payload, (HAAP, 0))

    def _run(self) -> None:
        worked = 0.0
        try:
            while not self._ended.is_set():
                ready, _, _ = select.select(list(self._in), [], [], 0.2)
                for each in ready:
                    self._receive(each)
                # To look at all of them after each message would cost more than all else.
                if (now := time.monotonic()) < worked + 0.2:
                    continue
                worked = now
                for gateway in self.gateways:
                    gateway.wake(now)
                    gateway.work(now)
        except Exception as error:  # The scenario is to know why nothing happens any more.
            self.error = error

    def _receive(self, each: socket.socket) -> None:
        for _ in range(64):
            try:
                packet = each.recv(2048)
            except BlockingIOError:
                return
            leg, number = self._in[each], packet[19] - 1
            if packet[16:18] == bytes([10, 100 + leg]) and 0 <= number < len(self.gateways):
                gateway = self.gateways[number]
                # What was sent to an address that it has left is lost.
                if gateway.address(leg) == socket.inet_ntoa(packet[16:20]):
                    gateway.receive(leg, packet[(packet[0] & 15) * 4 :], time.monotonic())
