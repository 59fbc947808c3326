"""A bond built by hand (ip, tc, nft and a small resequencer) carries the sum of both legs (village).

It proves that the lab measures right and what the kernel can do, without the product.
"""

from lab import programs
from lab.measure import capture, flow, order
from lab.measure.counters import Counters
from lab.measure.ping import ping
from lab.recipe import Recipe
from lab.topology import CLIENT, HAAP, SERVER, Topology

VIRTUAL_TIME = True
PROGRAM = programs.program("resequencer")
NEEDS = [PROGRAM]
TOPOLOGY, SECONDS, OMIT = "village", 5, 3


def prepare():
    programs.compile("resequencer", "-lmnl")


def run(lab):
    with Topology.load(TOPOLOGY) as network:
        recipe = Recipe(network, PROGRAM)
        try:
            idle = ping("client", SERVER, 5)
            lab.near("idle round trip is that of DSL, in ms", idle.rtt_ms["p50"], 20, 5)
            for way, limit in (("down", network.bond_limit_mbit("down")), ("up", network.bond_limit_mbit("up"))):
                measure(lab, network, way, limit)
        finally:
            recipe.close()


def measure(lab, network, way, limit):
    receiver, device, source = ("client", "c0", SERVER) if way == "down" else ("server", "s0", CLIENT)
    sender, outer = ("haap", {HAAP}) if way == "down" else ("hg", {leg.hg_address for leg in network.legs})
    devices = {"dsl": "hd", "lte": "hl"} if way == "down" else {"dsl": "dsl", "lte": "lte"}
    legs = {
        name: capture.Capture(sender, device, lab.out / f"{way}-{name}.pcap", filter="proto 47")
        for name, device in devices.items()
    }
    seen = capture.Capture(receiver, device, lab.out / f"{way}-{receiver}.pcap", filter="tcp")
    rx = "rx" if way == "down" else "tx"
    with Counters({"dsl": ("hg", "dsl", rx), "lte": ("hg", "lte", rx)}) as counters:
        got = flow.tcp("client", "server", SERVER, SECONDS, reverse=way == "down", omit=OMIT)
    lab.save(f"{way}-samples.json", counters.samples)
    files = {name: each.stop() for name, each in legs.items()}
    mixed = order.tcp_reordering(seen.stop(), source)
    lab.figure(f"{way}_mbit", got.mbit)
    lab.figure(f"{way}_limit_mbit", limit)
    lab.figure(f"{way}_out_of_order_share", mixed.share)
    lab.figure(f"{way}_retransmits", got.retransmits)
    # The loss that ends slow start still shows in so short a transfer.
    lab.at_least(f"{way}: share of the limit", got.mbit / limit, 0.9)
    lab.at_most(f"{way}: out of order", mixed.share, 0.01)
    spaces = order.sequence_spaces(files, outer)
    lab.check(f"{way}: one contiguous sequence over both legs", len(spaces) == 1 and spaces[0].contiguous, str(spaces))
