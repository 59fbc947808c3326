"""More gateways than one on the network of lab/topology.py, each with a LAN of its own behind it.

Gateway number N (from 2 on; the first is hg) is the namespace gN with the devices lan, dsl and lte, its client cN. Its
addresses end in N where those of hg end in 0: 10.1.N.2 on dsl, 10.2.N.2 on lte, 192.168.10N.1 on the LAN.
"""

from lab import topology
from lab.namespaces import run
from lab.topology import Topology


class Gateway:
    """One of them, and what can happen to its legs."""

    def __init__(self, number: int):
        self.number = number
        self.host, self.client = ("hg", "client") if number < 2 else (f"g{number}", f"c{number}")
        self.third = 0 if number < 2 else number
        self.cin = f"town-{number}"
        self.last = {"dsl": 2, "lte": 2}

    def device(self, leg: str) -> str:
        """Of the access router."""
        return f"{leg[0]}0" if self.number < 2 else f"g{self.number}{leg[0]}"

    def subnet(self, leg: str) -> str:
        return f"10.{'dsl lte'.split().index(leg) + 1}.{self.third}"

    @property
    def lan(self) -> str:
        return "192.168.2" if self.number < 2 else f"192.168.10{self.number}"

    def carrier(self, leg: str, up: bool) -> None:
        run(leg, "ip", "link", "set", self.device(leg), "up" if up else "down")

    def renumber(self, leg: str, new: int) -> None:
        """The operator gives it another address on this leg: its last byte."""
        subnet, old = self.subnet(leg), self.last[leg]
        if new == old:
            return
        self.last[leg] = new
        metric = {"dsl": 100, "lte": 200}[leg]
        lines = [
            f"address add {subnet}.{new}/24 dev {leg}", f"address del {subnet}.{old}/24 dev {leg}",
            f"route replace default via {subnet}.1 dev {leg} metric {metric}",
        ]
        run(self.host, "ip", "-batch", "-", text="\n".join(lines) + "\n")


class Town(Topology):
    """`with Town.load("village") as town:`"""

    def build(self) -> None:
        super().build()
        for each in self.gateways:
            # Where the first address goes, the others do not go with it.
            run(each.host, "sysctl", "-qw", *(f"net.ipv4.conf.{leg}.promote_secondaries=1" for leg in ("dsl", "lte")))

    gateways = [Gateway(number) for number in range(1, 5)]
    hosts = (*topology.HOSTS, *(name for each in gateways[1:] for name in (each.host, each.client)))
    links = (
        *topology.LINKS,
        *(
            link for each in gateways[1:] for link in (
                (each.client, "c0", each.host, "lan"),
                (each.host, "dsl", "dsl", each.device("dsl")),
                (each.host, "lte", "lte", each.device("lte")),
            )
        ),
    )
    addresses = (
        *topology.ADDRESSES,
        *(
            address for each in gateways[1:] for address in (
                (each.client, "c0", f"{each.lan}.10/24", ""),
                (each.host, "lan", f"{each.lan}.1/24", ""),
                *((each.host, leg, f"{each.subnet(leg)}.2/24", "") for leg in ("dsl", "lte")),
                *((leg, each.device(leg), f"{each.subnet(leg)}.1/24", "") for leg in ("dsl", "lte")),
            )
        ),
    )
    routes = (
        *topology.ROUTES,
        # Of all gateways that there may be, those that lab/crowd.py plays among them.
        *(
            ("haap", f"10.{second}.0.0/16 via 10.9.{leg}.1")
            for leg in (1, 2) for second in (leg, 100 + leg)
        ),
        *(
            route for each in gateways[1:] for route in (
                (each.client, f"default via {each.lan}.1"),
                (each.host, f"default via {each.subnet('dsl')}.1 dev dsl metric 100"),
                (each.host, f"default via {each.subnet('lte')}.1 dev lte metric 200"),
            )
        ),
    )
