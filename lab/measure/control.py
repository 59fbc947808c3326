"""Control messages of a capture, taken apart here: what was said on which leg, when, and how it was acknowledged."""

import dataclasses
import pathlib
import struct

from lab.measure import capture
from lab.measure.order import CONTROL_PROTOCOLS

SETUP_REQUEST, SETUP_ACCEPT, SETUP_DENY, HELLO, TEAR_DOWN, NOTIFY = range(1, 7)
BYPASS_RATE, FILTER_LIST, SWITCH_TO_DSL, OVERFLOW_TO_LTE = 6, 8, 11, 12
ERROR_CODE, DSL_FAILURE, LTE_FAILURE, PREFIX_TO_HOST = 17, 18, 19, 21
DIAGNOSTIC_DSL, DIAGNOSTIC_LTE, DIAGNOSTIC_END, FILTER_LIST_ACK = 27, 28, 29, 30
ACTIVE_STATE, IDLE_STATE = 33, 34


@dataclasses.dataclass(frozen=True)
class Message:
    """One control message. attributes: (type, value) in the order of the wire."""

    time: float
    source: str
    destination: str
    key: int
    type: int
    tunnel: int
    attributes: tuple[tuple[int, bytes], ...]

    @property
    def types(self) -> tuple[int, ...]:
        return tuple(kind for kind, _ in self.attributes)

    def value(self, kind: int) -> bytes | None:
        return next((value for each, value in self.attributes if each == kind), None)


def messages(file: pathlib.Path) -> list[Message]:
    """All control messages of a capture with whole packets; what does not parse is an error here."""
    found = []
    for packet in capture.packets(file):
        gre = capture.gre(packet)
        if gre is None or gre.protocol not in CONTROL_PROTOCOLS or gre.sequence is not None:
            continue
        data, attributes, at = gre.payload, [], 1
        while at < len(data) and data[at] != 0xFF:
            kind, length = struct.unpack_from("!BH", data, at)
            value = data[at + 3 : at + 3 + length]
            if len(value) != length:
                raise ValueError(f"attribute {kind} is cut short in {file}")
            attributes.append((kind, value))
            at += 3 + length
        found.append(
            Message(packet.time, packet.source, packet.destination, gre.key or 0, data[0] >> 4, data[0] & 15,
                    tuple(attributes))
        )
    return found


def saying(list_of: list[Message], kind: int, source: str | None = None) -> list[Message]:
    """Notify messages with an attribute of this type, from one sender if `source` says so."""
    return [each for each in list_of
            if each.type == NOTIFY and kind in each.types and (source is None or each.source == source)]


def data_times(file: pathlib.Path, source: str) -> list[float]:
    """When subscribers' packets left or came, by outer source."""
    times = []
    for packet in capture.packets(file):
        gre = capture.gre(packet)
        if packet.source == source and gre is not None and gre.protocol not in CONTROL_PROTOCOLS:
            times.append(packet.time)
    return times
