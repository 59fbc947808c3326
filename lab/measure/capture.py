"""Captures: tcpdump writes, and a small reader of our own takes apart what the checks need."""

import dataclasses
import pathlib
import re
import signal
import struct
import subprocess
import time
from collections.abc import Iterator

from lab import namespaces


class Capture:
    """tcpdump on one device of a host from construction until `stop`. `snap` bytes of each packet are kept.
    `outgoing`: only what the host itself sends there, packet by packet; for few packets."""

    def __init__(
        self, host: str, device: str, file: pathlib.Path, *, snap: int = 128, filter: str = "", outgoing: bool = False
    ):
        self.file = file
        self.dropped = 0
        self._outgoing = outgoing
        # As root, because the folder for results belongs to root; flushed by packet, so that it can be read any time.
        command = ["tcpdump", "-i", device, "-s", snap, "-w", file, "-U", "-n", "-Z", "root"]
        command += ["-Q", "out", "-p", "--immediate-mode", "-B", 1024] if outgoing else ["-B", 16384]
        command += [filter] if filter else []
        self._process = namespaces.start(host, *command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        line = self._process.stderr.readline()
        while line and "listening on" not in line:
            line = self._process.stderr.readline()
        if not line:
            raise RuntimeError(f"tcpdump did not start on {device} in {host}")

    def stop(self) -> pathlib.Path:
        """Ends the capture; `dropped` then says how many packets it missed."""
        if self._process.poll() is None:
            # The kernel hands packets over in blocks, a block that is not full only after a second.
            if not self._outgoing:
                time.sleep(1.2)
            self._process.send_signal(signal.SIGINT)
        _, words = self._process.communicate(timeout=60)
        missed = re.search(r"(\d+) packets? dropped by kernel", words)
        self.dropped = int(missed[1]) if missed else 0
        return self.file

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *exception) -> None:
        if self._process.poll() is None:
            self.stop()


@dataclasses.dataclass(frozen=True)
class Packet:
    """An IP packet of a capture. `data` starts behind the IP header and may be cut short by the capture."""

    time: float
    version: int
    source: str
    destination: str
    protocol: int
    identification: int  # IPv4 only, 0 for IPv6
    length: int  # of the IP packet on the wire
    data: bytes


@dataclasses.dataclass(frozen=True)
class GRE:
    """The GRE header of a packet: RFC 2784 and RFC 2890. `payload` is what follows it."""

    protocol: int
    key: int | None
    sequence: int | None
    payload: bytes


def packets(file: pathlib.Path) -> Iterator[Packet]:
    """IP packets of a capture file (classic pcap; Ethernet or raw IP), in the order in it."""
    content = file.read_bytes()
    if len(content) < 24:
        return
    magic = content[:4]
    forms = {
        b"\xd4\xc3\xb2\xa1": ("<", 1e6), b"\x4d\x3c\xb2\xa1": ("<", 1e9),
        b"\xa1\xb2\xc3\xd4": (">", 1e6), b"\xa1\xb2\x3c\x4d": (">", 1e9),
    }
    if magic not in forms:
        raise ValueError(f"{file} is no pcap file")
    order, fraction = forms[magic]
    link_type = struct.unpack_from(order + "I", content, 20)[0] & 0xFFFF
    header = struct.Struct(order + "IIII")
    offset = 24
    while offset + 16 <= len(content):
        seconds, rest, kept, _ = header.unpack_from(content, offset)
        frame = content[offset + 16 : offset + 16 + kept]
        offset += 16 + kept
        packet = _ip(frame, link_type, seconds + rest / fraction)
        if packet is not None:
            yield packet


def _ip(frame: bytes, link_type: int, time: float) -> Packet | None:
    if link_type == 1:
        if len(frame) < 14 or frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
            return None
        frame = frame[14:]
    if len(frame) >= 20 and frame[0] >> 4 == 4:
        length, identification = struct.unpack_from("!HH", frame, 2)
        addresses = (".".join(map(str, frame[12:16])), ".".join(map(str, frame[16:20])))
        return Packet(time, 4, *addresses, frame[9], identification, length, frame[(frame[0] & 15) * 4 :])
    if len(frame) >= 40 and frame[0] >> 4 == 6:
        length = struct.unpack_from("!H", frame, 4)[0] + 40
        return Packet(time, 6, frame[8:24].hex(), frame[24:40].hex(), frame[6], 0, length, frame[40:])
    return None


def gre(packet: Packet) -> GRE | None:
    """The GRE header, or nothing if the packet has none (or it is cut short)."""
    data = packet.data
    if packet.protocol != 47 or len(data) < 4:
        return None
    flags, protocol = struct.unpack_from("!HH", data)
    offset = 4 + (4 if flags & 0x8000 else 0)
    key = sequence = None
    if flags & 0x2000:
        if len(data) < offset + 4:
            return None
        (key,) = struct.unpack_from("!I", data, offset)
        offset += 4
    if flags & 0x1000:
        if len(data) < offset + 4:
            return None
        (sequence,) = struct.unpack_from("!I", data, offset)
        offset += 4
    return GRE(protocol, key, sequence, data[offset:])
