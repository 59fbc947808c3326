"""A flood of Setup Requests, from spoofed sources and from one: a bond loses nothing, a new gateway gets in (village)."""

import pathlib
import struct
import subprocess
import time

from lab import namespaces, programs, spillway
from lab.measure import flow
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, HAAP, SERVER, Topology

VIRTUAL_TIME = True
PROGRAM = programs.program("flood")
NEEDS = [spillway.binary(), PROGRAM]
RATE, SECONDS = 100_000, 4
# Sender and receiver share a processor of 10⁹ instructions a second, which this much keeps busy.
LEAST = 40_000
# As many sources as there are addresses in 10.64.0.0/10; and one.
SPOOFED, ONE = ("10.64.0.0", 22), ("10.66.6.6", 0)
NAME = b"somebody"
# A Setup Request for DSL: GRE with key 0, message type 1, tunnel type 1; Client Identification Name.
REQUEST = struct.pack(">HHIB", 0x2000, 0xB7EA, 0, 0x11) + struct.pack(">BH40s", 3, 40, NAME) + b"\xff\0\0"


def prepare():
    spillway.prepare()
    programs.compile("flood")


class Flood:
    """From the network, at full speed; it ends by itself."""

    def __init__(self, sources, seconds=SECONDS, rate=RATE):
        network, bits = sources
        self.process = namespaces.start(
            "server", PROGRAM, "47", HAAP, network, bits, rate, seconds, REQUEST.hex(), stdout=subprocess.PIPE, text=True)

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
            before = resident_kb(haap)
            for name, sources in (("spoofed", SPOOFED), ("one_source", ONE)):
                bonded(lab, hg, haap, name, sources)
            lab.at_most("memory of the aggregation point grew by, kB", resident_kb(haap) - before, 1000)
        newcomer(lab, network)


def resident_kb(daemon) -> int:
    for line in pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("no resident memory")


def bonded(lab, hg, haap, name, sources):
    """Nothing happens to a bond, which goes on saying Hello and carrying packets."""
    was = hg.status()["bond"]
    discarded = haap.status()["discarded"].get("flood", 0)
    flows = {"up": flow.UDP("client", "server", SERVER, SECONDS, mbit=0.2, size=200, port=5301),
             "down": flow.UDP("server", "client", CLIENT, SECONDS, mbit=0.2, size=200, port=5302)}
    rate = Flood(sources).rate()
    lab.figure(f"{name}_per_second", round(rate))
    lab.at_least(f"{name}: requests a second", rate, LEAST)
    for way, each in flows.items():
        got = each.result()
        lab.check(f"{name}: nothing is lost {way}", got.lost == 0, f"{got.lost} of {got.sent}")
    for leg in ("dsl", "lte"):
        def more(key):
            return hg.status()["bond"]["legs"][leg][key] - was["legs"][leg][key]

        lab.at_least(f"{name}: Hellos by {leg.upper()}", more("hellos_sent"), 3)
        # One that was lost would be missing for good.
        lab.wait(f"{name}: all Hellos by {leg.upper()} are answered",
                 lambda: more("hellos_answered") >= more("hellos_sent"), seconds=3)
    now = hg.status()["bond"]
    lab.check(f"{name}: the bond is the same", now["session_id"] == was["session_id"] and is_bonded(hg.status()))
    more = haap.status()["discarded"]["flood"] - discarded
    lab.at_least(f"{name}: the kernel kept back, share", more / (rate * SECONDS), 0.8)


def newcomer(lab, network):
    """A gateway that has no bond yet gets one meanwhile."""
    flood = Flood(SPOOFED, seconds=6)
    time.sleep(1)
    began = time.monotonic()
    with Spillway(lab, "hg", settings("hg", network)) as hg:
        hg.wait_for("bonded", is_bonded, 5)
        lab.figure("newcomer_s", time.monotonic() - began)
        lab.check("the flood lasted so long", flood.process.poll() is None)
        lab.at_least("newcomer: requests a second", flood.rate(), LEAST)
