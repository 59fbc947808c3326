"""Control messages as an independent dissector sees them: tshark's `grebonding`."""

import collections
import dataclasses
import pathlib
import struct
import subprocess
import tempfile

from lab.measure import capture
from lab.measure.leases import KINDS4, KINDS6

KINDS = {1: "Setup Request", 2: "Setup Accept", 3: "Setup Deny", 4: "Hello", 5: "Tear Down", 6: "Notify"}
FIELDS = ("frame.protocols", "grebonding.type", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message")
# tshark's severities "warning" and "error" are 6291456 and 8388608.
WARNING = 6291456


@dataclasses.dataclass
class Dissection:
    """messages counts control messages by kind, malformed quotes what tshark objects to, tolerated counts its own
    faults by reason."""

    messages: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    malformed: list[str] = dataclasses.field(default_factory=list)
    tolerated: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    @property
    def clean(self) -> bool:
        return not self.malformed and self.messages.total() > 0

    def __str__(self) -> str:
        parts = [f"{count} {kind}" for kind, count in sorted(self.messages.items())] or ["no control messages"]
        parts += [f"{count} tolerated ({reason})" for reason, count in self.tolerated.items()]
        return ", ".join(parts) + "".join(f"; {each}" for each in self.malformed[:5])


def control_messages(captures: dict[str, list[pathlib.Path]]) -> dict[str, Dissection]:
    """Dissects captures that hold nothing but whole control messages, by name. tshark is started once for all."""
    names = {file: name for name, files in captures.items() for file in files}
    packets = [(file, packet) for file in names for packet in capture.packets(file)]
    result = {name: Dissection() for name in captures}
    for (file, packet), words in zip(packets, _tshark(list(names)), strict=True):
        protocols, kind, broken, severity, message = words
        seen = result[names[file]]
        seen.messages[KINDS.get(int(kind.split(",")[0] or 0), f"kind {kind or 'unknown'}")] += 1
        if "grebonding" not in protocols:
            seen.malformed.append(f"{file.name}: not taken for a control message ({protocols})")
        elif broken or any(int(each) >= WARNING for each in severity.split(",") if each):
            if reason := tshark_fault(packet, message):
                seen.tolerated[reason] += 1
            else:
                seen.malformed.append(f"{file.name}: {message or 'malformed'} in {packet.data.hex()}")
    return result


def _tshark(files: list[pathlib.Path], fields=FIELDS, filter: str = "") -> list[list[str]]:
    """Fields of each packet that passes the display filter: those of the first file, then those of the second, and so on."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as all_of_them:
        subprocess.run(["mergecap", "-a", "-F", "pcap", "-w", all_of_them.name, *files], check=True, timeout=60)
        command = ["tshark", "-n", "-r", all_of_them.name, "-T", "fields"]
        command += ["-Y", filter] if filter else []
        for field in fields:
            command += ["-e", field]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"tshark: {done.stderr.strip()}")
    return [(line.split("\t") + [""] * len(fields))[: len(fields)] for line in done.stdout.splitlines()]


def dhcp(files: list[pathlib.Path]) -> Dissection:
    """Dissects the DHCP messages, of either family, in captures of anything."""
    seen = Dissection()
    fields = ("dhcp.option.dhcp", "dhcpv6.msgtype", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message")
    for four, six, broken, severity, message in _tshark(files, fields, "dhcp || dhcpv6"):
        kind = KINDS4.get(int(four or 0)) or KINDS6.get(int(six.split(",")[0] or 0), f"kind {four}{six}")
        seen.messages[kind] += 1
        if broken or any(int(each) >= WARNING for each in severity.split(",") if each):
            seen.malformed.append(f"{kind}: {message or 'malformed'}")
    return seen


def tshark_fault(packet: capture.Packet, message: str) -> str | None:
    """Why what tshark 4.0 says of this packet is tshark's fault, if it is one of the two that are known."""
    parsed = _attributes(packet)
    if parsed is None:
        return None
    kind, attributes = parsed
    # It reads past the five bytes of a Filter List Package ACK: an error where nothing follows, silence elsewhere.
    if message == "Malformed Packet (Exception occurred)" and kind == 6 and attributes and attributes[-1] == (30, 5):
        return "ACK of a filter list at the end of a Notify"
    # It takes every attribute that it does not know for a number; the deployed dialect's 54 is a name.
    if message == "Trying to fetch an unsigned integer with length 32" and (54, 32) in attributes:
        return "name of 32 bytes in attribute 54"
    return None


def _attributes(packet: capture.Packet) -> tuple[int, list[tuple[int, int]]] | None:
    """Message type, and type and length of each attribute (RFC 8157, 5); nothing if lengths do not fit."""
    header = capture.gre(packet)
    if header is None or not header.payload:
        return None
    body, place, found = header.payload, 1, []
    while place < len(body):
        if place + 3 > len(body):
            return None
        kind, length = struct.unpack_from("!BH", body, place)
        place += 3 + length
        found.append((kind, length))
    return (body[0] >> 4, found) if place == len(body) else None
