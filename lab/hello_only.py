"""What Hellos alone can do: a GRE device of the kernel on each leg, one of them in use, and a loop that asks by both.

Each leg is asked every INTERVAL_S; what is not answered is repeated after RETRY_S, and a leg that leaves ATTEMPTS
unanswered is left. These are the defaults of the product, and kinder than three whole intervals. A leg is left, too,
when more than VIOLATIONS round trips in a row are THRESHOLD_MS longer than the other's (RFC 8157 §5.2.4, §5.2.12).
"""

import contextlib
import os
import select
import socket
import struct
import threading
import time

from lab import namespaces
from lab.both_legs import DEVICES, GRE, two_devices
from lab.measure.frames import checksum
from lab.namespaces import run
from lab.topology import ETHERNET_HEADER, FULL_FRAME, LAN, SERVER, Topology

INTERVAL_S, RETRY_S, ATTEMPTS = 10, 1, 3
THRESHOLD_MS, VIOLATIONS = 150, 3
ENDS = {"dsl": ("172.31.1.1", "172.31.1.2"), "lte": ("172.31.2.1", "172.31.2.2")}
ICMP = struct.Struct("!BBHHH")


@contextlib.contextmanager
def hello_only(network: Topology, used: str):
    """`used`: the leg that carries while all is well; the other one is its spare."""
    with two_devices(network, "gre", FULL_FRAME - ETHERNET_HEADER - GRE):
        for leg, ends in ENDS.items():
            for host, address in zip(("hg", "haap"), ends):
                run(host, "ip", "address", "add", f"{address}/30", "dev", DEVICES[leg])
                run(host, "ip", "link", "set", DEVICES[leg], "up")
        carry(used)
        round_trips: dict[str, float] = {}
        loops = [Loop(leg, "lte" if leg == "dsl" else "dsl", leg == used, round_trips) for leg in ENDS]
        try:
            yield
        finally:
            for loop in loops:
                loop.stop()


def carry(leg: str) -> None:
    """At the gateway at once, and at the other end after what a message to it takes: about as long as `ip` to start."""
    for host, to in (("hg", SERVER), ("haap", LAN)):
        run(host, "ip", "route", "replace", to, "dev", DEVICES[leg])


class Loop:
    """One leg's Hellos, as echoes that the other end's kernel answers."""

    def __init__(self, leg: str, other: str, used: bool, round_trips: dict[str, float]):
        self._leg, self._other, self._used, self._round_trips = leg, other, used, round_trips
        with namespaces.inside("hg"):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICES[leg].encode())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        number = unanswered = slow = 0
        while not self._stopped.is_set():
            number, sent = number + 1, time.monotonic()
            took = self._echo(number)
            if took is None:
                unanswered += 1
                # Without an answer at all there is no round trip to compare.
                if unanswered == ATTEMPTS:
                    self._leave()
                self._stopped.wait(sent + (RETRY_S if unanswered < ATTEMPTS else INTERVAL_S) - time.monotonic())
                continue
            unanswered = 0
            self._round_trips[self._leg] = took
            difference = took - self._round_trips.get(self._other, took)
            slow = slow + 1 if difference * 1e3 > THRESHOLD_MS else 0
            if slow > VIOLATIONS:
                self._leave()
            self._stopped.wait(sent + INTERVAL_S - time.monotonic())

    def _leave(self) -> None:
        if self._used:
            self._used = False
            carry(self._other)

    def _echo(self, number: int) -> float | None:
        """The round trip in s, or nothing if there is no answer in time."""
        identifier = os.getpid() & 0xFFFF
        message = ICMP.pack(8, 0, checksum(ICMP.pack(8, 0, 0, identifier, number)), identifier, number)
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            # No route just now, as when the leg's address is gone: nobody answers.
            self._socket.sendto(message, (ENDS[self._leg][1], 0))
        while (rest := begun + RETRY_S - time.monotonic()) > 0 and not self._stopped.is_set():
            if not select.select([self._socket], [], [], min(rest, 0.2))[0]:
                continue
            packet = self._socket.recv(2048)
            kind, _, _, whose, which = ICMP.unpack_from(packet, (packet[0] & 15) * 4)
            if (kind, whose, which) == (0, identifier, number):
                return time.monotonic() - begun
        return None

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._socket.close()
