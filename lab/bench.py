"""The network of a bench: as in lab/topology.py, with a router between the accesses and two aggregation points.

                  ┌─ dsl ─ 10.9.1.0/24 ─ cd ┐           ┌ h1 ─ 10.9.11.0/24 ─ core haap1
    client ── hg ─┤                         ├── core ───┤
                  └─ lte ─ 10.9.2.0/24 ─ cl ┘     │     └ h2 ─ 10.9.12.0/24 ─ core haap2
                                                 wan
                                                  └─ 203.0.113.0/24 ─ s0 server

Clients, gateway, accesses and server are as in lab/topology.py. The aggregation points have nothing but their link;
where G, H and the subscribers are is for FRR to tell (lab/frr.py).
"""

from lab import topology
from lab.namespaces import run
from lab.topology import Topology

KEPT = ("client", "hg", "dsl", "lte", "server")


class Bench(Topology):
    hosts = (*KEPT[:4], "core", "haap1", "haap2", "server")
    links = (
        *(each for each in topology.LINKS if each[2] != "haap" and each[0] != "haap"),
        ("dsl", "d1", "core", "cd"),
        ("lte", "l1", "core", "cl"),
        ("core", "h1", "haap1", "core"),
        ("core", "h2", "haap2", "core"),
        ("core", "wan", "server", "s0"),
    )
    addresses = (
        *(each for each in topology.ADDRESSES if each[0] in KEPT),
        ("core", "cd", "10.9.1.2/24", "2001:db8:1::2/64"),
        ("core", "cl", "10.9.2.2/24", "2001:db8:2::2/64"),
        ("core", "h1", "10.9.11.1/24", "2001:db8:11::1/64"),
        ("core", "h2", "10.9.12.1/24", "2001:db8:12::1/64"),
        ("core", "wan", "203.0.113.1/24", "2001:db8:5::1/64"),
        ("haap1", "core", "10.9.11.2/24", "2001:db8:11::2/64"),
        ("haap2", "core", "10.9.12.2/24", "2001:db8:12::2/64"),
    )
    routes = (
        *(each for each in topology.ROUTES if each[0] in ("client", "hg", "server")),
        ("dsl", "default via 10.9.1.2"),
        ("lte", "default via 10.9.2.2"),
        ("core", "10.1.0.0/24 via 10.9.1.1"),
        ("core", "10.2.0.0/24 via 10.9.2.1"),
    )

    def silence(self, host: str) -> None:
        """Nothing passes the link of an aggregation point any more, either way; both ends keep their carrier."""
        for name, device in ((host, "core"), ("core", f"h{host[-1]}")):
            run(name, "tc", "qdisc", "add", "dev", device, "root", "netem", "loss", "100%")

    def speak(self, host: str) -> None:
        """Takes `silence` back."""
        for name, device in ((host, "core"), ("core", f"h{host[-1]}")):
            run(name, "tc", "qdisc", "del", "dev", device, "root")
