"""What a leg's IPsec states count: packets that are late, numbers beyond 2^32, a limit that is reached (village)."""

import ipaddress
import pathlib
import socket
import time

from lab import namespaces, spillway
from lab.measure import capture, flow, ipsec
from lab.measure.ping import ping
from lab.scenarios.ipsec import ESP, GRE, SECRET, numbers
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import HAAP6, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# Small, so that few packets have to pass.
WINDOW = 64
KEYS = {"keys": "configured", "cipher": "aes-cbc", "secret": SECRET, "replay_window": WINDOW}

prepare = spillway.prepare


def run(lab):
    namespaces.run(None, "modprobe", "-q", "aesni_intel", check=False)
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network, address=[HAAP6], ipsec=KEYS))
        hg = Spillway(lab, "hg", settings("hg", network, True, ipsec=KEYS))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            lab.wait("the bond carries", lambda: ping("client", SERVER, 1).received)
            late(lab, haap)
            beyond(lab, hg, haap)
            limits(lab, hg, haap)


def late(lab, haap):
    """What a leg delivers later than others is taken as far as the window reaches, and once."""
    echoes = capture.Capture("server", "s0", lab.out / "late-echoes.pcap", snap=96, filter="icmp")
    sizes = (201, 202)
    kept = {}
    for size in sizes:
        kept[size] = held_back(lab, size)
        passed(lab, WINDOW // 4)
    before = refused(haap)
    for packet in kept.values():
        inject(packet)
    lab.wait("packets that are late are taken", lambda: set(sizes) <= arrived(echoes))
    lab.check("and nothing is refused", refused(haap) == before, f"{before} {refused(haap)}")
    inject(kept[201])
    lab.wait("what comes twice is refused", lambda: refused(haap) == (before[0] + 1, before[1]))
    too_late = held_back(lab, 203)
    passed(lab, 2 * WINDOW)
    inject(too_late)
    # With extended numbers it is taken for one of 2^32 later, and is not authentic as such (RFC 4303, appendix A2).
    lab.wait("what is too late is refused", lambda: refused(haap) == (before[0] + 1, before[1] + 1))
    lab.check("and does not arrive", 203 not in arrived(echoes))
    echoes.stop()


def refused(daemon) -> tuple[int, int]:
    status = daemon.status()["ipsec"]
    return status["replayed"], status["forged"]


def held_back(lab, size: int) -> capture.Packet:
    """The ESP packet of DSL that has an echo of this size in it; it does not arrive."""
    source = "2001:db8:d::2"
    taken = capture.Capture("dsl", "d0", lab.out / "held.pcap", snap=2000, filter=f"src {source} and ip6 proto {ESP}")
    chain = "add table ip6 lab; add chain ip6 lab held { type filter hook prerouting priority -300; }; "
    namespaces.run("dsl", "nft", f"{chain} add rule ip6 lab held ip6 saddr {source} ip6 nexthdr esp drop")
    namespaces.run("client", "ping", "-c", 1, "-W", "0.3", "-s", size, SERVER, check=False)
    namespaces.run("dsl", "nft", "delete", "table", "ip6", "lab")
    return max(capture.packets(taken.stop()), key=lambda each: each.length)


def passed(lab, count: int):
    got = ping("client", SERVER, count, interval=0.02).received
    lab.check(f"{count} packets pass before it", got == count, str(got))


def arrived(running: capture.Capture) -> set[int]:
    """Sizes of the echoes so far; the kernel hands packets over after a second."""
    time.sleep(1.2)
    return {packet.length - 28 for packet in capture.packets(running.file)}


def inject(packet: capture.Packet):
    """Sends an ESP packet of IPv6 once more towards the aggregation point."""
    ends = bytes.fromhex(packet.source), bytes.fromhex(packet.destination)
    header = (6 << 28).to_bytes(4, "big") + len(packet.data).to_bytes(2, "big") + bytes([ESP, 64])
    with namespaces.inside("dsl"), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as gun:
        gun.sendto(header + ends[0] + ends[1] + packet.data, (str(ipaddress.ip_address(ends[1])), 0))


def renumber(daemon, sent: int, received: int):
    """What a run left of its numbers becomes others."""
    file = pathlib.Path(daemon.value["state"]["directory"]) / "ipsec-numbers"
    lines = [line.split() for line in file.read_text().splitlines()]
    text = "".join(f"{spi} {sent if int(old) else 0} {0 if int(old) else received} {to}\n" for spi, old, _, to in lines)
    file.write_text(text)


def beyond(lab, hg, haap):
    """Extended numbers: both ends go on beyond 2³²."""
    for daemon in (hg, haap):
        daemon.stop()
    for daemon in (hg, haap):
        # A start goes on 2^24 further.
        renumber(daemon, sent=2**32 - 2**24 - 15, received=2**32 - 2**24 - 100)
    for daemon in (haap, hg):
        daemon.start()
    hg.wait_for("bonded with numbers below 2^32", is_bonded, seconds=120)
    got = ping("client", SERVER, 40, interval=0.02)
    lab.check("none is lost around 2^32", got.received == 40, str(got.received))
    for host in ("hg", "haap"):
        highest = max(numbers(host).values())
        lab.check(f"{host}: numbers went on beyond 2^32", 2**32 <= highest < 2**32 + 1000, f"2^32 + {highest - 2**32}")


def limits(lab, hg, haap):
    """A state that has carried what it may is announced, ended and not put back; the leg carries nothing more."""
    for daemon in (hg, haap):
        daemon.stop()
    hg.configure(hg.value | {"ipsec": hg.value["ipsec"] | {"volume": "1 MB"}})
    for daemon in (haap, hg):
        daemon.start()
    hg.wait_for("bonded with a limit", is_bonded, seconds=120)
    flow.udp("client", "server", SERVER, 4, mbit=3)
    told = hg.wait_for("told", lambda status: "ipsec-expired" in [each["event"] for each in status["events"]])
    # The last one comes first.
    events = [each["event"] for each in reversed(told["events"]) if each["event"].startswith("ipsec-exp")]
    lab.check("nearly used up, then used up", events[:2] == ["ipsec-expiring", "ipsec-expired"], str(events))
    dsl = "2001:db8:d::2"
    filter = f"src {dsl} and (ip6 proto {GRE} or ip6 proto {ESP})"
    wire = capture.Capture("hg", "dsl", lab.out / "used-up.pcap", snap=64, filter=filter)
    hg.wait_for("uses only lte", uses_only("lte"))
    lab.check("the other leg carries on", ping("client", SERVER, 3).received == 3)
    left = list(capture.packets(wire.stop()))
    lab.check("a leg whose state is used up carries nothing", not left, str(left)[:300])
    # States are looked at when one of them was taken away, as a stranger does here with one of LTE's.
    other = next(each for each in ipsec.states("hg") if dsl not in (each.source, each.destination))
    ipsec.delete("hg", other)
    lab.wait("another one is put back", lambda: other.name in [each.name for each in ipsec.states("hg")])
    time.sleep(0.5)
    lab.check("and this one is not", not [each for each in ipsec.states("hg") if each.source == dsl])
