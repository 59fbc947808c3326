"""DHCP inside a bond, as a capture of a leg has it. For judging what is malformed see dissect.py."""

import dataclasses
import pathlib
import struct

from lab.measure import capture

KINDS4 = {1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM"}
KINDS6 = {1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST6", 5: "RENEW", 6: "REBIND", 7: "REPLY", 8: "RELEASE6"}
UDP = 17


@dataclasses.dataclass(frozen=True)
class Message:
    """A DHCP message inside a bond: when, what (KINDS4, KINDS6), and to which inner destination."""

    time: float
    kind: str
    destination: str


def messages(file: pathlib.Path) -> list[Message]:
    """In the order of the capture, of either family."""
    found = []
    for packet in capture.packets(file):
        header = capture.gre(packet)
        if header is None or header.protocol not in (0x0800, 0x86DD):
            continue
        inner = header.payload
        if header.protocol == 0x0800:
            start = (inner[0] & 15) * 4
            protocol, destination = inner[9], ".".join(str(byte) for byte in inner[16:20])
        else:
            start, protocol, destination = 40, inner[6], inner[24:40].hex(":", 2)
        if protocol != UDP or len(inner) < start + 12:
            continue
        ports = set(struct.unpack_from("!HH", inner, start))
        payload = inner[start + 8 :]
        if ports == {67, 68}:
            kind = KINDS4.get(_type(payload), "")
        elif ports & {546, 547}:
            kind = KINDS6.get(payload[0], "")
        else:
            continue
        found.append(Message(packet.time, kind, destination))
    return found


def _type(payload: bytes) -> int:
    """Option 53."""
    place = 240
    while place + 2 < len(payload) and payload[place] != 255:
        if payload[place] == 53:
            return payload[place + 2]
        place += 1 if payload[place] == 0 else 2 + payload[place + 1]
    return 0
