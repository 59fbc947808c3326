"""Questions and answers of the Domain Name System in a capture (RFC 1035 §4), as far as the checks need them."""

import dataclasses
import ipaddress
import pathlib
import struct

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


def _message(packet: capture.Packet, data: bytes) -> Message:
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
    ends = (_address(packet.source), _address(packet.destination))
    return Message(
        packet.time, *ends, bool(flags & 0x8000), bool(flags & 0x0200), flags & 15, name, kind, tuple(addresses)
    )


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
