"""Many small UDP flows at once, and which leg each of them takes."""

import pathlib
import socket
import struct
import threading
import time

from lab import namespaces
from lab.measure.capture import gre, packets
from lab.measure.order import DATA_PROTOCOLS


class SmallFlows:
    """So many flows from one host to another, told apart by the sender's port; the same ports each time."""

    HEADER = struct.Struct("!HI")

    def __init__(self, sender: str, receiver: str, address: str, count: int, *, size: int = 100, port: int = 5400):
        with namespaces.inside(receiver):
            self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._in.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            self._in.bind((address, port))
        self._out = []
        with namespaces.inside(sender):
            for number in range(count):
                each = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                each.bind(("", 20_000 + number))
                each.connect((address, port))
                self._out.append(each)
        self.count = count
        self._padding = bytes(max(0, size - self.HEADER.size))

    def send(self, rounds: int, pause: float = 0.002) -> dict[int, list[int]]:
        """Each flow sends `rounds` datagrams, one flow after the other; their numbers as they arrived, flow by flow."""
        found: dict[int, list[int]] = {}
        ended = threading.Event()

        def receive():
            self._in.settimeout(0.2)
            while not ended.is_set():
                try:
                    flow, number = self.HEADER.unpack_from(self._in.recv(2048))
                except TimeoutError:
                    continue
                found.setdefault(flow, []).append(number)

        thread = threading.Thread(target=receive)
        thread.start()
        for number in range(rounds):
            for flow, each in enumerate(self._out):
                each.send(self.HEADER.pack(flow, number) + self._padding)
                time.sleep(pause)
        time.sleep(1)
        ended.set()
        thread.join()
        return found

    def close(self) -> None:
        for each in (self._in, *self._out):
            each.close()


def legs_of(captures: dict[str, pathlib.Path], port: int = 5400) -> tuple[dict[int, set[str]], int]:
    """The legs that each flow towards `port` was seen on, by the sender's port; and how many packets had a number."""
    found: dict[int, set[str]] = {}
    numbered = 0
    for leg, file in captures.items():
        for packet in packets(file):
            header = gre(packet)
            if header is None or header.protocol not in DATA_PROTOCOLS or len(header.payload) < 24:
                continue
            source, destination = struct.unpack_from("!HH", header.payload, 20)
            if header.payload[9] == 17 and destination == port:
                found.setdefault(source, set()).add(leg)
                numbered += header.sequence is not None
    return found, numbered
