"""How long traffic is away when a leg fails, by carrier loss and by silence, and that a flow survives."""

from lab import spillway
from lab.measure import flow
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# With hellos every second and three tries a silent leg must be noticed in 4 s and a bit.
SILENCE_MS, CARRIER_MS = 5500, 500
# Slow lines: what counts is time, and what costs is packets.
DSL, LTE = {"up_mbit": 2, "down_mbit": 2}, {"up_mbit": 4, "down_mbit": 4}

prepare = spillway.prepare


def run(lab):
    with Topology.load("village", DSL, LTE) as network:
        with Spillway(lab, "haap", settings("haap", network)), Spillway(lab, "hg", settings("hg", network)) as hg:
            cases = (
                ("dsl_carrier", network.dsl, lambda: network.dsl.carrier(False), lambda: network.dsl.carrier(True)),
                ("lte_carrier", network.lte, lambda: network.lte.carrier(False), lambda: network.lte.carrier(True)),
                ("dsl_silence", network.dsl, lambda: network.dsl.blackhole(True), lambda: network.dsl.blackhole(False)),
                ("lte_silence", network.lte, lambda: network.lte.blackhole(True), lambda: network.lte.blackhole(False)),
            )
            for name, leg, fail, heal in cases:
                hg.wait_for("bonded", is_bonded, seconds=120)
                limit = CARRIER_MS if name.endswith("carrier") else SILENCE_MS
                # It must flow again at the end.
                seconds = limit / 1e3 + 2.5
                # More than DSL carries, so that both legs are in use.
                probes = {
                    "down": flow.UDP("server", "client", CLIENT, seconds, mbit=3, size=1200),
                    "up": flow.UDP("client", "server", SERVER, seconds, mbit=0.6, size=500, port=5301),
                }
                lab.wait("probes flow", lambda: probes["down"].received > 150)
                lab.event(f"{name}: {leg.name} fails")
                fail()
                for way, probe in probes.items():
                    seen = probe.result()
                    lab.figure(f"{name}_{way}_outage_ms", seen.longest_gap_ms)
                    lab.figure(f"{name}_{way}_lost", seen.lost)
                    lab.at_most(f"{name}: outage {way} in ms", seen.longest_gap_ms, limit)
                    last = seen.arrivals[-1][1] if seen.arrivals else -1
                    lab.check(f"{name}: {way} flows at the end", last >= seen.sent - 20, f"{last} of {seen.sent}")
                heal()
            hg.wait_for("bonded again", is_bonded, seconds=120)
