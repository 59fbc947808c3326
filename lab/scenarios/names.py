"""Names in filter lists: addresses from answers that pass and by asking, flows on the right wire (village)."""

import json
import signal
import socket
import time

from lab import namespaces, spillway
from lab.measure import names
from lab.measure.frames import Probe, Sender, Wires
from lab.resolver import PROGRAM, Resolver
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), PROGRAM]
WWW, CDN, NEXT, OTHER, OLD, NEW, FILM = (f"203.0.113.{number}" for number in range(10, 17))
EVIL = "198.51.100.99"
WWW6 = "2001:db8:5::10"
# Where nobody but this scenario answers.
FORGER = "203.0.113.66"
LAN_SIDE = "192.168.2.1"
TTL, GRACE = 20, 10
BYPASS, BYPASS6 = "bypass 10.1.0.2", "bypass 2001:db8:d::2"
# The aggregation point's list; and in the gateway's own every name below film.example.net.
LISTED = ("www.example.net", "cdn.example.com", "cached.example.net", "own.example.net", "inside.example.net")

prepare = spillway.prepare


def records(cdn: str, cached: str) -> list[str]:
    return [
        f"--host-record=www.example.net,{WWW},{WWW6},{TTL}",
        # A name that is not in the list, but an alias of one that is, by way of a third.
        f"--cname=shop.example.org,edge.example.org,{TTL}",
        f"--cname=edge.example.org,cdn.example.com,{TTL}",
        f"--host-record=cdn.example.com,{cdn},{TTL}",
        f"--host-record=cached.example.net,{cached},{TTL}",
        f"--host-record=other.example.net,{OTHER},{TTL}",
        f"--host-record=own.example.net,192.168.2.77,{TTL}",
        f"--host-record=inside.example.net,10.77.0.1,{TTL}",
        # Any name below.
        f"--address=/film.example.net/{FILM}",
    ]


def run(lab):
    with Topology.load("village") as network:
        namespaces.run("server", "ip", "address", "add", f"{FORGER}/32", "dev", "lo")
        server = Resolver(lab, "server", SERVER, SERVER6, present=True)
        server.serve(*records(CDN, OLD))
        # What the resolver of the gateway knows before anybody watches.
        local = Resolver(lab, "hg", LAN_SIDE, present=True)
        local.serve(f"--server={SERVER}")
        at_gateway = names.Client("client", LAN_SIDE)
        lab.check("the gateway's resolver answers", at_gateway.ask("cached.example.net") == [OLD], required=True)
        server.serve(*records(CDN, NEW))
        items = [{"description": name, "fqdn": name} for name in LISTED]
        lists = {"filter_list": [{"name": "beside", "item": items}], "defaults": {"filter_list": "beside"}}
        learn = {"servers": [SERVER], "ttl_floor": 0, "grace": GRACE}
        haap = Spillway(lab, "haap", settings("haap", network, **lists))
        own = [{"description": "films", "fqdn": "*.film.example.net"}]
        hg = Spillway(lab, "hg", settings("hg", network, names=learn, bypass=own))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            itself(lab, hg)
            begun = time.monotonic()
            through = names.Client("client", SERVER)
            sender = Sender("client", "c0", "hg", "lan")
            wires = Wires("hg", lab.out, "flows")
            running = Probe("a flow that runs", destination=CDN, sport=7000)
            sender.send(running)
            expected = [(running, BYPASS)]
            expected += passing(lab, hg, server, through, sender)
            expected += from_cache(lab, at_gateway, sender)
            forged(lab)
            expected += expired(lab, begun, sender)
            wires.stop()
            for probe, way in expected:
                lab.check(f"{probe.name}: {way}", wires.of(probe) == way, wires.of(probe))
            killed(lab, hg, through)
        local.stop()
        server.stop()


def held(family: int = 4, use: str = "operator") -> dict[str, str]:
    """Addresses in the kernel's set for a list, with the names they are known by."""
    command = ["nft", "-j", "list", "set", "inet", "spillway_policy", f"{use}_names{family}"]
    listed = json.loads(namespaces.run("hg", *command))
    elements = next(each["set"] for each in listed["nftables"] if "set" in each).get("elem", [])
    return {each["elem"]["val"]: each["elem"].get("comment", "") for each in elements}


def itself(lab, hg):
    """Nobody has asked, and the addresses are there: of both families, and without what must not be."""
    status = hg.wait_for("all names were asked for", lambda status: status["names"]["lookups"]["asked"] == len(LISTED)
                         and set(status["names"]["refused"]) == {"own_network", "private_network"})
    known = held()
    wanted = {WWW: "www.example.net", CDN: "cdn.example.com", NEW: "cached.example.net"}
    lab.check("without any client: IPv4", known == wanted, str(known))
    lab.check("without any client: IPv6", held(6) == {WWW6: "www.example.net"}, str(held(6)))
    counted = {each["name"]: each["addresses"] for each in status["names"]["names"]}
    expected = {"www.example.net": 2, "cdn.example.com": 1, "cached.example.net": 1}
    none = dict.fromkeys((*LISTED, "*.film.example.net"), 0)
    lab.check("status", counted == none | expected and status["names"]["answers"]["read"] == 0,
              json.dumps(status["names"]))


def passing(lab, hg, server, client, sender):
    """A name gets another address. Who asks through the gateway gets the answer when the kernel knows the address."""
    server.serve(*records(NEXT, NEW))
    first, other = Probe("the first packet to a new address", destination=NEXT), Probe("a neighbour", destination=OTHER)
    film, six = Probe("a name of a wildcard", destination=FILM), Probe("by IPv6", 6, destination=WWW6)
    before = Probe("an address before its name is asked for", destination=FILM, dport=40001)
    sender.send(before)
    lab.check("another name: its answer passes", client.ask("other.example.net") == [OTHER])
    hg.process.send_signal(signal.SIGSTOP)
    client.send("shop.example.org")
    lab.check("the answer waits for the daemon", client.receive(2) is None)
    lab.check("not known yet", NEXT not in held(), str(held()))
    hg.process.send_signal(signal.SIGCONT)
    answer = client.receive()
    sender.send(first, other)
    lab.check("then it comes", answer == [NEXT], str(answer))
    known = held()
    lab.check("by way of two aliases", known.get(NEXT) == "cdn.example.com (shop.example.org)", str(known))
    lab.check("the address before is still there", CDN in known)
    lab.check("another name's is not", OTHER not in known)
    lab.check("a name in capitals, by IPv6", client.ask("WWW.Example.NET", names.AAAA) == [WWW6])
    lab.check("a name below a wildcard", client.ask("a.b.film.example.net") == [FILM])
    sender.send(film, six)
    known = held(use="bypass")
    lab.check("is known for the gateway's own list", known == {FILM: "*.film.example.net (a.b.film.example.net)"},
              str(known))
    return [(first, BYPASS), (other, "dsl"), (before, "dsl"), (film, BYPASS), (six, BYPASS6)]


def from_cache(lab, client, sender):
    """The resolver on the gateway has had an address since before the daemon came, and only it has."""
    lab.check("not known yet", OLD not in held())
    lab.check("from the cache of the gateway", client.ask("cached.example.net") == [OLD])
    probe = Probe("an address out of the gateway's cache", destination=OLD)
    sender.send(probe)
    known = held()
    lab.check("known at once", known.get(OLD) == "cached.example.net", str(known))
    return [(probe, BYPASS)]


def forged(lab):
    """Answers that nobody asked for, or with a wrong ID, open nothing; they pass."""
    with namespaces.inside("server"):
        forger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        forger.bind((FORGER, 53))
    # Where a port is open for all, whoever sends there is heard.
    with namespaces.inside("client"):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((CLIENT, 0))
        listener.settimeout(5)
    client = names.Client("client", FORGER)
    number = client.send("www.example.net")
    forger.sendto(names.answer("www.example.net", EVIL, number), listener.getsockname())
    lab.check("nobody asked: it passes", len(listener.recv(4096)) > 20)
    forger.sendto(names.answer("www.example.net", EVIL, number + 1), (CLIENT, client.port))
    lab.check("a wrong ID: it passes", client.receive() == [EVIL])
    lab.check("nothing of it is known", EVIL not in held(), str(held()))
    forger.sendto(names.answer("www.example.net", EVIL, number, TTL), (CLIENT, client.port))
    lab.check("the right one passes", client.receive() == [EVIL])
    lab.check("and is known", held().get(EVIL) == "www.example.net", str(held()))
    for each in (forger, listener, client):
        each.close()


def expired(lab, begun, sender):
    """When TTL and grace are over nothing is left but what the daemon has asked for again. What runs stays."""
    end = begun + TTL + GRACE + 3
    while (left := end - time.monotonic()) > 0:
        # Connection tracking forgets a flow of one direction after 30 s.
        sender.send(Probe("keeps it alive", destination=CDN, sport=7000))
        time.sleep(min(left, 20))
    known = held()
    lab.check("renumbered, and over", set(known) == {WWW, NEXT, NEW}, str(known))
    later, anew = (Probe(what, destination=CDN, sport=port) for what, port in (
        ("the flow that runs, when its address is no longer the name's", 7000), ("a new flow to it", 7001)))
    sender.send(later, anew)
    return [(later, BYPASS), (anew, "dsl")]


def killed(lab, hg, client):
    """Without a daemon answers pass unread."""
    hg.kill()
    lab.check("without a daemon names are resolved", client.ask("shop.example.org") == [NEXT])
    hg.start()
    hg.wait_for("bonded again", is_bonded)
