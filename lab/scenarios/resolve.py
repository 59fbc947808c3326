"""The aggregator's name is resolved over each leg with that leg's resolver, late, wrong, dead or moved (village)."""

import contextlib
import pathlib

from lab import environment, namespaces, spillway
from lab.measure import capture, names
from lab.resolver import PROGRAM, Resolver
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, HAAP6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), PROGRAM]
NAME = "haap.example.net"
SERVERS = {"dsl": ("192.0.2.53", "2001:db8:d:53::53"), "lte": ("198.51.100.53", "2001:db8:e:53::53")}
SHARED = "192.0.2.153"
NOBODY = "10.9.0.77"
TABLES = {"dsl": "5301", "lte": "5302"}

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        resolvers = {leg: Resolver(lab, leg, *SERVERS[leg], SHARED) for leg in SERVERS}
        with Spillway(lab, "haap", settings("haap", network)):
            try:
                late(lab, network, resolvers)
                each_its_own(lab, network, resolvers)
                dead(lab, network, resolvers)
                moved(lab, network, resolvers)
                several(lab, network, resolvers)
                long(lab, network, resolvers)
                no_default_route(lab, network, resolvers)
                ipv6(lab, network, resolvers)
                if environment.machine() is not None:
                    system_servers(lab, network, resolvers)
            finally:
                for each in resolvers.values():
                    each.stop()


class Wires:
    """What passes the gateway's two WAN interfaces while one part runs."""

    def __init__(self, lab, part: str):
        self.captures = {
            leg: capture.Capture("hg", leg, lab.out / f"{part}-{leg}.pcap", snap=1500, filter="port 53 or proto 47")
            for leg in SERVERS
        }
        self.files: dict[str, pathlib.Path] = {}

    def stop(self) -> None:
        self.files = {leg: each.stop() for leg, each in self.captures.items()}

    def questions(self, leg: str) -> list[names.Message]:
        return [each for each in names.messages(self.files[leg]) if not each.is_answer]

    def answers(self, leg: str) -> list[names.Message]:
        return [each for each in names.messages(self.files[leg]) if each.is_answer and each.addresses]

    def requests(self, leg: str, gateway: str) -> list[tuple[float, str]]:
        """Control messages without a key that the gateway sent: time and destination."""
        found = []
        for packet in capture.packets(self.files[leg]):
            gre = capture.gre(packet)
            if gre and gre.protocol == 0xB7EA and gre.key == 0 and packet.source == gateway:
                found.append((packet.time, packet.destination))
        return found


@contextlib.contextmanager
def gateway(lab, network, part: str, servers=None, **more):
    """A gateway that knows only a name, and captures of its WANs, which are complete when the block has ended."""
    servers = servers or {leg: [addresses[0]] for leg, addresses in SERVERS.items()}
    value = settings("hg", network, haap=NAME)
    for leg in SERVERS:
        value[leg] |= {"dns": servers[leg]} if servers[leg] else {}
    for key, item in more.items():
        value[key] = value.get(key, {}) | item if isinstance(item, dict) else item
    lab.event(part)
    wires = Wires(lab, part)
    hg = Spillway(lab, "hg", value)
    hg.log_file = lab.out / f"hg-{part}.log"
    with hg:
        yield hg, wires
        wires.stop()


def bonded(lab, hg, seconds: float = 60) -> dict:
    """Waits in the log for a bond, and then for both legs: asking for the status takes much of a virtual machine."""
    lab.wait("hg: has a bond", lambda: "reason=bond-up" in hg.log(), seconds)
    return hg.wait_for("bonded", is_bonded, seconds)


def failures(status: dict, leg: str) -> dict[str, int]:
    return status["name"]["legs"][leg]["failures"]


def only(lab, part: str, wires: Wires, sources: dict[str, str], servers: dict[str, str], kind: int = names.A) -> None:
    """Each wire carries questions of its own leg to its own server, and no other."""
    for leg in SERVERS:
        seen = {(each.source, each.destination, each.name, each.kind) for each in wires.questions(leg)}
        wanted = {(sources[leg], servers[leg], NAME, kind)}
        lab.check(f"{part}: {leg}: asked by its address, its server, on its wire", seen == wanted, str(seen))


def first(which: int) -> dict[str, str]:
    return {leg: addresses[which] for leg, addresses in SERVERS.items()}


def late(lab, network, resolvers):
    """The gateway starts before anybody resolves names; it lives, asks again, and begins when there is an answer."""
    sources = {leg.name: leg.hg_address for leg in network.legs}
    with gateway(lab, network, "late") as (hg, wires):
        lab.wait("asks again and again", lambda: hg.log().count("reason=not-resolved") >= 6)
        status = hg.status()
        refused = {leg: failures(status, leg) for leg in SERVERS}
        lab.check("late: counted", all(each.get("unreachable", 0) >= 2 for each in refused.values()), str(refused))
        lab.check("late: no bond, no address", status["bond"]["state"] == "down" and not status["name"]["addresses"])
        for each in resolvers.values():
            each.answer(NAME, [HAAP])
        bonded(lab, hg)
    only(lab, "late", wires, sources, first(0))
    requests = wires.requests("lte", sources["lte"])
    answered = [each.time for leg in SERVERS for each in wires.answers(leg)]
    early = not answered or not requests or requests[0][0] < min(answered)
    lab.check("late: nothing is requested before an answer", not early, f"{requests[:1]} {answered[:1]}")


def each_its_own(lab, network, resolvers):
    """The usual case: each leg asks its resolver once, and has its answer."""
    sources = {leg.name: leg.hg_address for leg in network.legs}
    with gateway(lab, network, "each") as (hg, wires):
        bonded(lab, hg)
        route = namespaces.run("hg", "ip", "route", "show", "table", TABLES["lte"])
        lab.check("each: a route to the address over LTE", HAAP in route and "dev lte" in route, route)
    only(lab, "each", wires, sources, first(0))
    for leg in SERVERS:
        seen = [(each.source, each.destination, each.addresses) for each in wires.answers(leg)]
        wanted = [(SERVERS[leg][0], sources[leg], (HAAP,))]
        lab.check(f"each: {leg}: its server answered once, on its wire", seen == wanted, str(seen))
    requests, answered = wires.requests("lte", sources["lte"]), wires.answers("lte")
    lab.check(
        "each: LTE's own answer is waited for", requests and answered and requests[0][0] > answered[0].time,
        f"{requests[:1]} {answered[:1]}")
    lab.figure("answer_to_request_ms", (requests[0][0] - answered[0].time) * 1e3)


def dead(lab, network, resolvers):
    """LTE's resolver is silent: the DSL line's answer stands in."""
    resolvers["lte"].silence(True)
    with gateway(lab, network, "dead") as (hg, wires):
        status = bonded(lab, hg)
        lab.check("dead: counted as no answer", failures(status, "lte") == {"no_answer": 1}, str(failures(status, "lte")))
        lab.check("dead: DSL did not fail", not failures(status, "dsl"))
    resolvers["lte"].silence(False)
    lab.check("dead: LTE's was asked, in vain", wires.questions("lte") and not wires.answers("lte"))
    answered = wires.answers("dsl")
    requests = wires.requests("lte", network.lte.hg_address)
    lab.check("dead: DSL's answer was used", answered and requests and {to for _, to in requests} == {HAAP}, str(requests))
    lab.figure("dead_resolver_costs_s", requests[0][0] - wires.questions("lte")[0].time)


def moved(lab, network, resolvers):
    """No bond comes up at what the name stands for; when the TTL ends it stands for something else."""
    ttl = 20
    for each in resolvers.values():
        each.answer(NAME, [NOBODY], ttl)
    with gateway(lab, network, "moved") as (hg, wires):
        hg.wait_for("knows an address", lambda status: status["name"]["addresses"] == [NOBODY])
        for each in resolvers.values():
            each.answer(NAME, [HAAP], ttl)
        routes = lambda: namespaces.run("hg", "ip", "route", "show", "table", TABLES["lte"])
        lab.check("moved: a route to the first address", NOBODY in routes(), routes())
        bonded(lab, hg)
        lab.check("moved: the route to the first address is gone", NOBODY not in routes(), routes())
    for leg in SERVERS:
        seen = wires.answers(leg)
        lab.check(f"moved: {leg}: two answers", [each.addresses for each in seen] == [(NOBODY,), (HAAP,)], str(seen))
        lab.near(f"moved: {leg}: asked again when the TTL had ended, in s", seen[-1].time - seen[0].time, ttl, 5)
    asked = [to for _, to in wires.requests("lte", network.lte.hg_address)]
    change = asked.index(HAAP) if HAAP in asked else 0
    lab.check("moved: first the one, then only the other", change > 0 and set(asked[:change]) == {NOBODY}
              and set(asked[change:]) == {HAAP}, str(asked))


def several(lab, network, resolvers):
    """Of two addresses one is dead: requests take turns, whichever comes first."""
    for each in resolvers.values():
        each.answer(NAME, [NOBODY, HAAP])
    with gateway(lab, network, "several") as (hg, wires):
        status = bonded(lab, hg, seconds=10)
        lab.check("several: both are known", set(status["name"]["addresses"]) == {NOBODY, HAAP})
        route = namespaces.run("hg", "ip", "route", "show", "table", TABLES["lte"])
        lab.check("several: a route to each", NOBODY in route and HAAP in route, route)


def long(lab, network, resolvers):
    """An answer that does not fit a datagram comes over TCP, on the same wire."""
    for each in resolvers.values():
        each.answer(NAME, [f"10.9.1.{number}" for number in range(100, 140)])
    with gateway(lab, network, "long") as (hg, wires):
        status = hg.wait_for("has an answer", lambda status: status["name"]["addresses"])
        lab.check("long: as many as are used", len(status["name"]["addresses"]) == 8, str(status["name"]))
    for leg in SERVERS:
        truncated = any(each.is_truncated for each in names.messages(wires.files[leg]))
        lab.check(f"long: {leg}: truncated, then over TCP", truncated and names.over_tcp(wires.files[leg]) > 3)


def no_default_route(lab, network, resolvers):
    """The kernel has no default route on LTE, only the settings know the next hop; one server for both legs."""
    for each in resolvers.values():
        each.answer(NAME, [HAAP])
    default = f"default via {network.lte.gateway} dev lte metric 200".split()
    namespaces.run("hg", "ip", "route", "del", *default)
    both = {leg: [SHARED] for leg in SERVERS}
    with gateway(lab, network, "shared", both, lte={"gateway": network.lte.gateway}) as (hg, wires):
        bonded(lab, hg)
        route = namespaces.run("hg", "ip", "route", "show", "table", TABLES["lte"])
        lab.check("shared: a route to the server over LTE", f"{SHARED} via {network.lte.gateway}" in route, route)
    namespaces.run("hg", "ip", "route", "add", *default)
    route = namespaces.run("hg", "ip", "route", "show", "table", "all")
    lab.check("shared: no route is left at the end", SHARED not in route and HAAP not in route, route)
    sources = {leg.name: leg.hg_address for leg in network.legs}
    only(lab, "shared", wires, sources, {leg: SHARED for leg in SERVERS})


def ipv6(lab, network, resolvers):
    for each in resolvers.values():
        each.answer(NAME, [HAAP6])
    servers = {leg: [addresses[1]] for leg, addresses in SERVERS.items()}
    with gateway(lab, network, "ipv6", servers, family="ipv6") as (hg, wires):
        bonded(lab, hg)
    sources = {leg.name: leg.hg_address6 for leg in network.legs}
    only(lab, "ipv6", wires, sources, first(1), names.AAAA)


def system_servers(lab, network, resolvers):
    """Without a setting the host's servers are asked, over each leg. A stub on the host itself is left out."""
    for each in resolvers.values():
        each.answer(NAME, [HAAP])
    pathlib.Path("/etc/resolv.conf").touch()
    file = pathlib.Path("/etc/netns/hg/resolv.conf")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"nameserver 127.0.0.53\nnameserver {SHARED}\n")
    with gateway(lab, network, "system", {leg: [] for leg in SERVERS}) as (hg, wires):
        bonded(lab, hg)
    file.unlink()
    sources = {leg.name: leg.hg_address for leg in network.legs}
    only(lab, "system", wires, sources, {leg: SHARED for leg in SERVERS})
