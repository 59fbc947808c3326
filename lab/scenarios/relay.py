"""An operator's Kea leases over the bond: the aggregator relays, routes what was granted and keeps it (village)."""

import contextlib
import ipaddress
import json
import time

from lab import kea, namespaces, spillway
from lab.kea import Kea
from lab.measure import capture, leases
from lab.measure.capture import Capture
from lab.measure.ping import ping
from lab.spillway import CIN, Spillway, is_bonded, settings
from lab.topology import HAAP, HAAP6, LAN, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), *kea.PROGRAMS]
LEASE_S = 20
# Kea gives all four addresses away.
POOL, POOL6 = "100.72.0.0/30", "2001:db8:100::/55"
NETWORK, NETWORK6 = ipaddress.ip_network(POOL), ipaddress.ip_network(POOL6)

prepare = spillway.prepare


def run(lab):
    rates = {"dsl_upstream": "8 Mbit/s", "dsl_downstream": "8 Mbit/s", "lte_downstream": "16 Mbit/s"}
    subscribers = [{"cin": CIN, "routes": [LAN], **rates}, {"cin": "second", **rates}]
    relay = {"dhcp4": [SERVER], "dhcp6": [SERVER6], "subscriber_id": True}
    with Topology.load("village") as network, contextlib.ExitStack() as stack:
        wire = stack.enter_context(
            Capture("haap", "wan", lab.out / "relayed.pcap", snap=2000, filter="udp port 67 or udp port 547"))
        lab.dhcp.append({"file": wire.file.name})
        servers = stack.enter_context(Kea(lab, POOL, POOL6, HAAP, HAAP6, LEASE_S))
        haap = Spillway(lab, "haap", settings("haap", network, relay=relay, subscriber=subscribers))
        hg = Spillway(lab, "hg", settings("hg", network, tunnel={"masquerade": True}))
        legs = {leg.name: stack.enter_context(Capture("hg", leg.name, lab.out / f"dhcp-{leg.name}.pcap", snap=2000,
                                                      filter="proto 47")) for leg in network.legs}
        network.dsl.carrier(False)
        before = leases.addresses("hg")
        with haap, hg:
            status = hg.wait_for("has its addresses", has_both)
            files = {name: each.file for name, each in legs.items()}
            leases.only_by_lte(lab, before, given(status), delegated(status), files)
            network.dsl.carrier(True)
            address, prefix = first(lab, hg, haap, servers)
            renewed(lab, hg, servers, wire, address, prefix)
            restarted(lab, hg, haap, servers, address, prefix)
            another(lab, hg, haap, servers, address, prefix)
            released(lab, hg, haap, servers)


def given(status) -> str | None:
    return status.get("addresses", {}).get("dhcp4", {}).get("address")


def delegated(status) -> str | None:
    return next(iter(status.get("addresses", {}).get("dhcp6", {}).get("prefixes", [])), None)


def has_both(status) -> bool:
    return bool(given(status) and delegated(status))


def patient(lab, daemon, what: str, condition, seconds: float) -> dict:
    """For what takes long: each look at the status costs time of this machine."""
    def met():
        status = daemon.status()
        return status if status and condition(status) else None

    return lab.wait(f"{daemon.host}: {what}", met, seconds, interval=1)


def routed(device: str = "bond") -> set[str]:
    """What the aggregator's kernel routes to its bonds, or to one, without what is configured."""
    found = set()
    for family in (4, 6):
        listed = namespaces.run("haap", "ip", "-j", f"-{family}", "route", "show", "proto", "157") or "[]"
        found |= {each["dst"] for each in json.loads(listed) if each.get("dev", "").startswith(device)}
    return found - {LAN}


def counted(haap, family: int, reason: str) -> int:
    return haap.status()["addresses"][f"dhcp{family}"]["discarded"].get(reason, 0)


def flows(lab, what: str, prefix: str) -> None:
    """Both families end to end. The LAN's host has an address of the prefix; nothing in the lab gave it one."""
    router, host = (str(ipaddress.ip_network(prefix)[number]) for number in (1, 16))
    namespaces.run("client", "ip", "address", "replace", f"{host}/64", "dev", "c0", "nodad")
    namespaces.run("client", "ip", "-6", "route", "replace", "default", "via", router, "dev", "c0", "src", host)
    for family, target in ((4, SERVER), (6, SERVER6)):
        echo = ping("client", target, 3)
        lab.check(f"{what}: IPv{family} end to end", echo.received == 3, f"{echo.received} of 3")


def held(servers) -> tuple[str, str]:
    """The only lease of each family in Kea's files."""
    found = []
    for family in (4, 6):
        alive = [name for name, each in servers.leases(family).items()
                 if each["state"] == "0" and int(each["valid_lifetime"]) > 0]
        found.append(alive[0] if len(alive) == 1 else str(alive))
    return found[0], found[1]


def first(lab, hg, haap, servers):
    status = hg.wait_for("has its addresses", has_both)
    address, prefix = given(status), delegated(status)
    lab.check("both are of Kea's pools", ipaddress.ip_address(address) in NETWORK
              and ipaddress.ip_network(prefix).subnet_of(NETWORK6), f"{address}, {prefix}")
    base = str(ipaddress.ip_network(prefix)[0])
    lab.check("Kea's files have both", held(servers) == (address, base), str(held(servers)))
    lab.check("the gateway knows the relay as its server", status["addresses"]["dhcp4"]["server"] == HAAP)
    lab.check("the aggregator routes both to the bond", routed() == {address, prefix}, str(routed()))
    told = haap.status()["addresses"]
    lab.check("the status has both", (told["dhcp4"]["leases"], told["dhcp6"]["leases"]) == (1, 1), str(told))
    hg.wait_for("bonded", is_bonded)
    flows(lab, "leased", prefix)
    return address, prefix


def renewed(lab, hg, servers, wire, address, prefix):
    """By way of the relay, at half of the lease time; Kea's files tell. The routes are there when the first leases would
    have ended."""
    base = str(ipaddress.ip_network(prefix)[0])
    granted = time.monotonic()
    ends = {family: int(servers.leases(family)[name]["expire"]) for family, name in ((4, address), (6, base))}
    lab.wait("Kea has renewed both", lambda: all(
        int(servers.leases(family)[name]["expire"]) > ends[family] for family, name in ((4, address), (6, base))),
        LEASE_S, interval=1)
    time.sleep(max(0, granted + LEASE_S + 2 - time.monotonic()))
    status = hg.status()
    lab.check("renewed: still the same", (given(status), delegated(status)) == (address, prefix))
    lab.check("renewed: routed when the first leases are over", routed() == {address, prefix}, str(routed()))
    asked = [packet for packet in capture.packets(wire.file) if packet.destination == SERVER and packet.protocol == 17]
    past = [packet.source for packet in asked if packet.source != HAAP]
    lab.check("renewed: Kea heard of it from the relay only", len(asked) > 2 and not past, f"{len(asked)}, past it {past}")


def restarted(lab, hg, haap, servers, address, prefix):
    """The aggregator is killed while Kea is away: nobody but its own file knows what was granted."""
    servers.stop()
    haap.kill()
    haap.start()
    haap.wait_for("is back", lambda status: status["addresses"]["dhcp4"]["leases"] == 1)
    haap.wait_for("has a bond", lambda status: status["bonds"])
    lab.check("restarted: both are routed to the bond", routed() == {address, prefix}, str(routed()))
    servers.start()
    status = patient(lab, hg, "has its addresses", has_both, 200)
    lab.check("restarted: the same address and prefix", (given(status), delegated(status)) == (address, prefix),
              f"{given(status)}, {delegated(status)}")
    flows(lab, "restarted", prefix)


def another(lab, hg, haap, servers, address, prefix):
    """Another subscriber says of itself what the first one said: to Kea it is the first one."""
    hg.kill()
    hg.configure(hg.value | {"cin": "second"})
    hg.start()
    lab.wait("both are refused to it", lambda: counted(haap, 4, "taken") and counted(haap, 6, "taken"), 40, interval=1)
    status = hg.status()
    lab.check("another: it has neither", not given(status) and not delegated(status), str(status["addresses"]))
    devices = [each["device"] for each in haap.status()["bonds"] if each["client"] == "second"]
    lab.check("another: nothing is routed to it", len(devices) == 1 and not routed(devices[0]), f"{devices}: {routed()}")
    # When the first one's time is over, they are free.
    status = patient(lab, hg, "has its addresses", has_both, 150)
    lab.check("another: what became free is routed to it", {given(status), delegated(status)} == routed(), str(routed()))


def released(lab, hg, haap, servers):
    hg.stop()
    lab.wait("Kea's files have no lease any more", lambda: held(servers) == ("[]", "[]"), 20, interval=1)
    lab.check("released: nothing is routed", not routed(), str(routed()))
    told = haap.status()["addresses"]
    lab.check("released: the relay knows of none", (told["dhcp4"]["leases"], told["dhcp6"]["leases"]) == (0, 0), str(told))
