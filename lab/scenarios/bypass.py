"""What bypasses the bond on DSL is measured both ways, told, and taken off what both ends send by DSL (village)."""

import time

from lab import spillway
from lab.measure import control, flow, legs
from lab.measure.capture import Capture
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
DOWN, UP, SIZE = 1.5, 1, 1200
# Bytes of a frame for each byte of payload.
FRAME = (SIZE + 42) / SIZE
# Its rate can be read from the kernel.
POLICE = {"overflow": "police"}

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network, colour=POLICE))
        hg = Spillway(lab, "hg", settings("hg", network, colour=POLICE))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            capture = Capture("hg", "dsl", lab.out / "hg-dsl.pcap", snap=256, filter="proto 47")
            ends = {"haap": (network.dsl.down.mbit, DOWN * FRAME), "hg": (network.dsl.up.mbit, UP * FRAME)}
            before = {host: legs.police_mbit(host) for host in ends}
            for host, (line, _) in ends.items():
                lab.near(f"{host}: committed without a bypass, Mbit/s", before[host], line * 0.99, 0.5)
            begun = time.monotonic()
            beside = [
                flow.UDP("server", "hg", network.dsl.hg_address, 40, mbit=DOWN, size=SIZE),
                flow.UDP("hg", "server", SERVER, 40, mbit=UP, size=SIZE),
            ]
            for host in ends:
                lab.wait(f"{host} follows", lambda: legs.police_mbit(host) < before[host] - 0.1, seconds=15)
                lab.at_most(f"{host}: follows within one interval, s", time.monotonic() - begun, 10.3)
            # The interval after that is the first one that the bypass fills.
            for host, (line, rate) in ends.items():
                lab.wait(f"{host}: of a whole interval", lambda: legs.police_mbit(host) < line - rate, seconds=12)
            status = hg.status()["bond"]
            told = haap.status()["bonds"][0]["bypass_kbit"] / 1e3
            lab.near("bypass downstream, Mbit/s", told, ends["haap"][1], 3)
            lab.near("bypass upstream, Mbit/s", status["bypass_upstream_kbit"] / 1e3, ends["hg"][1], 3)
            lab.figure("bypass_mbit", told)
            lab.figure("bypass_upstream_mbit", status["bypass_upstream_kbit"] / 1e3)
            for host, (line, rate) in ends.items():
                lab.near(f"{host}: committed, Mbit/s", legs.police_mbit(host), (line - rate) * 0.99, 2)
            # More than DSL has left: green and yellow go there, red to LTE.
            floods = [flow.UDP("client", "server", SERVER, 4, mbit=9.5, size=SIZE, port=5301),
                      flow.UDP("server", "client", CLIENT, 4, mbit=9.5, size=SIZE, port=5302)]
            time.sleep(1)
            for host, share in legs.rates(1.5).items():
                line, rate = ends[host]
                lab.near(f"{host}: green and yellow, Mbit/s", share["dsl"], (line - rate) * 0.99, 3)
                lab.at_least(f"{host}: red goes by LTE, Mbit/s", share["lte"], 1)
            capacity(lab, hg, network)
            for each in floods:
                each.result()
            for each in beside:
                each.result()
            haap.wait_for("the bypass has ended", lambda status: status["bonds"][0]["bypass_kbit"] < 100)
            for host in ends:
                lab.near(f"{host}: committed as before, Mbit/s", legs.police_mbit(host), before[host], 1.5)
            said = control.saying(control.messages(capture.stop()), control.BYPASS_RATE)
            ours, echoed = ([each for each in said if each.source == who] for who in (network.dsl.hg_address, HAAP))
            lab.check("each rate is acknowledged", len(ours) == len(echoed) >= 3, f"{len(ours)}, {len(echoed)}")
            apart = [after.time - each.time for each, after in zip(ours, ours[1:])]
            lab.check("each 10 s", all(9.9 < each < 10.2 for each in apart), str(apart))


def capacity(lab, hg, network):
    """What the legs have and what they carry, as the status tells it (RFC 8157 §4.6)."""
    told = hg.status()["bond"]["legs"]
    for leg in network.legs:
        state = told[leg.name]
        have = (state["upstream_kbit"], state["downstream_kbit"])
        lab.check(f"{leg.name}: configured", have == (leg.up.mbit * 1000, leg.down.mbit * 1000), str(have))
        rate = state["rate"]
        flows = 1000 < rate["sent_kbit"] <= rate["sent_peak_kbit"] and 1000 < rate["received_kbit"]
        lab.check(f"{leg.name}: measured", flows, str(rate))
