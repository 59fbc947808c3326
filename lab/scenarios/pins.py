"""What the aggregation point pins to a leg: on the right wire, under load, with explain agreeing, and when DSL is lost (village)."""

import socket

from lab import namespaces, spillway
from lab.measure import flow
from lab.measure.explained import Explained
from lab.measure.frames import Probe, Sender, Wires
from lab.measure.pinned import under_load
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import CLIENT, CLIENT6, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# As the subscriber sends it; what is looked at here are the answers.
PINS = [
    {"description": "voice", "leg": "dsl", "dscp": 40},
    {"description": "calls", "leg": "dsl", "source_port": 7400},
    {"description": "backup", "leg": "lte", "source_port": 7300},
    {"description": "bulk", "leg": "lte", "source_port": 7600},
    {"description": "store", "leg": "lte", "destination_ip_port": f"{SERVER}:7500"},
    {"description": "store", "leg": "lte", "destination_ip_port": f"[{SERVER6}]:7500"},
    {"description": "network", "leg": "lte", "destination_ip_range": "203.0.113.100-203.0.113.110"},
]
# In the lowest place of the bits that are Spillway's: LTE.
LTE_MARK = 0x2000_0000

prepare = spillway.prepare


def down(name: str, version: int = 4, **more) -> Probe:
    """A packet from the server to the client."""
    ends = (SERVER, CLIENT) if version == 4 else (SERVER6, CLIENT6)
    return Probe(name, version, **({"source": ends[0], "destination": ends[1]} | more))


CASES = [
    (down("pinned to LTE by its address and port", sport=7500), "lte", "store"),
    (down("another port is not", sport=7501), "dsl", None),
    (down("another host is not", source="203.0.113.3", sport=7500), "dsl", None),
    (down("what is sent to that port is not", dport=7500), "dsl", None),
    (down("IPv6: pinned to LTE", 6, sport=7500), "lte", "store"),
    (down("IPv6: another port is not", 6, sport=7501), "dsl", None),
    (down("the last of a range", source="203.0.113.110"), "lte", "network"),
    (down("one behind it", source="203.0.113.111"), "dsl", None),
    (down("to a port of the subscriber's", dport=7300), "lte", "backup"),
    (down("a pin to DSL wins", dport=7300, dscp=40), "dsl", "voice"),
    (down("IPv6: by its DSCP", 6, sport=7500, dscp=40), "dsl", "voice"),
]


def run(lab):
    with Topology.load("village") as network:
        for overflow in ("queue", "police"):
            colour = {"colour": {"overflow": overflow}}
            haap = Spillway(lab, "haap", settings("haap", network, pin=PINS, **colour))
            hg = Spillway(lab, "hg", settings("hg", network, **colour))
            with haap, hg:
                hg.wait_for("bonded", is_bonded)
                haap.wait_for("bonded", is_bonded)
                pinned(lab, haap, overflow)
                marked(lab, f"{overflow}: a mark that a packet comes with says nothing")
                under_load(lab, "haap", "server", "client", CLIENT, f"load-{overflow}", overflow)
                if overflow == "queue":
                    bulk(lab, network)
                dsl_lost(lab, network, haap, hg, overflow)
            none_left(lab)
        with Spillway(lab, "haap", settings("haap", network)) as haap, Spillway(lab, "hg", settings("hg", network)) as hg:
            hg.wait_for("bonded", is_bonded)
            lab.check("without pins there is no table of them", "spillway_pins" not in tables())
            marked(lab, "and a mark says nothing either")


def pinned(lab, haap, overflow):
    sender = Sender("server", "s0", "haap", "wan")
    wires = Wires("haap", lab.out, f"down-{overflow}")
    said = [haap.explain(*probe.words[:5]) for probe, _, _ in CASES]
    sender.send(*[probe for probe, _, _ in CASES])
    wires.stop()
    for (probe, leg, item), answer in zip(CASES, said):
        found = wires.of(probe)
        lab.check(f"{overflow}: {probe.name}", found == leg, found)
        policy, bond = answer.get("policy", {}), answer.get("bond", {})
        told = (policy.get("item"), policy.get("gives"), bond.get("leg"), bond.get("pinned", False))
        wanted = (item, leg if item else "bond", leg, item is not None)
        lab.check(f"{overflow}: {probe.name}: explain agrees", told == wanted, f"{told}: {answer.get('summary')}")


def marked(lab, name):
    """From this host, with LTE's mark: as a packet has it that came by another bond's LTE."""
    wires = Wires("haap", lab.out, name.split(":")[0].replace(" ", "-") + "-marked")
    probe = down(name)
    with namespaces.inside("haap"):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, LTE_MARK)
    sender.sendto(probe.tag, (CLIENT, 40000))
    sender.close()
    wires.stop()
    lab.check(name, wires.of(probe) == "dsl", wires.of(probe))


def bulk(lab, network):
    """A flow that keeps to a leg and would fill it: its queue is as short as that of all others."""
    got = flow.tcp("server", "client", CLIENT, 2, omit=2, port=7600)
    sender = got.raw["end"]["streams"][0]["sender"]
    lab.figure("bulk_mbit", got.mbit)
    lab.figure("bulk_round_trip_ms", sender["mean_rtt"] / 1000)
    lab.at_least("bulk on LTE: of its rate", got.mbit / network.lte.down.mbit, 0.8)
    lab.at_most("bulk on LTE: its round trip, ms", sender["mean_rtt"] / 1000, 120)


def dsl_lost(lab, network, haap, hg, overflow):
    network.dsl.carrier(False)
    for end in (haap, hg):
        end.wait_for("LTE alone", uses_only("lte"))
    wires = Wires("haap", lab.out, f"lost-{overflow}")
    probe = down("voice", dscp=40)
    told = Explained.of(haap.explain(*probe.words[:5]))
    Sender("server", "s0", "haap", "wan").send(probe)
    wires.stop()
    lab.check(f"{overflow}: DSL is lost: what is pinned to it goes by LTE", wires.of(probe) == "lte", wires.of(probe))
    lab.check(f"{overflow}: explain says so", (told.leg, told.unused.get("dsl")) == ("lte", "down"), str(told))
    network.dsl.carrier(True)


def tables() -> str:
    return namespaces.run("haap", "nft", "list", "tables")


def none_left(lab):
    lab.check("nothing is left of it", "spillway" not in tables(), tables())
