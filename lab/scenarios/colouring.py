"""Green and yellow are within 3 % of the CIR, for small and large packets of both families, both ways (village)."""

import time

from lab import spillway
from lab.measure import flow, legs
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, CLIENT6, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# A slow line, so that what it takes of small packets is not more than this machine can send.
DSL_MBIT = 1
# Of what an inner packet of so many bytes adds on DSL: IPv4 and GRE with key and sequence, and Ethernet.
ADDED = 20 + 12 + 14
SECONDS = 1.5
POLICE = {"overflow": "police"}

prepare = spillway.prepare


def run(lab):
    with Topology.load("village", dsl={"up_mbit": DSL_MBIT, "down_mbit": DSL_MBIT}) as network:
        haap = Spillway(lab, "haap", settings("haap", network, colour=POLICE))
        with haap, Spillway(lab, "hg", settings("hg", network, colour=POLICE)) as hg:
            hg.wait_for("bonded", is_bonded)
            cir = DSL_MBIT * 0.99
            for host in ("hg", "haap"):
                lab.near(f"{host}: CIR as configured, Mbit/s", legs.police_mbit(host), cir, 0.5)
            for size in (64, 1400):
                for ipv6 in (False, True):
                    one(lab, cir, size, ipv6)


def one(lab, cir, size, ipv6):
    """Sends half as much again as the CIR both ways, in inner packets of `size` bytes."""
    payload = size - (48 if ipv6 else 28)
    mbit = 1.5 * cir * payload / (size + ADDED)
    down, up = (CLIENT6, SERVER6) if ipv6 else (CLIENT, SERVER)
    flows = [
        flow.UDP("client", "server", up, SECONDS + 0.7, mbit=mbit, size=payload, port=5301),
        flow.UDP("server", "client", down, SECONDS + 0.7, mbit=mbit, size=payload, port=5302),
    ]
    time.sleep(0.5)
    family = "IPv6" if ipv6 else "IPv4"
    for host, share in legs.rates(SECONDS).items():
        way = {"hg": "up", "haap": "down"}[host]
        lab.figure(f"{way}_{family.lower()}_{size}", share["dsl"] / cir)
        lab.near(f"{way}, {size} bytes of {family}: green and yellow, Mbit/s", share["dsl"], cir, 3)
        lab.at_least(f"{way}, {size} bytes of {family}: red", share["lte"], 0.3 * cir)
    for each in flows:
        each.result()
