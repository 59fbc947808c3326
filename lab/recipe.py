"""The bond built by hand with ip, tc and nft: the yardstick for what Spillway builds by netlink.

The resequencer between the legs' receive hook and the GRE device is lab/resequencer.c.
"""

import pathlib

from lab import namespaces
from lab.namespaces import run
from lab.topology import HAAP, LAN, SERVER, Topology

KEY = "0x5a5a2a36"
QUEUE = 7
MODULES = "ip_gre sch_ingress act_police cls_matchall act_skbedit nf_tables nft_queue nfnetlink_queue"


class Recipe:
    """A bond of both legs over IPv4. DSL is filled first, the rest overflows to LTE; the policed rate counts
    inner packets (police sees them before the outer headers: take those off).

    `timer_ms` must exceed by how much LTE can come later than DSL, its full queue included (village: 15 + 150): with
    80 ms the flow still carries 94 to 98 %, but half of its segments arrive out of order.
    """

    def __init__(self, network: Topology, program: pathlib.Path, timer_ms: int = 250, inner_mtu: int = 1440):
        run(None, "modprobe", "-qa", *MODULES.split(), check=False)
        self.network = network
        self.inner_mtu = inner_mtu
        self._policy_routing()
        self._devices()
        self._addresses()
        for host, way, device in (("hg", "up", "bond"), ("haap", "down", "subscriber")):
            # Just below the link, so that its queue stays empty: frame = inner packet + 46.
            mbit = getattr(network.dsl, way).mbit * 0.97 * inner_mtu / (inner_mtu + 46)
            self._colour(host, device, mbit)
        self.resequencers = [namespaces.start(host, program, QUEUE, timer_ms) for host in ("hg", "haap")]

    def _policy_routing(self) -> None:
        for table, leg in ((101, self.network.dsl), (102, self.network.lte)):
            run("hg", "ip", "route", "add", "default", "via", leg.gateway, "dev", leg.name, "table", table)
            run("hg", "ip", "rule", "add", "from", leg.hg_address, "lookup", table, "pref", table)

    def _devices(self) -> None:
        gre = ["type", "gre", "key", KEY, "oseq", "ttl", "64"]
        # The device's own addresses never leave the host; each leg is a rewrite of them.
        run("hg", "ip", "address", "add", "192.0.0.8/32", "dev", "lo")
        run("haap", "ip", "address", "add", "192.0.0.9/32", "dev", "lo")
        run("hg", "ip", "route", "add", "192.0.0.9/32", "dev", "dsl")
        run("haap", "ip", "route", "add", "192.0.0.8/32", "dev", "hd")
        run("hg", "ip", "link", "add", "bond", *gre, "local", "192.0.0.8", "remote", "192.0.0.9")
        run("haap", "ip", "link", "add", "subscriber", *gre, "local", "192.0.0.9", "remote", "192.0.0.8")
        for host, device in (("hg", "bond"), ("haap", "subscriber")):
            run(host, "ip", "link", "set", device, "up", "mtu", self.inner_mtu)
        run("hg", "ip", "route", "add", f"{SERVER.rpartition('.')[0]}.0/24", "dev", "bond")
        run("haap", "ip", "route", "add", LAN, "dev", "subscriber")

    def _addresses(self) -> None:
        dsl, lte = self.network.dsl.hg_address, self.network.lte.hg_address
        to_queue = f"ip protocol gre ip saddr 192.0.0.{{peer}} queue flags bypass to {QUEUE}"
        run("hg", "nft", "-f", "-", text=f"""
            table ip bond {{
                map source {{ type mark : ipv4_addr; elements = {{ 1 : {dsl}, 2 : {lte} }}; }}
                chain receive {{ type filter hook prerouting priority raw;
                    ip protocol gre ip saddr {HAAP} ip saddr set 192.0.0.9 ip daddr set 192.0.0.8
                    {to_queue.format(peer=9)}
                }}
                chain send {{ type route hook output priority mangle;
                    ip protocol gre ip daddr 192.0.0.9 ip saddr set meta mark map @source ip daddr set {HAAP}
                }}
            }}
            """)
        run("haap", "nft", "-f", "-", text=f"""
            table ip bond {{
                map legs {{ type ipv4_addr . mark : ipv4_addr;
                    elements = {{ 192.0.0.8 . 1 : {dsl}, 192.0.0.8 . 2 : {lte} }}; }}
                map peer {{ type ipv4_addr : ipv4_addr; elements = {{ {dsl} : 192.0.0.8, {lte} : 192.0.0.8 }}; }}
                chain receive {{ type filter hook prerouting priority raw;
                    ip protocol gre ip daddr {HAAP} ip saddr set ip saddr map @peer ip daddr set 192.0.0.9
                    {to_queue.format(peer=8)}
                }}
                chain send {{ type route hook output priority mangle;
                    ip protocol gre ip saddr 192.0.0.9 ip daddr set ip daddr . meta mark map @legs ip saddr set {HAAP}
                }}
            }}
            """)

    def _colour(self, host: str, device: str, mbit: float) -> None:
        run(host, "tc", "qdisc", "add", "dev", device, "clsact")
        add = ["tc", "filter", "add", "dev", device, "egress"]
        # What receive offload has joined is policed as one packet: of a fast flow up to 64 kB, which with a smaller
        # burst would never conform. A slow flow comes in small packets, and a large burst would fill the DSL queue.
        burst = "80k" if mbit > 20 else "16k"
        police = f"action police rate {round(mbit * 1000)}kbit burst {burst} conform-exceed continue/pipe"
        mark = "action skbedit mark {} action pass"
        run(host, *add, *f"prio 1 protocol all matchall {police} {mark.format(1)}".split())
        run(host, *add, *f"prio 2 protocol all matchall {mark.format(2)}".split())

    def close(self) -> None:
        """Ends the resequencers; devices go with their namespaces."""
        for process in self.resequencers:
            process.terminate()
            process.wait()
