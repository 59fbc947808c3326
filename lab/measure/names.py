"""Questions and answers of the Domain Name System in a capture (RFC 1035 §4), as far as the checks need them."""

import dataclasses
import ipaddress
import pathlib
import socket
import struct

from lab import namespaces
from lab.measure import capture

A, AAAA = 1, 28


@dataclasses.dataclass(frozen=True)
class Message:
    """One UDP datagram. `addresses` are those of an answer, `code` is its RCODE."""

    time: float
    source: str
    destination: str
    is_answer: bool
    is_truncated: bool
    code: int
    name: str
    kind: int
    addresses: tuple[str, ...]


def messages(file: pathlib.Path) -> list[Message]:
    """All over UDP, in the order of the capture."""
    found = []
    for packet in capture.packets(file):
        if packet.protocol == 17 and len(packet.data) > 20 and 53 in struct.unpack_from("!HH", packet.data):
            found.append(_message(packet, packet.data[8:]))
    return found


def over_tcp(file: pathlib.Path) -> int:
    """Packets with TCP to or from a server."""
    tcp = [packet for packet in capture.packets(file) if packet.protocol == 6 and len(packet.data) >= 20]
    return sum(53 in struct.unpack_from("!HH", packet.data) for packet in tcp)


def question(name: str, kind: int, number: int) -> bytes:
    """A message that asks for a name, with an ID."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1)


def answer(name: str, address: str, number: int, ttl: int = 300) -> bytes:
    """A message that answers it with one address."""
    data = ipaddress.ip_address(address).packed
    asked = question(name, A if len(data) == 4 else AAAA, number)
    return (
        asked[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked[12:]
        + struct.pack("!HHHIH", 0xC00C, A if len(data) == 4 else AAAA, 1, ttl, len(data)) + data
    )


class Client:
    """A program in a namespace that asks a server over UDP, from one port."""

    def __init__(self, host: str, server: str):
        with namespaces.inside(host):
            self.socket = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((server, 53))
        self.number = 0x1000

    @property
    def port(self) -> int:
        return self.socket.getsockname()[1]

    def send(self, name: str, kind: int = A) -> int:
        """Asks, and returns the ID."""
        self.number += 1
        self.socket.send(question(name, kind, self.number))
        return self.number

    def receive(self, seconds: float = 5) -> list[str] | None:
        """The addresses of the next answer; nothing if none comes."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(4096)
        except TimeoutError:
            return None
        return list(_parsed(data)[5])

    def ask(self, name: str, kind: int = A) -> list[str] | None:
        self.send(name, kind)
        return self.receive()

    def close(self) -> None:
        self.socket.close()


def _message(packet: capture.Packet, data: bytes) -> Message:
    ends = (_address(packet.source), _address(packet.destination))
    return Message(packet.time, *ends, *_parsed(data))


def _parsed(data: bytes) -> tuple[bool, bool, int, str, int, tuple[str, ...]]:
    """What a Message has, from `is_answer` on, without its time and ends."""
    _, flags, _, answers = struct.unpack_from("!HHHH", data)
    name, offset = _name(data, 12)
    (kind,) = struct.unpack_from("!H", data, offset)
    offset += 4
    addresses = []
    for _ in range(answers):
        _, offset = _name(data, offset)
        if offset + 10 > len(data):
            break
        record, _, _, length = struct.unpack_from("!HHIH", data, offset)
        if record in (A, AAAA):
            addresses.append(str(ipaddress.ip_address(data[offset + 10 : offset + 10 + length])))
        offset += 10 + length
    return bool(flags & 0x8000), bool(flags & 0x0200), flags & 15, name, kind, tuple(addresses)


def _name(data: bytes, offset: int) -> tuple[str, int]:
    """A name and where it ends; what a pointer points to is left out."""
    labels = []
    while data[offset]:
        if data[offset] & 0xC0:
            return ".".join(labels), offset + 2
        labels.append(data[offset + 1 : offset + 1 + data[offset]].decode())
        offset += 1 + data[offset]
    return ".".join(labels), offset + 1


def _address(text: str) -> str:
    """As people write it; the capture has IPv6 in hexadecimal."""
    return str(ipaddress.ip_address(bytes.fromhex(text))) if len(text) == 32 else text
