"""A DHCP server that says whatever a scenario wants, at the aggregator's end of a bond, for both families."""

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable

from lab import namespaces
from lab.measure.frames import checksum
from lab.measure.leases import KINDS4, KINDS6
from lab.topology import HAAP

COOKIE = b"\x63\x82\x53\x63"
REPLY, ADVERTISE6, REPLY6 = 2, 2, 7


class Rogue:
    """Hears what comes by a device of a host and answers with what `answer4` and `answer6` return for it: payloads.
    `with Rogue("haap", "bond0") as rogue:`"""

    def __init__(self, host: str, device: str):
        self.heard: list[str] = []
        self.answer4: Callable[[str, bytes], Iterable[bytes]] = lambda kind, message: ()
        self.answer6: Callable[[str, bytes], Iterable[bytes]] = lambda kind, message: ()
        self._device = device
        self._ended = threading.Event()
        with namespaces.inside(host):
            # A packet socket, because the kernel would not send to addresses that are not there yet.
            self._four = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
            self._four.bind((device, 0x0800))
            self._six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self._six.bind(("::", 547))
            link = socket.if_nametoindex(device)
        group = socket.inet_pton(socket.AF_INET6, "ff02::1:2") + struct.pack("@I", link)
        self._six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        for each in (self._four, self._six):
            each.settimeout(0.2)
        self._threads = [threading.Thread(target=self._serve4), threading.Thread(target=self._serve6)]

    def __enter__(self) -> "Rogue":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *exception) -> None:
        self._ended.set()
        for each in self._threads:
            each.join()
        self._four.close()
        self._six.close()

    def send4(self, payloads: Iterable[bytes]) -> None:
        for payload in payloads:
            self._four.sendto(packet4(payload), (self._device, 0x0800))
            # No queue of the network is to lose any.
            time.sleep(0.002)

    def _serve4(self) -> None:
        while not self._ended.is_set():
            try:
                packet = self._four.recv(65536)
            except TimeoutError:
                continue
            start = (packet[0] & 15) * 4
            if packet[9] != 17 or packet[start : start + 4] != struct.pack("!HH", 68, 67):
                continue
            message = packet[start + 8 :]
            kind = KINDS4.get(value4(message, 53, b"\0")[0], "")
            self.heard.append(kind)
            self.send4(self.answer4(kind, message))

    def _serve6(self) -> None:
        while not self._ended.is_set():
            try:
                message, source = self._six.recvfrom(65536)
            except TimeoutError:
                continue
            kind = KINDS6.get(message[0], "")
            self.heard.append(kind)
            for payload in self.answer6(kind, message):
                self._six.sendto(payload, source)
                time.sleep(0.002)


# DHCPv4

def packet4(payload: bytes) -> bytes:
    """From the server to everybody."""
    addresses = ipaddress.ip_address(HAAP).packed + b"\xff" * 4
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 1, 0, 64, 17, 0) + addresses
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return header + struct.pack("!HHHH", 67, 68, 8 + len(payload), 0) + payload


def value4(message: bytes, code: int, default: bytes) -> bytes:
    place = 240
    while place + 2 < len(message) and message[place] != 255:
        length = message[place + 1]
        if message[place] == code:
            return message[place + 2 : place + 2 + length]
        place += 1 if message[place] == 0 else 2 + length
    return default


def option4(code: int, value: bytes) -> bytes:
    """In as many pieces as it needs."""
    pieces = [value[start : start + 255] for start in range(0, len(value), 255)] or [b""]
    return b"".join(bytes([code, len(piece)]) + piece for piece in pieces)


def answer4(
    request: bytes, kind: int, address: str = "0.0.0.0", *, seconds: int | None = 3600, server: str | None = HAAP,
    operation: int = REPLY, xid: int = 0, hardware: bytes | None = None, more: bytes = b"",
) -> bytes:
    """An answer to a request. `xid` is added to the request's."""
    transaction = (int.from_bytes(request[4:8], "big") ^ xid).to_bytes(4, "big")
    text = struct.pack("!BBBB", operation, 1, 6, 0) + transaction + bytes(8)
    text += ipaddress.ip_address(address).packed + bytes(8) + (hardware or request[28:34]) + bytes(10 + 192) + COOKIE
    text += option4(53, bytes([kind]))
    text += option4(54, ipaddress.ip_address(server).packed) if server else b""
    text += option4(51, struct.pack("!I", seconds)) if seconds is not None else b""
    return text + more + b"\xff"


# DHCPv6

def option6(code: int, value: bytes = b"") -> bytes:
    return struct.pack("!HH", code, len(value)) + value


def value6(message: bytes, code: int) -> bytes:
    place = 4
    while place + 4 <= len(message):
        found, length = struct.unpack_from("!HH", message, place)
        if found == code:
            return message[place + 4 : place + 4 + length]
        place += 4 + length
    return b""


def prefix6(text: str, preferred: int = 3600, valid: int = 7200) -> bytes:
    """An IA Prefix option; the text may have host bits."""
    address, length = text.split("/")
    return option6(26, struct.pack("!IIB", preferred, valid, int(length)) + ipaddress.ip_address(address).packed)


def answer6(
    request: bytes, kind: int, prefixes: bytes | None = b"", *, server: bytes | None = b"\0\3\0\1\2\0\0\0\0\x66",
    client: bytes | None = None, xid: int = 0, t1: int = 0, t2: int = 0, more: bytes = b"",
) -> bytes:
    """An answer to a request; without `prefixes` it has no IA_PD."""
    transaction = (int.from_bytes(request[1:4], "big") ^ xid).to_bytes(3, "big")
    text = bytes([kind]) + transaction + option6(1, client or value6(request, 1))
    text += option6(2, server) if server else b""
    if prefixes is not None:
        text += option6(25, value6(request, 25)[:4] + struct.pack("!II", t1, t2) + prefixes)
    return text + more
