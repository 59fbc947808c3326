"""One queue before both legs: a slow LTE leg does not drag DSL down, and a download does not delay others (village)."""

from lab import namespaces, spillway
from lab.measure import flow
from lab.measure.ping import Pinger
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
SECONDS, OMIT = 8, 4

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        dsl = flow.tcp("haap", "hg", network.dsl.hg_address, 4, bind=HAAP, omit=2).mbit
        lab.figure("dsl_mbit", dsl)
        slow = network.lte.down.mbit / 10
        for name, mbit in (("whole", network.lte.down.mbit), ("slow", slow)):
            network.lte.change(up_mbit=mbit, down_mbit=mbit)
            limit = network.bond_limit_mbit("down")
            reached = {each: download(lab, network, f"{name}_{each}", each) for each in ("police", "queue")}
            share = reached["queue"][0] / limit
            lab.at_least(f"{name} LTE: share of the sum", share, 0.92)
            lab.at_most(f"{name} LTE: round trip beside a download, ms", reached["queue"][1], 60)
            if name == "slow":
                lab.at_least("slow LTE: the queue over police", reached["queue"][0] / reached["police"][0], 1.5)
                lab.at_least("slow LTE: share of DSL alone", reached["queue"][0] / dsl, 0.95)
        lab.check("nothing of it is left", "spillway" not in namespaces.run(None, "bpftool", "map", "show"))


def download(lab, network, name, overflow) -> tuple[float, float]:
    """Mbit/s of one TCP flow, and the median round trip of a ping beside it in ms."""
    more = {"colour": {"overflow": overflow}}
    with Spillway(lab, "haap", settings("haap", network, **more)), Spillway(lab, "hg", settings("hg", network, **more)) as hg:
        hg.wait_for("bonded", is_bonded)
        kinds = namespaces.run("haap", "tc", "qdisc", "show", "dev", "bond0")
        lab.check(f"{name}: fq holds the packets, or nothing does", ("qdisc fq " in kinds) == (overflow == "queue"))
        beside = Pinger("client", SERVER, (SECONDS + OMIT) * 5)
        got = flow.tcp("client", "server", SERVER, SECONDS, reverse=True, omit=OMIT)
        median = beside.result().rtt_ms["p50"]
    lab.figure(f"{name}_mbit", got.mbit)
    lab.figure(f"{name}_loaded_rtt_ms", median)
    lab.figure(f"{name}_retransmits", got.retransmits or 0)
    return got.mbit, median
