"""Each leg alone has the rate and the delay it is told to have (village; no bond).

The lab's own calibration: if this fails, no other figure means anything.
"""

from lab.measure import flow
from lab.measure.counters import Counters
from lab.measure.ping import ping
from lab.namespaces import run as execute
from lab.topology import HAAP, HAAP6, Topology

VIRTUAL_TIME = True
SECONDS = 2.5


def run(lab):
    with Topology.load("village") as network:
        for leg in network.legs:
            bind = f"{leg.hg_address}%{leg.name}"
            idle = ping("hg", HAAP, 5, device=leg.name)
            lab.near(f"{leg.name} round trip in ms", idle.rtt_ms["p50"], leg.up.delay_ms + leg.down.delay_ms, 5)
            for way in ("down", "up"):
                got = flow.tcp("hg", "haap", HAAP, SECONDS, reverse=way == "down", bind=bind, omit=1)
                lab.near(f"{leg.name} {way} in Mbit/s", got.mbit, network.leg_limit_mbit(leg.name, way), 2)
                lab.figure(f"{leg.name}_{way}_mbit", got.mbit)

        six = ping("hg", HAAP6, 3, device="lte")
        lab.near("lte round trip over IPv6 in ms", six.rtt_ms["p50"], 50, 5)

        with Counters({"dsl": ("hg", "dsl", "rx")}) as counters:
            sent = flow.udp("haap", "hg", network.dsl.hg_address, 2, mbit=4, size=1200)
        perfect = sent.lost == sent.duplicates == sent.out_of_order == 0
        lab.check("no datagram lost, doubled or reordered", perfect, str(sent))
        lab.near("one-way delay in ms", sent.delay_ms["p50"], 10 + 1242 * 8 / 8000, 5)
        lab.at_least("counters saw it, in Mbit/s", max(sample["dsl"] for sample in counters.samples), 4)

        network.lte.blackhole(True)
        lab.check("a blackholed leg answers nothing", ping("hg", HAAP, 2, device="lte").received == 0)
        network.lte.blackhole(False)
        network.lte.change(delay_ms=40)
        lab.near("lte round trip after a change of delay in ms", ping("hg", HAAP, 3, device="lte").rtt_ms["p50"], 80, 5)
        network.dsl.carrier(False)
        lab.wait("hg sees carrier loss", lambda: _carrier("dsl") == "0")
        network.dsl.carrier(True)
        lab.wait("hg sees carrier again", lambda: _carrier("dsl") == "1")
        lab.check("dsl carries again", ping("hg", HAAP, 2, device="dsl").received == 2)


def _carrier(device):
    return "0" if "NO-CARRIER" in execute("hg", "ip", "link", "show", device) else "1"
