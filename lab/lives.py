"""What both daemons are set to in the lives of `faults` and `faults-all`, and what happens there besides."""

import contextlib

from lab import freeradius
from lab.freeradius import FreeRADIUS
from lab.resolver import Resolver
from lab.scenarios.radius import FIRST, NAS, USERS
from lab.spillway import settings
from lab.topology import CLIENT, SERVER, SERVER6

LIST = [{"description": "television", "destination_port": 7100}]
# Echoes take LTE both ways, so that packets wait in queues.
PIN = [{"description": "echoes", "protocol": "icmp", "leg": "lte"}]
NAMES = {"www.example.net": "203.0.113.10", "own.example.org": "203.0.113.11"}
KEYS = {
    "keys": "configured", "cipher": "aes-cbc", "secret": "only for the lab, and known to all", "volume": "1 GB",
}


class Plain:
    """One queue before both legs, IPv4."""

    name = "plain"
    # Besides a leg lost and back and a list by reload: kill -9 of both daemons; DSL lost and back; a question to each.
    is_whole = False

    def settings(self, network) -> dict[str, dict]:
        return {host: settings(host, network) for host in ("hg", "haap")}

    def reloaded(self, host: str, value: dict) -> dict:
        """What is set later on."""
        return value | {"bypass": LIST} if host == "hg" else value

    @contextlib.contextmanager
    def servers(self, lab):
        """What else has to run."""
        yield

    def is_ready(self, status: dict) -> bool:
        """Whether the gateway has what it has to wait for."""
        return True


class Protected(Plain):
    """ESP with configured keys, `police`, pins, limits and a quota."""

    name = "protected"
    is_whole = True

    def settings(self, network):
        both = {"ipsec": KEYS, "colour": {"overflow": "police"}, "pin": PIN}
        lte = {"limit": "14 Mbit/s", "quota": {"volume": "10 GB"}}
        return {
            "hg": settings("hg", network, dsl={"limit": "6 Mbit/s"}, lte=lte, **both),
            "haap": settings("haap", network, **both),
        }

    def reloaded(self, host, value):
        # Other rates and other pins of a running bond: actions and filters are replaced where they are.
        more = PIN + [{"description": "calls", "destination_port": 7400, "leg": "dsl"}]
        value = super().reloaded(host, value) | {"pin": more}
        return value | {"dsl": value["dsl"] | {"limit": "5 Mbit/s"}} if host == "hg" else value


class Named(Plain):
    """IPv6 outside, names in filter lists, packets shared by weights."""

    name = "named"
    is_whole = True

    def settings(self, network):
        first, own = NAMES
        colour = {"overflow": "queue", "distribution": "weighted"}
        lists = {
            "filter_list": [{"name": "beside", "item": [{"description": first, "fqdn": first}]}],
            "defaults": {"filter_list": "beside"},
        }
        bypass = [{"description": own, "fqdn": own}]
        names = {"servers": [SERVER], "ttl_ceiling": 3600}
        hg = settings("hg", network, ipv6=True, colour=colour, names=names, bypass=bypass, pin=PIN,
                      dsl={"weight": 1}, lte={"weight": 2})
        haap = settings("haap", network, colour=colour, pin=PIN, **lists)
        haap["subscriber"][0] |= {"dsl_weight": 1, "lte_weight": 2}
        return {"hg": hg, "haap": haap}

    def reloaded(self, host, value):
        return value | {"bypass": value["bypass"] + LIST} if host == "hg" else value

    @contextlib.contextmanager
    def servers(self, lab):
        resolver = Resolver(lab, "server", SERVER, SERVER6, present=True)
        resolver.serve(*(f"--host-record={name},{address},3600" for name, address in NAMES.items()))
        try:
            yield
        finally:
            resolver.stop()

    def is_ready(self, status):
        return sum(each["addresses"] for each in status.get("names", {}).get("names", [])) == len(NAMES)


class Granted(Plain):
    """A RADIUS server knows the subscriber, and what is beside its bond."""

    name = "granted"
    is_whole = True

    def settings(self, network):
        radius = {
            "source": NAS, "nas_identifier": "haap-lab",
            "server": [{"address": FIRST, "secret": freeradius.SECRET}],
        }
        lists = [{"name": name, "item": LIST} for name in ("short", "long")]
        haap = settings("haap", network, radius=radius, subscriber=[], filter_list=lists)
        return {"hg": settings("hg", network, pin=PIN), "haap": haap | {"pin": PIN}}

    @contextlib.contextmanager
    def servers(self, lab):
        server = FreeRADIUS(lab, "first", FIRST, NAS, USERS)
        server.start()
        try:
            yield
        finally:
            server.kill()

    def is_ready(self, status):
        return status["bond"].get("filter_items") == 1


FLOW = ("udp", f"{CLIENT}:20000", f"{SERVER}:7100")
