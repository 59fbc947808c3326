"""The deployed dialect: both daemons say what a deployed gateway and aggregation point said, byte for byte (village)."""

import ipaddress
import json
import struct

from lab import namespaces, spillway
from lab.measure import control
from lab.measure.capture import Capture
from lab.measure.ping import ping
from lab.scenario import REPOSITORY
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP6, SERVER, Topology

VIRTUAL_TIME = True
SESSION = REPOSITORY / "Tests/GREBondingTests/Vectors/deployed-session.json"
NEEDS = [spillway.binary(), SESSION]
KINDS = {1: "fqdn", 2: "dscp", 3: "destination_port", 4: "destination_ip", 5: "destination_ip_port", 6: "source_port",
         7: "source_ip", 8: "source_ip_port", 9: "source_mac", 10: "protocol", 11: "source_ip_range",
         12: "destination_ip_range", 13: "source_ip_range_port", 14: "destination_ip_range_port"}
# What differs from session to session: address of H, Session ID, Timestamp, key; rate beside the bond; list's number.
VARIES = {2, 4, 5, 6, 20}

ANYCAST = "2001:db8:f::53"

prepare = spillway.prepare


def run(lab):
    recorded = [Recorded(each) for each in json.loads(SESSION.read_text())["messages"]]
    hg_settings, haap_settings = learn(recorded)
    dsl = {"up_mbit": 28.787, "down_mbit": 69.122}
    with Topology.load("village", dsl=dsl) as network:
        # Gateways call G, which many aggregation points may share, and are told H.
        namespaces.run("haap", "ip", "address", "add", f"{ANYCAST}/128", "dev", "lo")
        for router, via in (("dsl", "2001:db8:1::2"), ("lte", "2001:db8:2::2")):
            namespaces.run(router, "ip", "route", "add", ANYCAST, "via", via)
        haap = Spillway(lab, "haap", settings("haap", network, address=[HAAP6], anycast=[ANYCAST], **haap_settings))
        hg = Spillway(lab, "hg", settings("hg", network, True, **hg_settings) | {"haap": ANYCAST})
        captures = {
            leg.name: Capture("hg", leg.name, lab.out / f"{leg.name}.pcap", snap=2000, filter="ip6 proto 47 and len < 1100")
            for leg in network.legs
        }
        with haap:
            # What the kernel has to load for it may take a second, and a request that waits comes twice.
            haap.wait_for("answers", lambda status: True)
            # The list goes over DSL if that is there, so DSL comes when LTE has said what it said in the recorded session.
            network.dsl.carrier(False)
            with hg:
                hg.wait_for("the filter list has come", lambda status: status["bond"].get("filter_items") == 14)
                network.dsl.carrier(True)
                hg.wait_for("bonded", is_bonded)
                ping("client", SERVER, 60)
                lab.wait("the bypass rate was told", lambda: told(captures["dsl"].file, control.BYPASS_RATE))
                prefix = haap.status()["bonds"][0].get("host_prefix", "")
                h = hg.status()["bond"]["aggregator"]
                lab.check("the bond ends at H", h == HAAP6, h)
                lab.check("the aggregator knows the LAN's prefix", prefix.startswith("2001:db8:536b:6f00::/56"), prefix)
        said = control.messages(captures["lte"].stop())
        asked = [each.destination for each in said if each.type == control.SETUP_REQUEST]
        others = [each.destination for each in said if each.source == packed(network.lte.hg_address6)
                  and each.type != control.SETUP_REQUEST]
        lab.check("G is asked first", asked[:1] == [packed(ANYCAST)], str(asked))
        lab.check("all else goes to H", set(others) == {packed(HAAP6)}, str(set(others)))
        heard = {"lte": said, "dsl": control.messages(captures["dsl"].stop())}
        for leg in network.legs:
            compare(lab, leg, heard[leg.name], [each for each in recorded if each.leg == leg.name])


class Recorded:
    """A message of the recorded session."""

    def __init__(self, entry: dict):
        self.name, self.leg = entry["name"], entry["leg"]
        self.up = entry["direction"] == "gateway-to-aggregator"
        self.type, self.tunnel = entry["messageType"], entry["tunnelType"]
        self.attributes = [(each["type"], bytes.fromhex(each["value"])) for each in entry["attributes"]]

    def value(self, kind: int) -> bytes:
        return next(value for each, value in self.attributes if each == kind)

    def number(self, kind: int) -> int:
        return int.from_bytes(self.value(kind))


def learn(recorded) -> tuple[dict, dict]:
    """Settings of both ends that make them say the same."""
    named = {each.name: each for each in recorded}
    lte, asked = named["lte-023-setup-accept"], named["dsl-014-setup-request"]
    granted, listed = named["dsl-015-setup-accept"], named["lte-040-notify"]

    def extra(message, *types):
        return [{"type": kind, "value": value.hex()} for kind, value in message.attributes if kind in types]

    cin = named["lte-022-setup-request"].value(3).rstrip(b"\0").decode()
    prefix = named["lte-033-notify"].value(21)
    address = ":".join(prefix[place : place + 2].hex() for place in range(0, 16, 2))
    hg = {
        "dialect": "deployed", "cin": cin,
        "dsl": {"downstream": f"{asked.number(7)} kbit/s", "setup_attributes": extra(asked, 53, 54)},
    }
    haap = {
        "dialect": "deployed",
        "session": {
            "rtt_difference_threshold": f"{lte.number(9)} ms", "bypass_check_interval": f"{lte.number(10)} s",
            "active_hello_interval": f"{lte.number(14)} s", "hello_retry_times": lte.number(15),
            "idle_timeout": f"{lte.number(16)} s", "rtt_violation": lte.number(24), "rtt_compliance": lte.number(25),
            "idle_hello_interval": f"{lte.number(31)} s", "no_traffic_monitored_interval": f"{lte.number(32)} s",
            "lte_attributes": extra(lte, 65), "dsl_attributes": extra(granted, 56, 57, 65),
        },
        "filter_list": [{"name": "recorded", "item": items(listed.value(8))}],
        "defaults": {"filter_list": "recorded"},
        "subscriber": [
            {
                "cin": cin, "address": spillway.INNER, "prefix": f"{address}/{prefix[16]}", "routes": [spillway.LAN], "dsl_upstream": f"{granted.number(22)} kbit/s",
                "dsl_downstream": f"{granted.number(23)} kbit/s",
            }
        ],
    }
    return hg, haap


def items(package: bytes) -> list[dict]:
    """The items of a filter list package (RFC 8157, 5.6.2) as settings."""
    found, at = [], 8
    while at < len(package):
        kind, length, enabled, described = struct.unpack_from("!HHHH", package, at)
        text = package[at + 8 : at + 8 + described].decode()
        value = package[at + 8 + described : at + 4 + length].decode()
        found.append({"description": text, "enabled": enabled == 1, KINDS[kind]: value})
        at += 4 + length
    return found


def told(file, kind: int) -> bool:
    """Whether a Notify of this type was said and acknowledged on this leg."""
    return len(control.saying(control.messages(file), kind)) > 1


def compare(lab, leg, said, recorded):
    """Each recorded message was said too, each end's in the same order."""
    for up, who in ((True, "gateway"), (False, "aggregator")):
        ours = [signature(each.type, each.tunnel, each.attributes) for each in said
                if (each.source not in (packed(HAAP6), packed(ANYCAST))) == up]
        theirs = [each for each in recorded if each.up == up]
        missing, order = [], []
        for each in theirs:
            if each.name in ("lte-340-notify", "lte-341-notify"):
                continue  # The LAN's next prefix, of a later day.
            wanted = signature(each.type, each.tunnel, [a for a in each.attributes if a[0] != 255])
            if wanted not in ours:
                missing.append(each.name)
                continue
            # When traffic wakes a bond, and when it is asked for a sign of life, is the traffic's and the clock's matter.
            if each.type != control.HELLO and each.attributes[0][0] != control.ACTIVE_STATE:
                order.append(ours.index(wanted))
        lab.check(f"{leg.name}: the {who} said all that the deployed one said", not missing, str(missing))
        if up:
            lab.check(f"{leg.name}: and in that order", order == sorted(order), str(order))


def signature(kind, tunnel, attributes) -> tuple:
    """A message without what differs from session to session."""
    parts = []
    for each, value in attributes:
        if each == 8:
            value = value[4:]
        if each == 30:
            value = value[4:]
        parts.append((each, len(value) if each in VARIES else value))
    return kind, tunnel, tuple(parts)


def packed(address: str) -> str:
    return ipaddress.ip_address(address).packed.hex()
