"""Order: of segments where the customer sees them, and of sequence numbers on the legs."""

import dataclasses
import pathlib
import struct

from lab.measure.capture import gre, packets

CONTROL_PROTOCOLS = (0xB7EA, 0x0101)
DATA_PROTOCOLS = (0x0800, 0x86DD)


@dataclasses.dataclass
class Reordering:
    """segments counts TCP segments with payload; out_of_order those sent before one that had already arrived."""

    segments: int
    out_of_order: int
    greatest_extent: int  # how many segments late the latest was

    @property
    def share(self) -> float:
        return self.out_of_order / self.segments if self.segments else 0.0


def tcp_reordering(file: pathlib.Path, source: str, port: int | None = None, segment_size: int = 1388) -> Reordering:
    """Reordering of TCP over IPv4 in a capture made where the data arrives.

    It goes by the IPv4 identification and not by TCP's sequence number: Linux counts it up by one with every segment
    of a connection, and a retransmission gets a new one. So a retransmission is never taken for reordering, and
    reordering is never hidden by one. `source` is the sender of the data, `port` either port of the connection.
    Receive offload may have joined segments that came in order; they count for as many as they hold.
    """
    highest: dict[bytes, int] = {}
    segments = out_of_order = extent = 0
    for packet in packets(file):
        if packet.version != 4 or packet.protocol != 6 or packet.source != source or len(packet.data) < 20:
            continue
        if port is not None and port not in struct.unpack_from("!HH", packet.data):
            continue
        payload = packet.length - 20 - (packet.data[12] >> 4) * 4
        if payload <= 0:
            continue
        count = max(1, -(-payload // segment_size))
        segments += count
        flow = packet.data[:4]
        if flow not in highest:
            highest[flow] = packet.identification + count - 1
            continue
        # Signed difference modulo 2^16.
        ahead = (packet.identification - highest[flow] + 0x8000) % 0x10000 - 0x8000
        if ahead < 0:
            out_of_order += count
            extent = max(extent, -ahead)
        else:
            highest[flow] = packet.identification + count - 1
    return Reordering(segments, out_of_order, extent)


@dataclasses.dataclass
class SequenceSpace:
    """Sequence numbers of one bonding connection in one direction over all legs."""

    key: int
    packets: int
    first: int
    missing: int
    duplicates: int
    unsequenced: int
    per_leg: dict[str, int]

    @property
    def contiguous(self) -> bool:
        return self.packets > 0 and self.missing == 0 and self.duplicates == 0


def sequence_spaces(legs: dict[str, pathlib.Path], sources: set[str]) -> list[SequenceSpace]:
    """Merges captures of the legs, made on the sender's side (before anything can be lost).

    `sources` are the outer addresses of the sender (IPv6 as 32 hexadecimal digits). Together the legs must show one
    contiguous space per Bonding Key without duplicates: RFC 8157 gives both tunnels one counter.
    """
    found: dict[int, list[tuple[float, int, str]]] = {}
    unsequenced: dict[int, int] = {}
    for leg, file in legs.items():
        for packet in packets(file):
            if packet.source not in sources:
                continue
            header = gre(packet)
            # A data packet of another type is missing from its sequence.
            if header is None or header.protocol not in DATA_PROTOCOLS:
                continue
            key = header.key or 0
            if header.sequence is None:
                unsequenced[key] = unsequenced.get(key, 0) + 1
            else:
                found.setdefault(key, []).append((packet.time, header.sequence, leg))
    spaces = []
    for key, entries in found.items():
        entries.sort()
        first = entries[0][1]
        # Relative to the first number seen, signed modulo 2^32, so that a wrap or a late start does no harm.
        numbers = [(sequence - first + 0x80000000) % 0x100000000 - 0x80000000 for _, sequence, _ in entries]
        different = set(numbers)
        span = max(different) - min(different) + 1
        per_leg: dict[str, int] = {}
        for _, _, leg in entries:
            per_leg[leg] = per_leg.get(leg, 0) + 1
        spaces.append(
            SequenceSpace(
                key, len(numbers), (first + min(different)) % 0x100000000, span - len(different),
                len(numbers) - len(different), unsequenced.get(key, 0), per_leg,
            )
        )
    return spaces
