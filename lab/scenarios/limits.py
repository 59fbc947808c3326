"""No leg of a bond carries more than its limit, nor less when there is enough, both ways (village)."""

import time

from lab import spillway
from lab.measure import flow, legs
from lab.measure.explained import Explained
from lab.measure.frames import Wires
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
LIMITS = {"dsl": "1.5 Mbit/s", "lte": "2.5 Mbit/s"}

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        for overflow in ("police", "queue"):
            limited(lab, network, overflow)


def limited(lab, network, overflow):
    colour = {"overflow": overflow}
    haap = settings("haap", network, colour=colour)
    haap["subscriber"][0] |= {f"{leg}_limit": limit for leg, limit in LIMITS.items()}
    hg = settings("hg", network, colour=colour, **{leg: {"limit": limit} for leg, limit in LIMITS.items()})
    with Spillway(lab, "haap", haap) as haap, Spillway(lab, "hg", hg) as hg:
        hg.wait_for("bonded", is_bonded)
        for used in (("dsl", "lte"), ("lte",)):
            if len(used) == 1:
                network.dsl.carrier(False)
                for end in (hg, haap):
                    end.wait_for("LTE alone", uses_only("lte"))
            # A quarter more than what they may carry.
            mbit = 1.25 * sum(float(LIMITS[leg].split()[0]) for leg in used)
            flows = [flow.UDP("client", "server", SERVER, 10, mbit=mbit, size=1200, port=5301),
                     flow.UDP("server", "client", CLIENT, 10, mbit=mbit, size=1200, port=5302)]
            if overflow == "queue" and "dsl" in used:
                for end in (hg, haap):
                    end.wait_for("has found that LTE carries enough", enough, 4)
            # What a limit lets pass at once is gone after that: 70 kB, of a quarter more than what it lets pass later.
            time.sleep(1.2)
            for host, share in legs.rates(1).items():
                for leg in used:
                    wanted = float(LIMITS[leg].split()[0])
                    name = f"{overflow}, {'+'.join(used)}, {host}: {leg}"
                    lab.figure(name.replace(", ", "_").replace(": ", "_"), share[leg])
                    lab.near(f"{name} at its limit, Mbit/s", share[leg], wanted, 3)
            explained(lab, overflow, used, (hg, haap))
            for each in flows:
                each.stop()
            for each in flows:
                each.result()
        network.dsl.carrier(True)


def explained(lab, overflow, used, ends):
    """A leg at its limit: what explain says becomes of what is within and beyond it, and what the wires have."""
    wires = {end: Wires(end.host, lab.out, f"{overflow}-{'-'.join(used)}") for end in ends}
    time.sleep(0.3)
    for end, (source, destination, port) in zip(ends, ((CLIENT, SERVER, 5301), (SERVER, CLIENT, 5302))):
        told = Explained.of(end.explain("udp", f"{source}:9", f"{destination}:{port}"))
        where = wires[end].stop().count(port)
        name = f"{overflow}, {'+'.join(used)}, {end.host}"
        lab.check(f"{name}: explain knows the legs that the wires have", set(told.legs) == set(where) == set(used),
                  f"{told}: {where}")
        if overflow == "queue":
            lab.check(f"{name}: explain says that it waits", (told.chooser, told.beyond) == ("queue", None), str(told))
            continue
        beyond = "lte" if "dsl" in used else "dropped"
        lab.check(f"{name}: explain knows what is beyond", told.beyond == beyond, str(told))
        limit = 1000 * float(LIMITS[used[0]].split()[0])
        lab.near(f"{name}: the rate that explain tells, kbit/s", told.raw["bond"].get("within_kbit", 0), limit, 2)


def enough(status) -> bool:
    """The queue begins with little on LTE."""
    bond = status.get("bond") or status["bonds"][0]
    return bond["lte"]["rate_kbit"] >= 1000 * float(LIMITS["lte"].split()[0])
