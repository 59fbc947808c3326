"""One TCP flow gets the sum of DSL and LTE, in order, both ways (village: 8 + 16 Mbit/s)."""

import ipaddress

from lab import spillway
from lab.measure import capture, flow, order
from lab.measure.counters import Counters
from lab.measure.ping import Pinger, ping
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, HAAP, HAAP6, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# A flow that was told once to be slow takes some seconds to use all that LTE turns out to carry.
TOPOLOGY, SECONDS, OMIT = "village", 3, 4

prepare = spillway.prepare


def run(lab, ipv6=False, topology=TOPOLOGY, seconds=SECONDS, omit=OMIT, share=0.92, **more):
    """`ipv6`: of the outer packets. `share`: of the limit that must be reached. `more`: settings of both ends."""
    with Topology.load(topology) as network:
        if not ipv6:
            alone = flow.tcp("haap", "hg", network.dsl.hg_address, 2, bind=HAAP, omit=1)
            lab.figure("dsl_alone_mbit", alone.mbit)
        # The deployed dialect knows IPv6 access networks only.
        own = {"address": [HAAP6]} if ipv6 else {}
        with Spillway(lab, "haap", settings("haap", network, **own, **more)), \
                Spillway(lab, "hg", settings("hg", network, ipv6, **more)) as hg:
            hg.wait_for("bonded", is_bonded)
            idle = ping("client", SERVER, 10)
            lab.figure("idle_rtt_ms", idle.rtt_ms["p50"])
            lab.near("idle round trip is that of DSL, in ms", idle.rtt_ms["p50"], 20, 10)
            inside_ipv6(lab)
            for way in ("down", "up"):
                one_way(lab, network, way, ipv6, seconds, omit, share, topology)
        limit = min(network.bond_limit_mbit(way, outer_ipv6=ipv6) for way in ("down", "up"))
        lab.figure("limit_mbit", limit)


def inside_ipv6(lab):
    """IPv6 of the LAN goes through the bond, each packet as what it is (RFC 8157 §6.1)."""
    wires = [capture.Capture("haap", each, lab.out / f"inside-ipv6-{each}.pcap", snap=128) for each in ("hd", "hl")]
    lab.check("IPv6 inside: every echo comes back", ping("client", SERVER6, 3).received == 3)
    headers = [capture.gre(packet) for each in wires for packet in capture.packets(each.stop())]
    types = [header.protocol for header in headers if header and header.sequence is not None]
    lab.check("IPv6 inside: of type 0x86DD", types and set(types) == {0x86DD}, str(types))


def one_way(lab, network, way, ipv6, seconds, omit, share, topology):
    """Measures one direction; captures on the sender's legs and where the data arrives."""
    down = way == "down"
    receiver, device, source = ("client", "c0", SERVER) if down else ("server", "s0", CLIENT)
    addresses = [leg.hg_address6 if ipv6 else leg.hg_address for leg in network.legs]
    sender, outer = ("haap", [HAAP6 if ipv6 else HAAP]) if down else ("hg", addresses)
    if ipv6:
        outer = [ipaddress.ip_address(address).packed.hex() for address in outer]
    devices = {"dsl": "hd", "lte": "hl"} if down else {"dsl": "dsl", "lte": "lte"}
    legs = {
        name: capture.Capture(sender, each, lab.out / f"{way}-{name}.pcap", snap=96, filter=("ip6 " if ipv6 else "") + "proto 47")
        for name, each in devices.items()
    }
    arrived = capture.Capture(receiver, device, lab.out / f"{way}-{receiver}.pcap", snap=96, filter="tcp")
    beside = Pinger("client", SERVER, (seconds + omit) * 5)
    rx = "rx" if down else "tx"
    with Counters({"dsl": ("hg", "dsl", rx), "lte": ("hg", "lte", rx)}) as counters:
        got = flow.tcp("client", "server", SERVER, seconds, reverse=down, omit=omit)
    lab.plot(
        f"One TCP flow {way}", "What the gateway's legs carry", counters.samples, [("dsl", "DSL"), ("lte", "LTE")],
        limits=[(network.dsl.down.mbit + network.lte.down.mbit, "both links"), (network.dsl.down.mbit, "DSL alone")])
    loaded = beside.result()
    files = {name: each.stop() for name, each in legs.items()}
    mixed = order.tcp_reordering(arrived.stop(), source)
    limit = network.bond_limit_mbit(way, outer_ipv6=ipv6)

    lab.figure(f"{way}_mbit", got.mbit)
    lab.figure(f"{way}_share_of_limit", got.mbit / limit)
    lab.figure(f"{way}_loaded_rtt_ms", loaded.rtt_ms.get("p50", -1))
    if topology == TOPOLOGY:
        # As of the cells of docs/never-worse.md.
        lab.at_most(f"{way}: echo beside it, 95 of 100, ms", loaded.rtt_ms.get("p95", 999), lab.figures["idle_rtt_ms"] + 10)
    lab.figures["out_of_order_share"] = max(lab.figures.get("out_of_order_share", 0), round(mixed.share, 5))
    lab.at_least(f"{way}: share of the limit", got.mbit / limit, share)
    lab.at_most(f"{way}: out of order", mixed.share, 0.001)
    spaces = order.sequence_spaces(files, set(outer))
    lab.check(f"{way}: one contiguous sequence over both legs", len(spaces) == 1 and spaces[0].contiguous, str(spaces))
