"""How the operator has the legs shared: flow by flow, or packet by packet by weights (village)."""

import time

from lab import spillway
from lab.measure import flow, legs
from lab.measure.capture import Capture
from lab.measure.explained import Explained
from lab.measure.frames import Wires
from lab.measure.order import tcp_reordering
from lab.measure.small_flows import SmallFlows, legs_of
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
FLOWS = 384
# Four standard deviations of the share that 384 flows with a chance of one third have.
SPREAD = 0.097
# What explain is asked about.
FLOW = {
    "up": ("udp", f"{CLIENT}:20000", f"{SERVER}:5400"), "down": ("udp", f"{SERVER}:20000", f"{CLIENT}:5400"),
}

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        per_flow(lab, network)
        weighted(lab, network)


def daemons(lab, network, colour, hg=None, subscriber=None):
    """Both ends with the same colours; `hg` more of the gateway's legs, `subscriber` of the aggregator's subscriber."""
    haap = settings("haap", network, colour=colour)
    haap["subscriber"][0] |= subscriber or {}
    return Spillway(lab, "haap", haap), Spillway(lab, "hg", settings("hg", network, colour=colour, **(hg or {})))


def per_flow(lab, network):
    haap, hg = daemons(lab, network, {"overflow": "queue", "distribution": "per-flow"})
    with haap, hg:
        status = hg.wait_for("bonded", is_bonded)
        for end in (status["bond"], haap.status()["bonds"][0]):
            told = (end["distribution"].lower(), end["dsl_share_percent"])
            lab.check("the status says so", told == ("per-flow dsl+lte", 33), str(told))
        up = SmallFlows("client", "server", SERVER, FLOWS)
        down = SmallFlows("server", "client", CLIENT, FLOWS)
        before = {}
        for way, flows in (("up", up), ("down", down)):
            before[way] = spread(lab, network, way, flows)
        for end, way in ((hg, "up"), (haap, "down")):
            told = Explained.of(end.explain(*FLOW[way]))
            by_hash = (told.chooser, told.leg, told.legs) == ("flow_hash", None, ("dsl", "lte"))
            lab.check(f"{way}: explain knows that the hash chooses, and not what", by_hash, str(told))
            on_dsl = sum(each == {"dsl"} for each in before[way].values()) / FLOWS
            share = told.raw.get("bond", {}).get("dsl_share_percent", 0) / 100
            lab.check(f"{way}: explain's share is the wire's", abs(share - on_dsl) <= SPREAD, f"{share}, {on_dsl:.3f}")
        one_flow(lab, network)
        eight_flows(lab, network)
        network.dsl.carrier(False)
        for end in (hg, haap):
            end.wait_for("LTE alone", uses_only("lte"))
        for end, way, flows in ((hg, "up", up), (haap, "down", down)):
            told = Explained.of(end.explain(*FLOW[way]))
            found, _ = observed(lab, network, way, flows, "lte-alone")
            lab.check(f"{way}: all flows have moved to LTE", all(each == {"lte"} for each in found.values()))
            knows = (told.leg, told.unused) == ("lte", {"dsl": "down"})
            lab.check(f"{way}: explain says so, and why", knows, str(told))
        network.dsl.carrier(True)
        hg.wait_for("bonded again", is_bonded)
        found, _ = observed(lab, network, "up", up, "again")
        lab.check("up: each flow is back on its leg", found == before["up"])
        up.close()
        down.close()
        for name, end in (("hg", hg), ("haap", haap)):
            queue = end.status()["queue"]
            lab.check(f"{name}: not one packet waited for its turn", queue["packets"] == 0, str(queue))


def observed(lab, network, way, flows, label):
    """The legs of each flow as the sender gives them its packets; all must arrive, in order."""
    places = {leg.name: ("hg", leg.name) if way == "up" else ("haap", leg.haap_device) for leg in network.legs}
    captures = {
        name: Capture(*place, lab.out / f"{label}-{way}-{name}.pcap", snap=128, filter="proto 47")
        for name, place in places.items()
    }
    arrived = flows.send(rounds=2)
    found, numbered = legs_of({name: each.stop() for name, each in captures.items()})
    lab.check(f"{way}, {label}: all captured", not any(each.dropped for each in captures.values()))
    wrong = {each: numbers for each, numbers in arrived.items() if numbers != [0, 1]}
    lab.check(f"{way}, {label}: all arrived in order", len(arrived) == FLOWS and not wrong, str(wrong)[:200])
    return found, numbered


def spread(lab, network, way, flows):
    found, numbered = observed(lab, network, way, flows, "both")
    lab.check(f"{way}: every flow was seen", len(found) == FLOWS, str(len(found)))
    lab.check(f"{way}: each on one leg", all(len(each) == 1 for each in found.values()))
    lab.check(f"{way}: packets carry no numbers", numbered == 0, str(numbered))
    share = sum(each == {"dsl"} for each in found.values()) / FLOWS
    lab.figure(f"{way}_flows_on_dsl", share)
    lab.check(f"{way}: a third of them on DSL", abs(share - 1 / 3) <= SPREAD, f"{share:.3f}")
    return found


def one_flow(lab, network):
    """One TCP flow has the leg that it keeps to, and not more."""
    before = {leg.name: legs.sent("haap", leg.name)[1] for leg in network.legs}
    mbit = flow.tcp("client", "server", SERVER, 2, reverse=True, omit=2).mbit
    carried = {name: legs.sent("haap", name)[1] - octets for name, octets in before.items()}
    leg = max(carried, key=carried.get)
    lab.figure("one_flow_mbit", mbit)
    lab.check("one flow took one leg", min(carried.values()) < 10_000, str(carried))
    limit = network.leg_limit_mbit(leg, "down")
    lab.at_most("one flow: share of its leg", mbit / limit, 1.01)
    lab.at_least("one flow: share of its leg", mbit / limit, 0.9)


def eight_flows(lab, network):
    capture = Capture("client", "c0", lab.out / "eight.pcap", snap=64, filter="tcp")
    got = flow.tcp("client", "server", SERVER, 2, reverse=True, omit=1, streams=8)
    lab.figure("eight_flows_mbit", got.mbit)
    seen = tcp_reordering(capture.stop(), SERVER)
    lab.check("eight TCP flows arrive in order", seen.segments > 1000 and seen.out_of_order == 0, str(seen))


def weighted(lab, network):
    """A quarter of the bytes on DSL, whatever the legs could carry."""
    weights = {"dsl": {"weight": 1}, "lte": {"weight": 3}}
    colour = {"overflow": "queue", "distribution": "weighted"}
    with_ends = daemons(lab, network, colour, hg=weights, subscriber={"dsl_weight": 1, "lte_weight": 3})
    with with_ends[0] as haap, with_ends[1] as hg:
        hg.wait_for("bonded", is_bonded)
        # What LTE carries has to be found first.
        for each in loads(2.5):
            each.result()
        flows = loads(3)
        time.sleep(1)
        wires = {host: Wires(host, lab.out, "weighted") for host in ("hg", "haap")}
        for host, share in legs.rates(2).items():
            lab.near(f"{host}: share of DSL by weight", share["dsl"] / (share["dsl"] + share["lte"]), 0.25, 3)
        for end, way, port in ((hg, "up", 5301), (haap, "down", 5302)):
            told, where = Explained.of(end.explain(*FLOW[way])), wires[end.host].stop().count(port)
            share = told.raw.get("bond", {}).get("dsl_share_percent", 0)
            by_weight = told.chooser == "weights" and told.leg in told.legs == ("dsl", "lte")
            lab.check(f"{way}: explain knows of the weights", by_weight, str(told))
            on_dsl = 100 * where.get("dsl", 0) / max(1, sum(where.values()))
            lab.near(f"{way}: of the flow's packets on DSL's wire, and explain, %", on_dsl, share or -1, 4)
        for each in flows:
            got = each.result()
            # What DSL brings before the first packet of LTE is not held for it.
            fine = got.lost == 0 and got.out_of_order_share < 0.005
            lab.check("weighted: all arrive, and in order", fine, f"{got.lost} lost, {got.out_of_order} out of order")


def loads(seconds):
    return [flow.UDP("client", "server", SERVER, seconds, mbit=4, size=1200, port=5301),
            flow.UDP("server", "client", CLIENT, seconds, mbit=4, size=1200, port=5302)]
