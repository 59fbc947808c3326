"""Floods: Setup Requests and ICMP errors, from spoofed sources and from one: a bond loses nothing (village)."""

import socket
import struct
import subprocess
import time

from lab import namespaces, programs, spillway
from lab.measure import flow, sizes, trace
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, HAAP, SERVER, Topology

VIRTUAL_TIME = True
PROGRAM = programs.program("flood")
NEEDS = [spillway.binary(), PROGRAM, trace.PROGRAM]
RATE, SECONDS = 100_000, 2
# Sender and receiver share a processor of 10⁹ instructions a second, which this much keeps busy.
LEAST = 40_000
# Ten looks a second at the paths of both legs, two questions each, are 40. Without these limits it asks as often as the
# tracer lets it, five times as much.
LEAST_TOO_BIG_REQUESTS, TOO_BIG_REQUESTS = 20, 80
# As many sources as there are addresses in 10.64.0.0/10; and one.
SPOOFED, ONE = ("10.64.0.0", 22), ("10.66.6.6", 0)
NAME = b"somebody"
# A Setup Request for DSL: GRE with key 0, message type 1, tunnel type 1; Client Identification Name.
ICMP, GRE = 1, 47
REQUEST = struct.pack(">HHIB", 0x2000, 0xB7EA, 0, 0x11) + struct.pack(">BH40s", 3, 40, NAME) + b"\xff\0\0"


def prepare():
    spillway.prepare()
    programs.compile("flood")


class Flood:
    """From the network, at full speed; it ends by itself."""

    def __init__(self, sources, seconds=SECONDS, rate=RATE, protocol=GRE, payload=REQUEST):
        network, bits = sources
        self.process = namespaces.start(
            "server", PROGRAM, protocol, HAAP, network, bits, rate, seconds, payload.hex(), stdout=subprocess.PIPE, text=True)

    def rate(self) -> float:
        sent, seconds = self.process.communicate(timeout=60)[0].split()
        return int(sent) / float(seconds)


def run(lab):
    session = {"active_hello_interval": "1 s"}
    with Topology.load("village") as network, Spillway(lab, "haap", settings("haap", network, session=session)) as haap:
        with Spillway(lab, "hg", settings("hg", network)) as hg:
            hg.wait_for("bonded", is_bonded)
            # What is read once is in memory.
            haap.status()
            before = sizes.resident(haap.process.pid)
            for name, sources in (("spoofed", SPOOFED), ("one_source", ONE)):
                bonded(lab, hg, haap, name, sources)
            too_big(lab, hg, haap)
            lab.at_most("memory of the aggregation point grew by, kB", sizes.resident(haap.process.pid) - before, 1000)
        newcomer(lab, network)


def fragmentation_needed(gateway: str, mtu: int) -> bytes:
    """An ICMP error for a packet of the bond that never was (RFC 792, RFC 1191)."""
    lost = struct.pack(">BBHHHBBH4s4sHHI", 0x45, 0, 1500, 1, 0x4000, 60, GRE, 0, socket.inet_aton(HAAP),
                       socket.inet_aton(gateway), 0x3000, 0x0800, 0)
    message = struct.pack(">BBHHH", 3, 4, 0, 0, mtu) + lost
    total = sum(struct.unpack(f">{len(message) // 2}H", message))
    total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + message[4:]


def bonded(lab, hg, haap, name, sources, **what):
    """Nothing happens to a bond, which goes on saying Hello and carrying packets."""
    was = hg.status()["bond"]
    discarded = haap.status()["discarded"].get("flood", 0)
    flows = {"up": flow.UDP("client", "server", SERVER, SECONDS, mbit=0.2, size=200, port=5301),
             "down": flow.UDP("server", "client", CLIENT, SECONDS, mbit=0.2, size=200, port=5302)}
    rate = Flood(sources, **what).rate()
    lab.figure(f"{name}_per_second", round(rate))
    lab.at_least(f"{name}: messages a second", rate, LEAST)
    for way, each in flows.items():
        got = each.result()
        lab.check(f"{name}: nothing is lost {way}", got.lost == 0, f"{got.lost} of {got.sent}")
    for leg in ("dsl", "lte"):
        def more(key):
            return hg.status()["bond"]["legs"][leg][key] - was["legs"][leg][key]

        lab.at_least(f"{name}: Hellos by {leg.upper()}", more("hellos_sent"), 2)
        # One that was lost would be missing for good.
        lab.wait(f"{name}: all Hellos by {leg.upper()} are answered",
                 lambda: more("hellos_answered") >= more("hellos_sent"), seconds=3)
    now = hg.status()["bond"]
    lab.check(f"{name}: the bond is the same", now["session_id"] == was["session_id"] and is_bonded(hg.status()))
    if not what:
        more = haap.status()["discarded"]["flood"] - discarded
        lab.at_least(f"{name}: the kernel kept back, share", more / (rate * SECONDS), 0.8)


def too_big(lab, hg, haap):
    """Whoever pretends to be a router on the way: the kernel believes it, as it must; the daemon asks the kernel about
    the path ten times a second, not each time."""
    gateway = hg.status()["bond"]["legs"]["dsl"]["address"]
    error = fragmentation_needed(gateway, 1400)
    Flood(SPOOFED, seconds=0.2, rate=20, protocol=ICMP, payload=error).rate()
    route = lambda: namespaces.run("haap", "ip", "route", "get", gateway, "from", HAAP)
    lab.wait("too_big: the kernel believes it", lambda: "mtu 1400" in route(), seconds=2)
    bonded(lab, hg, haap, "too_big", SPOOFED, protocol=ICMP, payload=error)
    requests = asked(lab, haap, error)
    # That there are some shows that they are counted.
    lab.at_least("too_big: requests to the kernel a second", requests, LEAST_TOO_BIG_REQUESTS)
    lab.at_most("too_big: requests to the kernel a second, no more", requests, TOO_BIG_REQUESTS)


def asked(lab, haap, error: bytes, seconds=1) -> float:
    """Netlink messages of the daemon, a second of a flood of errors."""
    with trace.system_calls(lab, haap.process.pid, "sendto,sendmsg") as file:
        Flood(SPOOFED, seconds=seconds, protocol=ICMP, payload=error).rate()
    return file.read_text().count("<NETLINK") / seconds


def newcomer(lab, network):
    """A gateway that has no bond yet gets one meanwhile."""
    flood = Flood(SPOOFED, seconds=3)
    time.sleep(0.5)
    began = time.monotonic()
    with Spillway(lab, "hg", settings("hg", network)) as hg:
        hg.wait_for("bonded", is_bonded, 5)
        lab.figure("newcomer_s", time.monotonic() - began)
        lab.check("the flood lasted so long", flood.process.poll() is None)
        lab.at_least("newcomer: requests a second", flood.rate(), LEAST)
