"""The network of every scenario.

                       .2    10.1.0.0/24     .1          .1   10.9.1.0/24   .2
                      ┌─ dsl ──────────── d0 dsl d1 ─────────────────────── hd ─┐
    client c0 ── lan hg                                                         haap wan ── s0 server
         .10   .1     └─ lte ──────────── l0 lte l1 ─────────────────────── hl ─┘     .1     .2
    192.168.2.0/24     .2    10.2.0.0/24     .1          .1   10.9.2.0/24   .2     203.0.113.0/24

    haap's own address 10.9.0.1 (on lo). IPv6 everywhere: client 2001:db8:a::/64, dsl 2001:db8:d::/64 and
    2001:db8:1::/64, lte 2001:db8:e::/64 and 2001:db8:2::/64, haap 2001:db8:f::1, server 2001:db8:5::/64,
    with the host numbers above. hg has no IPv6 address on its LAN: that comes through the bond.

Each name is a network namespace; the two access routers (dsl, lte) shape: netem on d0 and l0 is the way down, on d1 and
l1 the way up. hg has the routes a DHCP client would leave: a default route on each access, DSL preferred by metric.
haap has no route to 192.168.2.0/24: reaching the LAN through the bond is the product's work.
"""

import contextlib
import dataclasses
import math
import os
import pathlib
import signal
import tomllib

from lab.namespaces import run

HOSTS = ("client", "hg", "dsl", "lte", "haap", "server")
TOPOLOGIES = pathlib.Path(__file__).resolve().parent / "topologies"

HAAP = "10.9.0.1"
HAAP6 = "2001:db8:f::1"
CLIENT, CLIENT6 = "192.168.2.10", "2001:db8:a::10"
SERVER, SERVER6 = "203.0.113.2", "2001:db8:5::2"
LAN, LAN6 = "192.168.2.0/24", "2001:db8:a::/64"

# host, device, peer host, peer device
LINKS = (
    ("client", "c0", "hg", "lan"),
    ("hg", "dsl", "dsl", "d0"),
    ("dsl", "d1", "haap", "hd"),
    ("hg", "lte", "lte", "l0"),
    ("lte", "l1", "haap", "hl"),
    ("haap", "wan", "server", "s0"),
)

# host, device, IPv4, IPv6
ADDRESSES = (
    ("client", "c0", "192.168.2.10/24", "2001:db8:a::10/64"),
    ("hg", "lan", "192.168.2.1/24", ""),
    ("hg", "dsl", "10.1.0.2/24", "2001:db8:d::2/64"),
    ("dsl", "d0", "10.1.0.1/24", "2001:db8:d::1/64"),
    ("dsl", "d1", "10.9.1.1/24", "2001:db8:1::1/64"),
    ("haap", "hd", "10.9.1.2/24", "2001:db8:1::2/64"),
    ("hg", "lte", "10.2.0.2/24", "2001:db8:e::2/64"),
    ("lte", "l0", "10.2.0.1/24", "2001:db8:e::1/64"),
    ("lte", "l1", "10.9.2.1/24", "2001:db8:2::1/64"),
    ("haap", "hl", "10.9.2.2/24", "2001:db8:2::2/64"),
    ("haap", "lo", "10.9.0.1/32", "2001:db8:f::1/128"),
    ("haap", "wan", "203.0.113.1/24", "2001:db8:5::1/64"),
    ("server", "s0", "203.0.113.2/24", "2001:db8:5::2/64"),
)

ROUTES = (
    ("client", "default via 192.168.2.1"),
    ("client", "default via 2001:db8:a::1"),
    ("hg", "default via 10.1.0.1 dev dsl metric 100"),
    ("hg", "default via 10.2.0.1 dev lte metric 200"),
    ("hg", "default via 2001:db8:d::1 dev dsl metric 100"),
    ("hg", "default via 2001:db8:e::1 dev lte metric 200"),
    ("dsl", "10.9.0.1 via 10.9.1.2"),
    ("dsl", "2001:db8:f::1 via 2001:db8:1::2"),
    ("lte", "10.9.0.1 via 10.9.2.2"),
    ("lte", "2001:db8:f::1 via 2001:db8:2::2"),
    ("dsl", "203.0.113.0/24 via 10.9.1.2"),
    ("dsl", "2001:db8:5::/64 via 2001:db8:1::2"),
    ("lte", "203.0.113.0/24 via 10.9.2.2"),
    ("lte", "2001:db8:5::/64 via 2001:db8:2::2"),
    ("haap", "10.1.0.0/24 via 10.9.1.1"),
    ("haap", "10.2.0.0/24 via 10.9.2.1"),
    ("haap", "2001:db8:d::/64 via 2001:db8:1::1"),
    ("haap", "2001:db8:e::/64 via 2001:db8:2::1"),
    ("server", "default via 203.0.113.1"),
    ("server", "default via 2001:db8:5::1"),
)

ETHERNET_HEADER = 14
FULL_FRAME = 1500 + ETHERNET_HEADER


@dataclasses.dataclass
class Direction:
    """One way of an access link."""

    mbit: float
    delay_ms: float
    loss_percent: float = 0
    queue_ms: float = 150
    # Each packet takes up to so much more or less than `delay_ms`; with a rate netem keeps their order.
    jitter_ms: float = 0

    @property
    def limit_packets(self) -> int:
        """netem keeps packets that are on the way and packets that wait in one list, so its limit is the
        bandwidth-delay product plus the queue: what passes in delay_ms + queue_ms at full rate, in full frames.
        With netem's default of 1000 a slow line would have seconds of queue."""
        bits = self.mbit * 1e6 * (self.delay_ms + self.jitter_ms + self.queue_ms) / 1e3
        return max(20, math.ceil(bits / 8 / FULL_FRAME))

    def netem(self) -> list[str]:
        words = ["netem", "rate", f"{round(self.mbit * 1000)}kbit", "delay", f"{self.delay_ms}ms"]
        if self.jitter_ms:
            words += [f"{self.jitter_ms}ms"]
        if self.loss_percent:
            words += ["loss", f"{self.loss_percent}%"]
        return [*words, "limit", str(self.limit_packets)]


class Leg:
    """One access: `dsl` or `lte`, with what can happen to it."""

    def __init__(self, name: str, parameters: dict[str, float]):
        self.name = name
        self.router = name
        self.up = self._direction("up", parameters)
        self.down = self._direction("down", parameters)
        letter = name[0]
        # Devices of the access router towards the gateway and towards the aggregator; of haap towards the router.
        self.near, self.far, self.haap_device = f"{letter}0", f"{letter}1", f"h{letter}"
        self.hg_address = {"dsl": "10.1.0.2", "lte": "10.2.0.2"}[name]
        self.hg_address6 = {"dsl": "2001:db8:d::2", "lte": "2001:db8:e::2"}[name]
        self.gateway = {"dsl": "10.1.0.1", "lte": "10.2.0.1"}[name]
        # Of the access router, towards the aggregator.
        self.far_address = {"dsl": "10.9.1.1", "lte": "10.9.2.1"}[name]

    @staticmethod
    def _direction(way: str, parameters: dict[str, float]) -> Direction:
        chosen = {"mbit": parameters[f"{way}_mbit"]}
        for name in ("delay_ms", "loss_percent", "queue_ms", "jitter_ms"):
            value = parameters.get(f"{way}_{name}", parameters.get(name))
            if value is not None:
                chosen[name] = value
        return Direction(**chosen)

    def shape(self, verb: str = "replace") -> None:
        """Puts the present rates, delays and losses on the link."""
        run(self.router, "tc", "qdisc", verb, "dev", self.near, "root", *self.down.netem())
        run(self.router, "tc", "qdisc", verb, "dev", self.far, "root", *self.up.netem())

    def change(self, **parameters: float) -> None:
        """Changes the link at run time: up_mbit, down_mbit, delay_ms, loss_percent, up_delay_ms and so on."""
        for name, value in parameters.items():
            ways = [self.up, self.down]
            if name.startswith(("up_", "down_")):
                way, _, name = name.partition("_")
                ways = [getattr(self, way)]
            for direction in ways:
                setattr(direction, name, value)
        self.shape()

    def carrier(self, up: bool) -> None:
        """Pulls the plug or puts it back: the gateway sees its device lose carrier."""
        run(self.router, "ip", "link", "set", self.near, "up" if up else "down")
        if up:
            # Setting a device down took its IPv6 address away.
            ipv6 = {"dsl": "2001:db8:d::1/64", "lte": "2001:db8:e::1/64"}[self.name]
            run(self.router, "ip", "address", "replace", ipv6, "dev", self.near, "nodad")

    def vanish(self) -> None:
        """The gateway's device is gone, with all that is on it, as when a modem is pulled out."""
        run("hg", "ip", "link", "delete", self.name)

    def reappear(self) -> None:
        """Another device with that name and with what is configured on it, but with another index."""
        link = f"link add {self.name} netns hg type veth peer name {self.near} netns {self.router}\n"
        run(None, "ip", "-batch", "-", text=link)
        for host, device in ((self.router, self.near), ("hg", self.name)):
            lines = []
            for name, of, address, address6 in ADDRESSES:
                if (name, of) == (host, device):
                    lines += [f"address add {address} dev {device}", f"address add {address6} dev {device} nodad"]
            lines.append(f"link set {device} up")
            lines += [f"route add {route}" for name, route in ROUTES if name == host and f"dev {device} " in route]
            run(host, "ip", "-batch", "-", text="\n".join(lines) + "\n")
            run(host, "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off")
        run(self.router, "tc", "qdisc", "add", "dev", self.near, "root", *self.down.netem())

    def blackhole(self, on: bool) -> None:
        """The access router drops everything silently; both devices keep their carrier."""
        if on:
            rules = "table inet lab {\n chain forward { type filter hook forward priority 0; policy drop; }\n}\n"
            run(self.router, "nft", "-f", "-", text=rules)
        else:
            run(self.router, "nft", "delete table inet lab")

    def change_address(self, address: str, keep_old: bool = False) -> None:
        """The operator gives the gateway another IPv4 address on this leg (same gateway, /24)."""
        run("hg", "ip", "address", "add", f"{address}/24", "dev", self.name)
        if not keep_old:
            run("hg", "sysctl", "-qw", f"net.ipv4.conf.{self.name}.promote_secondaries=1")
            run("hg", "ip", "address", "del", f"{self.hg_address}/24", "dev", self.name)
        metric = {"dsl": 100, "lte": 200}[self.name]
        route = f"default via {self.gateway} dev {self.name} metric {metric}"
        run("hg", "ip", "route", "replace", *route.split())
        self.hg_address = address


class Topology:
    """Builds the namespaces; `with Topology.load("village") as network: …`"""

    # Another network's are in a class of its own, as in lab/bench.py.
    hosts, links, addresses, routes = HOSTS, LINKS, ADDRESSES, ROUTES

    def __init__(self, parameters: dict[str, dict[str, float]]):
        self.dsl = Leg("dsl", parameters["dsl"])
        self.lte = Leg("lte", parameters["lte"])
        self.legs = (self.dsl, self.lte)

    @classmethod
    def load(cls, name: str, dsl: dict[str, float] | None = None, lte: dict[str, float] | None = None) -> "Topology":
        """Reads topologies/NAME.toml; `dsl` and `lte` override single values of it."""
        parameters = tomllib.loads((TOPOLOGIES / f"{name}.toml").read_text())
        parameters["dsl"] |= dsl or {}
        parameters["lte"] |= lte or {}
        return cls(parameters)

    def __enter__(self) -> "Topology":
        self.build()
        return self

    def __exit__(self, *exception) -> None:
        self.remove()

    def build(self) -> None:
        """Makes hosts, links, addresses, routes and shaping; what a run before left is removed first."""
        self.remove()
        run(None, "ip", "-batch", "-", text="".join(f"netns add {host}\n" for host in self.hosts))
        links = "".join(
            f"link add {device} netns {host} type veth peer name {peer_device} netns {peer}\n"
            for host, device, peer, peer_device in self.links
        )
        run(None, "ip", "-batch", "-", text=links)
        for host in self.hosts:
            self._configure(host)
        for leg in self.legs:
            leg.shape("add")

    def _configure(self, host: str) -> None:
        settings = ["net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"]
        if host not in ("client", "server"):
            settings += ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        devices = [link[index + 1] for link in self.links for index in (0, 2) if link[index] == host]
        settings += [f"net.ipv4.conf.{device}.rp_filter=0" for device in devices]
        run(host, "sysctl", "-qw", *settings)
        lines = ["link set lo up"]
        for name, device, address, address6 in self.addresses:
            if name == host:
                lines += [f"address add {address} dev {device}"]
                lines += [f"address add {address6} dev {device} nodad"] if address6 else []
        lines += [f"link set {device} up" for device in devices]
        lines += [f"route add {route}" for name, route in self.routes if name == host]
        run(host, "ip", "-batch", "-", text="\n".join(lines) + "\n")
        for device in devices:
            if device not in ("c0", "lan", "wan", "s0"):
                # Access links carry frames of at most 1514 bytes, as real ones do: netem would delay and drop
                # a 64 kB packet as one. LAN and server side keep offloads: they are not what is measured.
                run(host, "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off")

    def remove(self) -> None:
        """Ends what still runs in the namespaces, and deletes them with all that is in them."""
        existing = [line.split()[0] for line in run(None, "ip", "netns", "list").splitlines() if line.strip()]
        for host in self.hosts:
            if host in existing:
                for process in run(None, "ip", "netns", "pids", host).split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(process), signal.SIGKILL)
                run(None, "ip", "netns", "delete", host)

    def leg(self, name: str) -> Leg:
        return {"dsl": self.dsl, "lte": self.lte}[name]

    def bond_limit_mbit(self, way: str, inner_mtu: int = 1440, outer_ipv6: bool = False, esp: int = 0) -> float:
        """What one TCP flow can reach through both legs; see `goodput_share`."""
        share = goodput_share(inner_mtu, outer_ipv6, esp)
        return sum(getattr(leg, way).mbit for leg in self.legs) * share

    def leg_limit_mbit(self, name: str, way: str) -> float:
        """What one TCP flow of full packets reaches on one leg without a tunnel: 1448 bytes of a frame of 1514."""
        return getattr(self.leg(name), way).mbit * (1500 - 52) / FULL_FRAME


def goodput_share(inner_mtu: int = 1440, outer_ipv6: bool = False, esp: int = 0, inner_ipv6: bool = False) -> float:
    """Part of a link's rate that is TCP payload when full packets go through the tunnel.

    netem counts a packet's length with its Ethernet header (14 bytes) and without preamble and checksum. A full inner
    packet of `inner_mtu` bytes is therefore 14 + outer IP (20 or 40) + GRE with key and sequence (4 + 4 + 4) + `esp`
    + inner_mtu long, and carries inner_mtu less IP (20 or 40) and TCP with timestamps (20 + 12).
    For 1440 over IPv4: 1388 / 1486 = 0.934; 150 Mbit/s give 140.1.
    """
    frame = ETHERNET_HEADER + (40 if outer_ipv6 else 20) + 12 + esp + inner_mtu
    return (inner_mtu - (40 if inner_ipv6 else 20) - 32) / frame
