"""What a host has sent by each leg of its bond, as nftables counts it, and at what rate."""

import re
import time

from lab import namespaces
from lab.topology import ETHERNET_HEADER


def sent(host: str, leg: str, ipv6: bool = False) -> tuple[int, int]:
    """Packets and bytes so far; bytes of outer packets, their IP headers included."""
    text = namespaces.run(host, "nft", "list", "map", "ip6" if ipv6 else "ip", "spillway", f"{leg}_to")
    found = re.search(r"counter packets (\d+) bytes (\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def rates(seconds: float, hosts: tuple[str, ...] = ("hg", "haap"), ipv6: bool = False) -> dict[str, dict[str, float]]:
    """Mbit/s that hosts give each leg from now on for so long, with Ethernet headers: what DSL's rate counts."""
    places = [(host, leg) for host in hosts for leg in ("dsl", "lte")]
    before = {place: (time.monotonic(), *sent(*place, ipv6)) for place in places}
    time.sleep(seconds)
    result = {host: {} for host in hosts}
    for host, leg in places:
        began, packets_before, octets_before = before[host, leg]
        at, (packets, octets) = time.monotonic(), sent(host, leg, ipv6)
        octets += (packets - packets_before) * ETHERNET_HEADER - octets_before
        result[host][leg] = octets * 8 / (at - began) / 1e6
    return result


def police_mbit(host: str, device: str = "bond0") -> float:
    """The rate at which the bond's device sends by DSL; `tc -j` of Debian 12 leaves it out."""
    text = namespaces.run(host, "tc", "filter", "show", "dev", device, "egress")
    value, unit = re.search(r"police .* rate ([0-9.]+)([GMK]?)bit", text).groups()
    return float(value) * {"G": 1e3, "M": 1, "K": 1e-3, "": 1e-6}[unit]
