"""DHCP inside a bond, as a capture of a leg has it. For judging what is malformed see dissect.py."""

import dataclasses
import ipaddress
import json
import pathlib
import struct
import time

from lab import namespaces
from lab.measure import capture

KINDS4 = {1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM"}
KINDS6 = {1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST6", 5: "RENEW", 6: "REBIND", 7: "REPLY", 8: "RELEASE6"}
UDP = 17


@dataclasses.dataclass(frozen=True)
class Message:
    """A DHCP message inside a bond: when, what (KINDS4, KINDS6), to which inner destination, and what an ACK or REPLY
    grants."""

    time: float
    kind: str
    destination: str
    grants: tuple[str, ...] = ()


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
        grants = ()
        if ports == {67, 68}:
            kind = KINDS4.get(_type(payload), "")
            if kind == "ACK":
                grants = (str(ipaddress.ip_address(payload[16:20])),)
        elif ports & {546, 547}:
            kind = KINDS6.get(payload[0], "")
            if kind == "REPLY":
                grants = tuple(_prefixes(payload[4:]))
        else:
            continue
        found.append(Message(packet.time, kind, destination, grants))
    return found


def addresses(host: str) -> set[tuple[str, str]]:
    """All global addresses that the host's kernel has, each with its device."""
    found = json.loads(namespaces.run(host, "ip", "-j", "address", "show"))
    return {
        (link["ifname"], f"{each['local']}/{each['prefixlen']}")
        for link in found for each in link["addr_info"] if each["scope"] == "global"
    }


def only_by_lte(lab, before: set[tuple[str, str]], address: str, prefix: str, files: dict[str, pathlib.Path]) -> None:
    """While DSL has never been up: what the gateway's kernel has come to have since `before`, the bond's address and
    the first of the prefix, was granted inside LTE's tunnel, and it has nothing else but the canonical address, which
    never leaves the host."""
    # The kernel hands captured packets over a second late.
    time.sleep(1.5)
    carrier = namespaces.run("hg", "cat", "/sys/class/net/dsl/operstate").strip()
    lab.check("DSL has no carrier, and not one packet of a tunnel", carrier != "up" and not list(
        capture.packets(files["dsl"])), carrier)
    router = f"{ipaddress.ip_network(prefix)[1]}/64"
    come = addresses("hg") - before
    lab.check("the gateway's kernel has these addresses, and no other that it did not have before",
              come == {("bond0", f"{address}/32"), ("lan", router), ("spillway0", "192.0.0.8/32")}, str(come))
    granted = {each for message in messages(files["lte"]) for each in message.grants}
    lab.check("they were granted inside LTE's tunnel", granted == {address, prefix}, str(granted))


def _prefixes(options: bytes):
    """Of IAPREFIX in IA_PD, both of RFC 8415."""
    while len(options) >= 4:
        code, length = struct.unpack_from("!HH", options)
        value, options = options[4 : 4 + length], options[4 + length :]
        if code == 25:
            yield from _prefixes(value[12:])
        elif code == 26:
            yield f"{ipaddress.ip_address(value[9:25])}/{value[8]}"


def _type(payload: bytes) -> int:
    """Option 53."""
    place = 240
    while place + 2 < len(payload) and payload[place] != 255:
        if payload[place] == 53:
            return payload[place + 2]
        place += 1 if payload[place] == 0 else 2 + payload[place + 1]
    return 0
