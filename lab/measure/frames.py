"""Frames with any header that a host of a LAN could send, one at a time, and on which wire of the gateway each left."""

import dataclasses
import itertools
import json
import socket
import struct
import time

from lab import namespaces
from lab.measure import capture
from lab.measure.order import CONTROL_PROTOCOLS
from lab.measure.sent import DEVICES
from lab.topology import CLIENT, CLIENT6, SERVER, SERVER6

UDP = 17
TAG = b"spw!"
_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Probe:
    """One packet of a flow of its own, by default an inconspicuous one."""

    name: str
    version: int = 4
    source: str = ""
    destination: str = ""
    protocol: int = UDP
    sport: int = 0  # its own
    dport: int = 40000
    dscp: int = 0
    mac: str = "02:00:00:00:00:01"
    number: int = dataclasses.field(default_factory=lambda: next(_numbers))

    @property
    def addresses(self) -> tuple[str, str]:
        four = self.version == 4
        return self.source or (CLIENT if four else CLIENT6), self.destination or (SERVER if four else SERVER6)

    @property
    def source_port(self) -> int:
        return self.sport or 20000 + self.number

    @property
    def words(self) -> list[str]:
        """As `spillway explain` wants it."""
        ends = [f"[{each}]" if self.version == 6 else each for each in self.addresses]
        if self.protocol == UDP:
            ends = [f"{each}:{port}" for each, port in zip(ends, (self.source_port, self.dport))]
        return [str(self.protocol), *ends, "--dscp", str(self.dscp), "--mac", self.mac]

    @property
    def tag(self) -> bytes:
        return TAG + struct.pack("!I", self.number)


class Sender:
    """Sends frames from a device of one host to the Ethernet address of another's."""

    def __init__(self, host: str, device: str, peer: str, peer_device: str):
        with namespaces.inside(host):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._socket.bind((device, 0))
        link = json.loads(namespaces.run(peer, "ip", "-j", "link", "show", peer_device))[0]
        self._to = _mac(link["address"])

    def send(self, *probes: Probe) -> None:
        for probe in probes:
            self._socket.send(_frame(probe, self._to))
            time.sleep(0.002)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    """The Internet checksum."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(probe: Probe) -> bytes:
    """The probe without an Ethernet header."""
    family = socket.AF_INET if probe.version == 4 else socket.AF_INET6
    source, destination = (socket.inet_pton(family, each) for each in probe.addresses)
    body = probe.tag
    if probe.protocol == UDP:
        length = 8 + len(body)
        pseudo = source + destination + struct.pack("!BBH", 0, UDP, length)
        body = struct.pack("!4H", probe.source_port, probe.dport, length, 0) + body
        body = body[:6] + struct.pack("!H", checksum(pseudo + body) or 0xFFFF) + body[8:]
    if probe.version == 4:
        header = struct.pack("!BBHHHBBH", 0x45, probe.dscp << 2, 20 + len(body), 0, 0, 64, probe.protocol, 0)
        header += source + destination
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    else:
        header = struct.pack("!IHBB", 6 << 28 | probe.dscp << 22, len(body), probe.protocol, 64) + source + destination
    return header + body


def _frame(probe: Probe, to: bytes) -> bytes:
    return to + _mac(probe.mac) + (b"\x08\x00" if probe.version == 4 else b"\x86\xdd") + ip_packet(probe)


def _text(packet: capture.Packet) -> str:
    return packet.source if packet.version == 4 else socket.inet_ntop(socket.AF_INET6, bytes.fromhex(packet.source))


class Wires:
    """Captures what an end of the bond sends on its links to the access networks; `of` says how a probe left, `count`
    how a flow's packets did: "bypass ADDRESS" past the bond from this address, "dsl" and "lte" on this leg of the bond."""

    def __init__(self, host: str, folder, name: str):
        self._captures = {
            leg: capture.Capture(host, device, folder / f"{host}-{leg}-{name}.pcap", snap=256, outgoing=True)
            for leg, device in DEVICES[host].items()
        }
        self._seen: list[tuple[str, bytes]] = []

    def stop(self) -> "Wires":
        time.sleep(0.3)
        for leg, each in self._captures.items():
            each.stop()
            for packet in capture.packets(each.file):
                gre = capture.gre(packet)
                if gre is not None and gre.key is not None:
                    if gre.protocol not in CONTROL_PROTOCOLS:
                        self._seen.append((leg, gre.payload))
                elif packet.protocol not in (1, 58):
                    where = f"bypass {_text(packet)}"
                    self._seen.append((where if leg == "dsl" else f"{leg} {where}", packet.data))
        return self

    def of(self, probe: Probe) -> str:
        """"nowhere" if it was not seen."""
        return ", ".join(sorted({where for where, data in self._seen if probe.tag in data})) or "nowhere"

    def count(self, port: int) -> dict[str, int]:
        """UDP packets to a port, by where they left."""
        counts: dict[str, int] = {}
        for where, data in self._seen:
            at = 0
            if "bypass" not in where:
                at = 20 if data[:1] == b"\x45" else 40
            if len(data) >= at + 4 and struct.unpack_from("!H", data, at + 2)[0] == port:
                counts[where] = counts.get(where, 0) + 1
        return counts
