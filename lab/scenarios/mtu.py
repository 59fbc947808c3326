"""Full-size packets of both families pass on both legs; who sends larger ones is told; lines that change (village)."""

import json
import re
import socket
import struct
import threading

from lab import namespaces, spillway
from lab.measure import capture, flow
from lab.spillway import INNER, INNER6, Spillway, is_bonded, settings
from lab.topology import CLIENT, CLIENT6, HAAP, HAAP6, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
PPPOE = 1492
# Who is told by whom that a packet is too big, per sender and family.
ROUTERS = {("client", 4): "192.168.2.1", ("client", 6): "2001:db8:a::1",
           ("server", 4): "203.0.113.1", ("server", 6): "2001:db8:5::1"}
FRAGMENTS = "(ip and ip[6:2] & 0x3fff != 0) or (ip6 and ip6[6] == 44)"

prepare = spillway.prepare


def run(lab, ipv6=False):
    """`ipv6`: of the outer packets."""
    overhead = (40 if ipv6 else 20) + 12
    with Topology.load("village") as network:
        link_mtu(network.dsl, PPPOE)
        for name in ("ipv4.route", "ipv6.route"):
            # What a router has said is believed for so many seconds, instead of ten minutes.
            for host in ("hg", "haap"):
                namespaces.run(host, "sysctl", "-qw", f"net.{name}.mtu_expires=20")
        own = {"address": [HAAP6]} if ipv6 else {}
        with Spillway(lab, "haap", settings("haap", network, **own)), \
                Spillway(lab, "hg", settings("hg", network, ipv6)) as hg:
            hg.wait_for("bonded", is_bonded)
            wanted = PPPOE - overhead
            found = {host: device_mtu(host) for host in ("hg", "haap")}
            lab.check("MTU of the narrower leg at both ends", set(found.values()) == {wanted}, str(found))
            # Addresses that IPv6 has just given itself are of no use yet.
            passes = lambda: all(received(echo("client", each, 56, "dont")) for each in (SERVER, SERVER6))
            lab.wait("both families pass", passes)
            with Wires(lab, network, ipv6) as wires:
                for leg in ("dsl", "lte"):
                    full_size(lab, hg, leg, wanted)
                wires.check(PPPOE)
            segments(lab, wanted)
            link_changes(lab, network, overhead)
            hidden(lab, network, ipv6, overhead, hg)


def full_size(lab, hg, leg, mtu):
    """Echoes with and without DF, both families and both ways, all on one leg."""
    pinned = threading.Thread(target=spillway.command, args=("diag", hg, leg, "--seconds", 6))
    pinned.start()
    hg.wait_for(f"only {leg}", lambda status: status["bond"]["distribution"] == f"only {leg}")
    for host, family, target in (
        ("client", 4, SERVER), ("client", 6, SERVER6), ("server", 4, CLIENT), ("server", 6, CLIENT6),
    ):
        what = f"{leg}, IPv{family} of the {host}"
        payload = mtu - (28 if family == 4 else 48)
        lab.check(f"{what}: {mtu} bytes with DF", received(echo(host, target, payload, "do")) == 1)
        flush(host, family)
        said = echo(host, target, payload + 1, "do")
        words = re.search(r"From (\S+?):? icmp_seq=1 (?:Frag needed.*mtu = |Packet too big: mtu=)(\d+)", said)
        told = words.groups() if words else said.strip()[:300]
        lab.check(f"{what}: one byte more, told", told == (ROUTERS[host, family], str(mtu)), str(told))
        # IPv6 is fragmented by its sender, which has to be told first, and so has the one who answers.
        tries = 1 if family == 4 else 3
        lab.check(f"{what}: 3000 bytes without DF", received(echo(host, target, 3000, "dont", tries)) >= 1)
    pinned.join()


class Wires:
    """What arrives by the legs, at both ends, while this is entered."""

    def __init__(self, lab, network, ipv6):
        self.lab = lab
        places = [("hg", leg.name) for leg in network.legs] + [("haap", leg.haap_device) for leg in network.legs]
        protocol = "ip6 proto 47" if ipv6 else "proto 47"
        self.whole = [capture.Capture(host, device, lab.out / f"{device}.pcap", snap=64, filter=protocol)
                      for host, device in places]
        self.parts = [capture.Capture(host, device, lab.out / f"{device}-parts.pcap", snap=64, filter=FRAGMENTS)
                      for host, device in places]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for each in self.whole + self.parts:
            each.__exit__()

    def check(self, mtu):
        for each in self.whole:
            most = max((packet.length for packet in capture.packets(each.stop())), default=0)
            self.lab.check(f"{each.file.stem}: packets as large as its MTU", most == mtu, str(most))
        parts = sum(1 for each in self.parts for _ in capture.packets(each.stop()))
        self.lab.check("no outer packet is fragmented", parts == 0, str(parts))


def segments(lab, mtu):
    """What the ends of a TCP connection are told to send, forwarded and from the gateway itself, both ways."""
    for family, addresses in ((4, (CLIENT, SERVER, INNER)), (6, (CLIENT6, SERVER6, INNER6))):
        client, server, inner = addresses
        wires = {
            host: capture.Capture(host, device, lab.out / f"{host}-syn{family}.pcap", filter="tcp or ip6 proto 6")
            for host, device in (("client", "c0"), ("server", "s0"))
        }
        connect("client", "server", server)
        connect("server", "client", client)
        connect("hg", "server", server, inner)
        connect("server", "hg", inner)
        wanted = mtu - (40 if family == 4 else 60)
        files = {host: each.stop() for host, each in wires.items()}
        for host, mine, peers in (("server", server, {client: 2, inner: 2}), ("client", client, {server: 2})):
            found = {each: [] for each in peers}
            for packet in capture.packets(files[host]):
                size = maximum_segment(packet)
                for peer in peers:
                    if size is not None and packet.source == packed(peer):
                        found[peer].append(size)
            good = all(found[peer] == [wanted] * count for peer, count in peers.items())
            lab.check(f"TCP over IPv{family} tells the {host} {wanted}", good, str(found))


def link_changes(lab, network, overhead):
    """The DSL line gets another MTU while datagrams flow both ways."""
    flows = [flow.UDP("client", "server", SERVER, 4, mbit=2, size=1400, port=5301),
             flow.UDP("server", "client", CLIENT, 4, mbit=2, size=1400, port=5302)]
    lab.wait("datagrams flow", lambda: all(each.received > 100 for each in flows))
    link_mtu(network.dsl, 1400)
    for host in ("hg", "haap"):
        lab.wait(f"{host} fits its packets", lambda: device_mtu(host) == 1400 - overhead, seconds=5)
    for way, each in zip(("up", "down"), flows):
        result = each.result()
        lab.figure(f"lost_{way}", result.lost)
        lab.at_most(f"lost on the way {way} when the DSL line's MTU shrank", result.lost, 20)
    link_mtu(network.dsl, PPPOE)
    lab.wait("hg is back", lambda: device_mtu("hg") == PPPOE - overhead, seconds=5)
    lab.wait("haap is back", lambda: device_mtu("haap") == PPPOE - overhead, seconds=150, interval=5)


def hidden(lab, network, ipv6, overhead, hg):
    """A router in the middle of LTE takes less than both its ends: only its ICMP says so."""
    gateway, near = (("2001:db8:2::2", network.lte.hg_address6) if ipv6 else ("10.9.2.2", network.lte.hg_address))
    for route in (f"{HAAP6 if ipv6 else HAAP} via {gateway}", f"{near} dev {network.lte.near}"):
        namespaces.run("lte", "ip", "route", "replace", *route.split(), "mtu", "lock", "1380")
    pinned = threading.Thread(target=spillway.command, args=("diag", hg, "lte", "--seconds", 4))
    pinned.start()
    hg.wait_for("only lte", lambda status: status["bond"]["distribution"] == "only lte")
    for sender, target, host in (("client", SERVER, "hg"), ("server", CLIENT, "haap")):
        flush(sender, 4)
        echo(sender, target, 1372, "do")
        lab.wait(f"{host} learns of a narrow path", lambda: device_mtu(host) == 1380 - overhead, seconds=2)
        words = echo(sender, target, 1372, "do")
        lab.check(f"so does the {sender}", f"mtu = {1380 - overhead}" in words, words.strip()[:200])
    pinned.join()
    status = hg.status()["bond"]
    told = (status["mtu"], status["legs"]["lte"]["path_mtu"], status["legs"]["dsl"]["path_mtu"])
    lab.check("the status tells", told == (1380 - overhead, 1380, PPPOE), str(told))


# What this needs of hosts


def link_mtu(leg, mtu: int) -> None:
    """Both ends of an access line."""
    namespaces.run("hg", "ip", "link", "set", leg.name, "mtu", mtu)
    namespaces.run(leg.router, "ip", "link", "set", leg.near, "mtu", mtu)


def device_mtu(host: str) -> int:
    return json.loads(namespaces.run(host, "ip", "-j", "link", "show", "dev", "bond0"))[0]["mtu"]


def flush(host: str, family: int) -> None:
    """Forgets what this host was told of paths."""
    namespaces.run(host, "ip", f"-{family}", "route", "flush", "cache")


def echo(host: str, target: str, payload: int, fragments: str, count: int = 1) -> str:
    words = ["ping", "-n", "-c", count, "-i", 0.1, "-W", 1, "-M", fragments, "-s", payload, target]
    return namespaces.run(host, *words, check=False)


def received(said: str) -> int:
    found = re.search(r"(\d+) received", said)
    return int(found[1]) if found else 0


def packed(address: str) -> str:
    """An address as captures name it."""
    return socket.inet_pton(socket.AF_INET6, address).hex() if ":" in address else address


def connect(source: str, target: str, address: str, own: str | None = None) -> None:
    """One TCP connection, made and ended."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespaces.inside(target):
        listener = socket.create_server((address, 5200), family=family)
    with listener, namespaces.inside(source):
        with socket.create_connection((address, 5200), timeout=5, source_address=(own, 0) if own else None):
            listener.accept()[0].close()


def maximum_segment(packet) -> int | None:
    """The MSS option of a segment with SYN."""
    data = packet.data
    if packet.protocol != 6 or len(data) < 20 or not data[13] & 2:
        return None
    options = data[20 : (data[12] >> 4) * 4]
    while options and options[0]:
        if options[0] == 2:
            return struct.unpack_from("!H", options, 2)[0]
        options = options[1 if options[0] == 1 else max(2, options[1]) :]
    return None
