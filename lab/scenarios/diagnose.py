"""`spillway diag` binds the traffic of both ends to one leg, and lets go of it again (village)."""

import json

from lab import namespaces, spillway
from lab.measure import control, flow
from lab.measure.capture import Capture
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# What had its turn on the other leg before may still wait for it in the queue.
WAITING = 0.2

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network))
        hg = Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            for leg, other in ((network.lte, network.dsl), (network.dsl, network.lte)):
                one(lab, network, hg, haap, leg, other)
            network.lte.carrier(False)
            hg.wait_for("LTE is gone", lambda status: not is_bonded(status))
            refused = spillway.command("diag", hg, "lte", "--seconds", 1)
            lab.check("a leg that is not up cannot be tested", refused.returncode == 1, refused.stderr.strip())


def one(lab, network, hg, haap, leg, other):
    """Tests one leg while one flow goes down."""
    captures = {each: Capture("haap", each.haap_device, lab.out / f"{leg.name}-{each.name}.pcap", snap=256,
                              filter="proto 47") for each in network.legs}
    before = counted(hg)
    transfer = flow.TCP("client", "server", SERVER, 12, reverse=True, omit=0)
    # Until it has a window that fills either leg.
    lab.wait("it flows", lambda: counted(hg) - before > 6_000_000)
    done = spillway.command("diag", hg, leg.name, "--seconds", 2, "--json")
    lab.check(f"spillway diag {leg.name}", done.returncode == 0, done.stdout.strip() + done.stderr.strip(), required=True)
    report = json.loads(done.stdout)["legs"]
    transfer.stop()
    limit = leg.down.mbit
    lab.figure(f"{leg.name}_down_mbit", report[leg.name]["down_mbit"])
    lab.at_least(f"{leg.name}: its share of its rate", report[leg.name]["down_mbit"] / limit, 0.9)
    lab.at_most(f"{leg.name}: what the other leg carried, Mbit/s", report[other.name]["down_mbit"], 0.5)
    said = control.messages(captures[leg].stop()) + control.messages(captures[other].stop())
    starts = control.DIAGNOSTIC_DSL if leg.name == "dsl" else control.DIAGNOSTIC_LTE
    for kind in (starts, control.DIAGNOSTIC_END):
        lab.check(f"attribute {kind} was acknowledged", bool(control.saying(said, kind, HAAP)))
    end = control.saying(said, control.DIAGNOSTIC_END, HAAP)
    begin = control.saying(said, starts, HAAP)
    if begin and end:
        other_file = captures[other].file
        during = [at for at in control.data_times(other_file, HAAP) if begin[0].time + WAITING < at < end[0].time]
        lab.check(f"not one packet went down {other.name} meanwhile", not during, str(len(during)))
    overflow = lambda status: "overflow" in status["bond"]["distribution"]
    hg.wait_for("both legs again", overflow)


def counted(hg) -> int:
    legs = hg.status()["bond"]["legs"].values()
    return sum(leg.get("traffic", {}).get("received_bytes", 0) for leg in legs)
