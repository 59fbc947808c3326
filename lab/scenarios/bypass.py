"""What bypasses the bond on DSL is measured, told, and taken off what the aggregator sends by DSL (village)."""

import re

from lab import namespaces, spillway
from lab.measure import control, flow
from lab.measure.capture import Capture
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
MBIT = 3

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network))
        hg = Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            capture = Capture("hg", "dsl", lab.out / "hg-dsl.pcap", snap=256, filter="proto 47")
            before = police_mbit("haap")
            lab.near("committed without a bypass, Mbit/s", before, network.dsl.down.mbit * 0.99, 0.5)
            beside = flow.UDP("server", "hg", network.dsl.hg_address, 25, mbit=MBIT, size=1200)
            told = lambda status: status["bonds"][0]["bypass_kbit"] > MBIT * 900
            haap.wait_for("the bypass is known", told)
            # Two intervals later it is the rate of a whole one.
            lab.wait("it is measured for a whole interval", lambda: police_mbit("haap") < before - MBIT, seconds=25)
            rate = haap.status()["bonds"][0]["bypass_kbit"] / 1e3
            # 1200 bytes of payload are 1242 on Ethernet.
            lab.near("bypass rate, Mbit/s", rate, MBIT * 1242 / 1200, 3)
            lab.near("committed downstream, Mbit/s", police_mbit("haap"), (network.dsl.down.mbit - rate) * 0.99, 2)
            beside.result()
            haap.wait_for("the bypass has ended", lambda status: status["bonds"][0]["bypass_kbit"] < 100)
            lab.near("committed as before, Mbit/s", police_mbit("haap"), before, 1.5)
            lab.figure("bypass_mbit", rate)
            said = control.saying(control.messages(capture.stop()), control.BYPASS_RATE)
            ours, echoed = ([each for each in said if each.source == who] for who in (network.dsl.hg_address, HAAP))
            lab.check("each rate is acknowledged", len(ours) == len(echoed) >= 3, f"{len(ours)}, {len(echoed)}")
            apart = [after.time - each.time for each, after in zip(ours, ours[1:])]
            lab.check("each 10 s", all(9.9 < each < 10.2 for each in apart), str(apart))


def police_mbit(host: str) -> float:
    """The rate at which the bond's device sends by DSL; `tc -j` of Debian 12 leaves it out."""
    text = namespaces.run(host, "tc", "filter", "show", "dev", "bond0", "egress")
    value, unit = re.search(r"police .* rate ([0-9.]+)([GMK]?)bit", text).groups()
    return float(value) * {"G": 1e3, "M": 1, "K": 1e-3, "": 1e-6}[unit]
