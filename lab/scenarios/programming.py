"""Programming the kernel for hundreds of bonds, against `ip -batch`, `tc -batch` and `nft -f` with the same objects."""

import json
import time

from lab.measure.tables import table
from lab.namespaces import run as command
from lab.scenarios import blast, many
from lab.spillway import Spillway, settings
from lab.topology import Topology

VIRTUAL_TIME = True
NEEDS = blast.NEEDS
BONDS = 300
COPY = "copy"
# A guard against getting worse, as the figures in docs/performance.md are better: the whole path of a set-up, both legs'
# requests and answers, their check and the record included, against nothing but the objects.
MOST = 4.0
WORDS = {
    "ip": "`ip -batch`: the device, up, and a route",
    "tc": "`tc -batch`: `clsact`, two filters, three actions",
    "nft": "`nft -f`: seven elements, all bonds in one transaction",
    "daemon": "the daemon: two requests and answers, their check, its record, and the objects, bond by bond",
}

prepare = blast.prepare


def run(lab):
    line = {"up_mbit": 1000, "down_mbit": 1000}
    with Topology.load("village", dsl=line, lte=line) as network:
        blast.lines(network)
        subscribers = [
            {"cin": f"gateway-{number}", "dsl_downstream": "50 Mbit/s", "address": f"100.64.{number >> 8}.{number & 255}"}
            for number in range(BONDS)
        ]
        value = settings("haap", network, subscriber=subscribers, log={"level": "notice"}, colour={"overflow": "police"},
                         session={"active_hello_interval": "10 s"})
        with Spillway(lab, "haap", value) as haap:
            haap.wait_for("answers", lambda status: status["summary"]["configured"] == BONDS)
            used = many.processor(haap)
            with many.gateways(lab, BONDS):
                haap.wait_for("all have both legs", lambda status: status["summary"]["both_legs"] == BONDS, every=1)
                ours = (many.processor(haap) - used) / BONDS
                objects = Objects()
        lab.figure("bonds", BONDS)
        lab.figure("set_up_ms", ours)
        others = {name: took * 1e3 / BONDS for name, took in objects.copied(lab).items()}
        for name, took in others.items():
            lab.figure(f"{name}_ms", took)
        rows = [[WORDS[name], f"{took:.2f}"] for name, took in (others | {"daemon": ours}).items()]
        lab.save_now("programming.md", table(["", "ms"], rows) + "\n")
        lab.at_most("a set-up, against the same objects by ip, tc and nft", ours / sum(others.values()), MOST)


class Objects:
    """What haap has for its bonds, as text for other programs."""

    def __init__(self):
        links = [each for each in json.loads(command("haap", "ip", "-d", "-j", "link", "show", "type", "gre"))
                 if each.get("ifalias", "").startswith("spillway bond of")]
        self.names = [each["ifname"] for each in links]
        mine = [each for each in json.loads(command("haap", "ip", "-j", "route")) if each["dst"].startswith("100.64.")]
        self.ip = [self.link(each) for each in links]
        self.ip += [f"route add {each['dst']} dev {each['dev']} proto {each['protocol']}" for each in mine]
        self.filters = self.count("haap")
        self.tc = [line for name in self.names for line in self.colouring(name)]
        listed = json.loads(command("haap", "nft", "-j", "list", "table", "ip", "spillway"))["nftables"]
        # Those that rules fill themselves are not programmed.
        self.sets = [each[kind] | {"kind": kind} for each in listed for kind in ("set", "map")
                     if each.get(kind, {}).get("elem") and "timeout" not in each[kind].get("flags", [])]
        self.nft = [f"add element ip {COPY} {each['name']} {{ {', '.join(map(self.element, each['elem']))} }}"
                    for each in self.sets]

    @staticmethod
    def link(each) -> str:
        data = each["linkinfo"]["info_data"]
        return (f"link add {each['ifname']} mtu {each['mtu']} up type gre local {data['local']} remote {data['remote']} "
                f"key {data['ikey']} seq ttl {data['ttl']}")

    def colouring(self, name) -> list[str]:
        police = "action police rate 50mbit burst 25000 mtu 65535 conform-exceed continue/pipe"
        return [f"qdisc add dev {name} clsact"] + [
            f"filter add dev {name} egress prio {place} protocol all matchall {first} action skbedit mark {place}/3"
            for place, first in ((1, police), (2, ""))
        ]

    def count(self, host) -> int:
        """Actions of one of the devices."""
        filters = json.loads(command(host, "tc", "-j", "filter", "show", "dev", self.names[0], "egress"))
        return sum(len(each["options"].get("actions", [])) for each in filters if "options" in each)

    @staticmethod
    def element(each) -> str:
        key, value = each if isinstance(each, list) else (each, None)
        if isinstance(key, dict) and "elem" in key:
            key = key["elem"]["val"]
        text = " . ".join(map(str, key["concat"])) if isinstance(key, dict) else str(key)
        return text if value is None else f"{text} : {value}"

    def copied(self, lab) -> dict[str, float]:
        """Seconds that each program takes for them, in a namespace that has none of it."""
        command(None, "ip", "netns", "add", COPY)
        try:
            took = {}
            for name, words, lines in (("ip", ("ip", "-batch", "-"), self.ip), ("tc", ("tc", "-batch", "-"), self.tc)):
                begun = time.monotonic()
                command(COPY, *words, text="\n".join(lines) + "\n")
                took[name] = time.monotonic() - begun
            self.empty()
            begun = time.monotonic()
            command(COPY, "nft", "-f", "-", text="\n".join(self.nft) + "\n")
            took["nft"] = time.monotonic() - begun
            links = json.loads(command(COPY, "ip", "-j", "link", "show", "type", "gre"))
            made = {each["ifname"] for each in links} & set(self.names)
            lab.check("as many devices", len(made) == BONDS == len(self.names), f"{len(made)}")
            lab.check("as many actions", self.count(COPY) == self.filters, f"{self.count(COPY)} of {self.filters}")
            elements = command(COPY, "nft", "-j", "list", "ruleset")
            there = sum(len(each.get(kind, {}).get("elem", [])) for each in json.loads(elements)["nftables"] for kind in ("set", "map"))
            wanted = sum(len(each["elem"]) for each in self.sets)
            lab.check("as many elements", there == wanted, f"{there} of {wanted}")
            lab.figure("elements_per_bond", there / BONDS)
            return took
        finally:
            command(None, "ip", "netns", "del", COPY)

    def empty(self) -> None:
        """The sets without anything in them."""
        lines = [f"add table ip {COPY}"]
        for each in self.sets:
            key = "ipv4_addr . mark" if isinstance(each["type"], list) else "ipv4_addr"
            value = " : ipv4_addr" if each["kind"] == "map" else ""
            lines.append(f"add {each['kind']} ip {COPY} {each['name']} {{ type {key}{value}; counter; }}")
        command(COPY, "nft", "-f", "-", text="\n".join(lines) + "\n")
