"""Filter lists: fourteen types, both families, on the right wire; lists that change under traffic; own lists, pins (village)."""

import json
import socket
import struct
import time

from lab import namespaces, spillway
from lab.measure import control, flow, pinned
from lab.measure.capture import Capture
from lab.measure.frames import Probe, Sender, Wires
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import HAAP, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
NET, NET6, LAN, LAN6 = "203.0.113.", "2001:db8:5::", "192.168.2.", "2001:db8:a::"

# The operator's list: what to match, and for each family a flow that does and one that just does not.
LIST = [
    ({"fqdn": "video.example.net"}, ("destination", 60, 61)),
    ({"dscp": 46}, ("dscp", 46, 45)),
    ({"destination_port": "8000-8080"}, ("dport", 8080, 8081)),
    ({"destination_ip": NET + "16/28"}, 4, {"destination": NET + "31"}, {"destination": NET + "32"}),
    ({"destination_ip": NET6 + "10/124"}, 6, {"destination": NET6 + "1f"}, {"destination": NET6 + "20"}),
    ({"destination_ip_port": NET + "40:443"}, 4,
     {"destination": NET + "40", "dport": 443}, {"destination": NET + "40", "dport": 444}),
    ({"destination_ip_port": f"[{NET6}40]:443"}, 6,
     {"destination": NET6 + "40", "dport": 443}, {"destination": NET6 + "41", "dport": 443}),
    ({"source_port": 6000}, ("sport", 6000, 6001)),
    ({"source_ip": LAN + "64/30"}, 4, {"source": LAN + "67"}, {"source": LAN + "68"}),
    ({"source_ip": LAN6 + "64/126"}, 6, {"source": LAN6 + "67"}, {"source": LAN6 + "68"}),
    ({"source_ip_port": LAN + "70:5000"}, 4,
     {"source": LAN + "70", "sport": 5000}, {"source": LAN + "70", "sport": 5001}),
    ({"source_ip_port": f"[{LAN6}70]:5000"}, 6,
     {"source": LAN6 + "70", "sport": 5000}, {"source": LAN6 + "71", "sport": 5000}),
    ({"source_mac": "02:00:5e:10:00:01"}, ("mac", "02:00:5e:10:00:01", "02:00:5e:10:00:02")),
    ({"protocol": "etherip"}, ("protocol", 97, 98)),
    ({"protocol": "99"}, ("protocol", 99, 100)),
    ({"source_ip_range": f"{LAN}80-{LAN}90"}, 4, {"source": LAN + "90"}, {"source": LAN + "91"}),
    ({"source_ip_range": f"{LAN6}80-{LAN6}90"}, 6, {"source": LAN6 + "90"}, {"source": LAN6 + "91"}),
    ({"destination_ip_range": f"{NET}100-{NET}110"}, 4, {"destination": NET + "100"}, {"destination": NET + "99"}),
    ({"destination_ip_range": f"{NET6}100-{NET6}110"}, 6, {"destination": NET6 + "110"}, {"destination": NET6 + "111"}),
    ({"source_ip_range_port": f"{LAN}100-{LAN}110:5500-5510"}, 4,
     {"source": LAN + "110", "sport": 5510}, {"source": LAN + "110", "sport": 5511}),
    ({"source_ip_range_port": f"[{LAN6}100]-[{LAN6}110]:5500-5510"}, 6,
     {"source": LAN6 + "110", "sport": 5510}, {"source": LAN6 + "111", "sport": 5510}),
    ({"destination_ip_range_port": f"{NET}120-{NET}130:9000"}, 4,
     {"destination": NET + "130", "dport": 9000}, {"destination": NET + "131", "dport": 9000}),
    ({"destination_ip_range_port": f"[{NET6}120]-[{NET6}130]:9000"}, 6,
     {"destination": NET6 + "130", "dport": 9000}, {"destination": NET6 + "130", "dport": 9001}),
]
# What must not take the bond's own packets with it.
OWN = [{"protocol": "gre"}, {"destination_ip": HAAP}]
BYPASS = {4: "bypass 10.1.0.2", 6: "bypass 2001:db8:d::2"}
OPERATOR_ITEMS = [{"description": f"item {number}", **entry[0]} for number, entry in enumerate(LIST)] + [
    {"description": "own packets", **item} for item in OWN
]

prepare = spillway.prepare


def probes() -> list[tuple[Probe, bool, str]]:
    """Each with whether it matches, and the description of the item that it is about."""
    found = []

    def add(number, version, match, miss):
        name = f"{next(iter(LIST[number][0]))}, IPv{version}"
        found.append((Probe(name, version, **match), True, f"item {number}"))
        found.append((Probe(f"{name}, just not", version, **miss), False, f"item {number}"))

    for number, (_, first, *rest) in enumerate(LIST):
        if rest:
            add(number, first, *rest)
            continue
        key, match, miss = first
        for version in (4, 6):
            if key == "destination":
                net = NET if version == 4 else NET6
                add(number, version, {key: f"{net}{match}"}, {key: f"{net}{miss}"})
            else:
                # Protocols without ports are told apart by their addresses only.
                add(number, version, {key: match}, {key: miss})
    return found


def run(lab):
    with Topology.load("village") as network:
        value = settings("haap", network, filter_list=[{"name": "a", "item": OPERATOR_ITEMS}], defaults={"filter_list": "a"})
        own = {
            "bypass": [{"description": "own bypass", "destination_port": 7100}],
            "exception": [{"description": "own exception", "destination_ip_port": f"{NET}17:7200"},
                          {"description": "own exception", "destination_port": 7101}],
            "pin": [{"description": "voice", "leg": "dsl", "dscp": 40},
                    {"description": "voice", "leg": "dsl", "destination_port": 7400},
                    {"description": "backup", "leg": "lte", "destination_port": 7300}],
        }
        haap = Spillway(lab, "haap", value)
        hg = Spillway(lab, "hg", settings("hg", network, **own, colour={"overflow": "queue"}))
        said = [Capture("hg", leg, lab.out / f"hg-{leg}-control.pcap", snap=1600, filter="proto 47") for leg in ("dsl", "lte")]
        with haap, hg:
            listed(lab, hg)
            names()
            given = [each for file in said for each in control.saying(control.messages(file.stop()), control.FILTER_LIST)]
            sender = Sender("client", "c0", "hg", "lan")
            types(lab, hg, sender)
            downstream(lab, haap)
            own_lists(lab, hg, sender)
            answers(lab)
            pinned.under_load(lab, "hg", "client", "server", SERVER, "pins-queue", "queue")
            lost(lab, network, hg, sender)
            changes(lab, hg, given[0], sender)
            lab.check("the bond has lived through all this", hg.log().count("reason=bond-up") == 1)
        hg = Spillway(lab, "hg", settings("hg", network, **own, colour={"overflow": "police"}))
        with haap, hg:
            listed(lab, hg)
            pinned.under_load(lab, "hg", "client", "server", SERVER, "pins-police", "police")
            lost(lab, network, hg, sender)


def listed(lab, hg):
    hg.wait_for("bonded", is_bonded)
    status = hg.wait_for("the list is there", lambda status: status["policy"]["operator_items"] == len(OPERATOR_ITEMS))
    lab.check("nothing is skipped", status["policy"]["operator_skipped"] == [], str(status["policy"]))


def names():
    """Stands for a resolver: the addresses of the list's name."""
    for family, address in ((4, NET + "60"), (6, NET6 + "60")):
        namespaces.run("hg", "nft", "add", "element", "inet", "spillway_policy", f"operator_names{family}",
                       f'{{ {address} timeout 10m comment "video.example.net" }}')


def explained(answer: dict) -> str:
    """The wire that `explain` names, in the words of `Wires`."""
    if answer.get("way") == "bypass":
        return f"bypass {answer.get('source_becomes')}"
    return answer.get("bond", {}).get("leg", "nowhere")


def types(lab, hg, sender):
    """Each type: what `explain` says, and on the wire."""
    text = namespaces.run("hg", "nft", "list", "ruleset")
    (lab.out / "hg-ruleset.nft").write_text(text)
    namespaces.run("hg", "nft", "--check", "-f", lab.out / "hg-ruleset.nft")
    wires = Wires("hg", lab.out, "types")
    sent = probes()
    begun = time.monotonic()
    said = [hg.explain(*probe.words) for probe, _, _ in sent]
    lab.figure("explain_ms", (time.monotonic() - begun) * 1e3 / len(sent))
    sender.send(*[probe for probe, _, _ in sent])
    wires.stop()
    for (probe, matches, item), answer in zip(sent, said):
        found = wires.of(probe)
        lab.check(f"{probe.name}: {'past the bond' if matches else 'by the bond'}",
                  found == (BYPASS[probe.version] if matches else "dsl"), found)
        policy = answer.get("policy", {})
        told = [policy.get("by"), policy.get("list"), policy.get("item")]
        # The kernel knows an address of a name by the name.
        item = "video.example.net" if item == "item 0" else item
        wanted = ["list", "operator", item] if matches else ["no_item", None, None]
        lab.check(f"{probe.name}: explain agrees", explained(answer) == found and told == wanted,
                  f"{explained(answer)}, {told}")
    for probe, matches, _ in (sent[0], sent[1]):
        answer = hg.explain(*probe.words)
        basis, wanted = answer.get("policy", {}).get("by"), "connection" if matches else "connection_without_choice"
        lab.check(f"{probe.name}: explain knows that it runs", explained(answer) == wires.of(probe) and basis == wanted,
                  f"{basis}: {explained(answer)}")


def downstream(lab, haap):
    """At the aggregator: to a subscriber, and to nobody's."""
    answers = [haap.explain("udp", f"{SERVER}:40000", "192.168.2.10:40001"), haap.explain("udp", SERVER6, LAN6 + "10"),
               haap.explain("udp", SERVER, "192.168.99.1")]
    for answer in answers[:2]:
        bond = answer.get("bond", {})
        told = [answer.get("way"), bond.get("client"), bond.get("leg"), *[leg["leg"] for leg in bond.get("legs", [])]]
        wanted = ["bond", spillway.CIN, "dsl", "dsl", "lte"]
        lab.check("aggregator: explain names the bond and its legs", told == wanted, str(told))
    way = answers[2].get("way")
    lab.check("aggregator: explain knows what is no bond's", way in ("route", "none"), str(way))


def see(lab, hg, sender, name, cases) -> None:
    """Sends a packet for each case: on the wire that it is to take, which `explain` has named before."""
    wires = Wires("hg", lab.out, name)
    said = [hg.explain(*probe.words) for probe, _ in cases]
    sender.send(*[probe for probe, _ in cases])
    wires.stop()
    compare(lab, wires, cases, said)


def compare(lab, wires, cases, said) -> None:
    for (probe, wanted), answer in zip(cases, said):
        found = wires.of(probe)
        lab.check(probe.name, found == wanted, found)
        lab.check(f"{probe.name}: explain agrees", explained(answer) == found,
                  f"{explained(answer)}: {answer.get('summary')}")


def own_lists(lab, hg, sender):
    """The user's lists, and what wins over what."""
    cases = [
        (Probe("own bypass", dport=7100), BYPASS[4]),
        (Probe("own bypass, IPv6", 6, dport=7100), BYPASS[6]),
        (Probe("an exception wins over the operator's list", destination=NET + "17", dport=7200), "dsl"),
        (Probe("which holds beside it", destination=NET + "17", dport=7201), BYPASS[4]),
        (Probe("a pin to LTE", dport=7300), "lte"),
        (Probe("a pin wins over the operator's list", destination=NET + "18", dport=7300), "lte"),
        (Probe("a pin to LTE, IPv6", 6, dport=7300), "lte"),
        (Probe("a pin to DSL", dscp=40), "dsl"),
    ]
    see(lab, hg, sender, "own", cases)


def answers(lab):
    """What is asked past the bond is answered there."""
    for address, port in ((SERVER, 7100), (SERVER6, 7100)):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespaces.inside("server"):
            server = socket.socket(family, socket.SOCK_DGRAM)
            server.bind((address, port))
        with namespaces.inside("client"):
            client = socket.socket(family, socket.SOCK_DGRAM)
            client.settimeout(2)
        client.sendto(b"?", (address, port))
        server.settimeout(2)
        _, asked_from = server.recvfrom(100)
        server.sendto(b"!", asked_from)
        told = client.recvfrom(100)[1][0]
        lab.check(f"{address}: asked from DSL's address", asked_from[0] in BYPASS[6 if ":" in address else 4].split()[1])
        lab.check(f"{address}: the answer comes back", told == address, told)
        client.close()
        server.close()


def item(kind: int, value: str, description: str = "", enable: int = 1) -> bytes:
    """A filter item as on the wire: RFC 8157 §5.6.2."""
    text, said = value.encode(), description.encode()
    return struct.pack("!4H", kind, 4 + len(said) + len(text), enable, len(said)) + said + text


def give(first: control.Message, commit: int, items: list[bytes]):
    """The aggregator gives another list, in the name of its daemon: a Notify for each package."""
    packages, size = [[]], 8
    for each in items:
        if size + len(each) > 969:
            packages.append([])
            size = 8
        packages[-1].append(each)
        size += len(each)
    with namespaces.inside("haap"):
        out = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
        out.bind((HAAP, 0))
    for number, package in enumerate(packages, 1):
        value = struct.pack("!IHH", commit, len(packages), number) + b"".join(package)
        message = struct.pack("!HHI", 0x2000, 0xB7EA, first.key) + bytes([first.type << 4 | first.tunnel])
        message += struct.pack("!BH", control.FILTER_LIST, len(value)) + value
        out.sendto(message, (first.destination, 0))
        time.sleep(0.002)
    out.close()


def generation(host: str) -> int:
    """How many transactions the host's nftables rule set has seen, anybody's."""
    with namespaces.inside(host):
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
    netlink.send(struct.pack("=IHHII", 20, 10 << 8 | 16, 1, 1, 0) + bytes(4))  # NFT_MSG_GETGEN
    answer = netlink.recv(4096)
    netlink.close()
    return struct.unpack_from("!I", answer, 24)[0]  # NFTA_GEN_ID comes first


def changes(lab, hg, first, sender):
    """Another list while flows run: they keep their way, new ones take the new list's."""
    commit = struct.unpack_from("!I", first.value(control.FILTER_LIST))[0]
    wires = Wires("hg", lab.out, "changes")
    flows = {port: flow.UDP("client", "server", SERVER, 7, mbit=0.2, size=200, port=port) for port in (8001, 7500)}
    time.sleep(1)
    generations = [generation("hg")]
    give(first, commit + 1, [
        item(3, "7500", "new"), item(2, "64", "a bad one"), item(3, "7502", "switched off", 0), item(99, "?", "reserved"),
    ])
    status = hg.wait_for("the new list is there", lambda status: status["policy"]["operator_items"] == 1, seconds=5)
    generations.append(generation("hg"))
    skipped = status["policy"]["operator_skipped"]
    lab.check("bad items are named", skipped == ["a bad one: invalid_dscp", "reserved: reserved_type"], str(skipped))
    lab.check("and in the log", "a bad one" in hg.log() and "filter-item-skipped" in hg.log())
    cases = [
        # Not to where the running flows' receiver listens: it knows its own datagrams only.
        (Probe("new flow, new list", destination=NET + "3", dport=7500), BYPASS[4]),
        (Probe("new flow, no longer listed", destination=NET + "3", dport=8001), "dsl"),
        (Probe("an item that is switched off", dport=7502), "dsl"),
    ]
    said = [hg.explain(*probe.words) for probe, _ in cases]
    sender.send(*[probe for probe, _ in cases])
    # Ten thousand, while the same flows go on.
    many = [item(5, f"198.18.{n // 250}.{n % 250}:{1024 + n % 7}", f"pair {n}") for n in range(4000)]
    many += [item(4, f"198.19.{n // 250}.{n % 250}", f"host {n}") for n in range(3000)]
    many += [item(8, f"[2001:db8:77::{n:x}]:{2000 + n % 5}", f"source {n}") for n in range(2496)]
    many += [item(14, f"[2001:db8:77::{n:x}0]-[2001:db8:77::{n:x}9]:{2000 + n % 5}", f"range {n}") for n in range(500)]
    many += [item(4, NET + "200", "last"), item(3, "7500", "new"), item(2, "50", "dscp"), item(10, "99", "protocol")]
    begun = time.monotonic()
    give(first, commit + 2, many)
    hg.wait_for("ten thousand are there", lambda status: status["policy"]["operator_items"] == 10_000, seconds=120)
    lab.figure("ten_thousand_items_s", time.monotonic() - begun)
    generations.append(generation("hg"))
    more = [
        (Probe("one of ten thousand", destination=NET + "200"), BYPASS[4]),
        (Probe("none of ten thousand", destination=NET + "201"), "dsl"),
        (Probe("one of the pairs", destination="198.18.3.7", dport=1024 + 757 % 7), BYPASS[4]),
        (Probe("none of the pairs", destination="198.18.3.7", dport=1025 + 757 % 7), "dsl"),
    ]
    said += [hg.explain(*probe.words) for probe, _ in more]
    sender.send(*[probe for probe, _ in more])
    results = {port: each.result() for port, each in flows.items()}
    came = [after - before for before, after in zip(generations, generations[1:])]
    # The first one also ends the watch for the names of the list before, which is another table.
    lab.check("ten thousand items are one transaction", came[1] == 1, str(came))
    wires.stop()
    compare(lab, wires, cases + more, said)
    for port, way in ((8001, BYPASS[4]), (7500, "dsl")):
        result, where = results[port], wires.count(port)
        lab.check(f"running flow to port {port}: nothing lost", result.lost == 0, f"{result.lost} of {result.sent}")
        lab.check(f"running flow to port {port}: keeps its way", where.get(way, 0) >= result.sent, str(where))


def lost(lab, network, hg, sender):
    """DSL is lost: everything goes by what is left; and comes back."""
    running = flow.UDP("client", "server", SERVER, 4, mbit=0.2, size=200, port=7100)
    time.sleep(1)
    network.dsl.carrier(False)
    hg.wait_for("LTE alone", uses_only("lte"))
    cases = [
        (Probe("DSL lost: own bypass", destination=NET + "3", dport=7100), "lte"), (Probe("DSL lost: own bypass, IPv6", 6, dport=7100), "lte"),
        (Probe("DSL lost: a pin to DSL", dscp=40, sport=2), "lte"),
    ]
    see(lab, hg, sender, "lost", cases)
    result = running.result()
    lab.at_most("DSL lost: a flow beside the bond is away, ms", result.longest_gap_ms, 200)
    network.dsl.carrier(True)
    namespaces.run("hg", "ip", "-6", "route", "replace", "default", "via", "2001:db8:d::1", "dev", "dsl", "metric", "100")
    hg.wait_for("both again", is_bonded)
    hg.wait_for("open again", lambda status: status["policy"]["bypass_open"] == ["ipv4", "ipv6"])
    cases = [(Probe("DSL back: own bypass", destination=NET + "3", dport=7100, sport=3), BYPASS[4]), (Probe("DSL back: a pin", dscp=40, sport=3), "dsl")]
    see(lab, hg, sender, "back", cases)
