"""A DHCP server inside the bond says what it likes: it is counted, nothing wrong is taken, the bond stays (village)."""

import collections
import ipaddress
import json
import pathlib
import struct

from lab import namespaces, rogue, spillway
from lab.measure.ping import ping
from lab.rogue import ADVERTISE6, REPLY6, Rogue, answer4, answer6, option4, option6, prefix6
from lab.spillway import CIN, Spillway, is_bonded, settings
from lab.topology import HAAP, LAN, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
OFFER, ACK, NAK = 2, 5, 6
FLOOD = 200
FOREVER = 0xFFFF_FFFF
# Networks of the gateway's own, the aggregator, and the ends of bonds: what a lease may not be.
FORBIDDEN = {"192.168.2.9": "own_network", HAAP: "aggregator", "192.0.0.8": "canonical"}
FORBIDDEN6 = {
    "2001:db8:d::/48": "own_network", "fd53:7069:6c6c:7761::/64": "canonical", "2001:d00::/24": "wrong_size",
}
GOOD, GOOD6 = "100.72.0.9", "2001:db8:100::/56"
# More name servers than anybody needs, a domain that would be a line of its own, routes that take all, a tiny MTU.
GIANT = (
    option4(6, b"\xc0\0\x02\x35" * 60) + option4(15, b"a\nnameserver 192.0.2.66") + option4(26, b"\0\x44")
    + option4(121, (b"\x01\0" + b"\xc0\0\x02\x42" + b"\x01\x80" + b"\xc0\0\x02\x42") * 20) + option4(224, bytes(250))
)

prepare = spillway.prepare


def run(lab):
    rates = {"dsl_upstream": "8 Mbit/s", "dsl_downstream": "8 Mbit/s", "lte_downstream": "16 Mbit/s"}
    subscriber = [{"cin": CIN, "routes": [LAN], **rates}]
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network, subscriber=subscriber))
        hg = Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            haap.wait_for("has a bond", lambda status: status["bonds"])
            before = routes()
            with Rogue("haap", "bond0") as server:
                four, six = Script4(), Script6()
                server.answer4, server.answer6 = four.answer, six.answer
                bond = hg.wait_for("bonded, although nobody gave an address", is_bonded)["bond"]
                lab.wait("DHCPv4 has been told everything", lambda: four.is_over, 150, interval=1)
                lab.wait("DHCPv6 has been told everything", lambda: six.is_over, 150, interval=1)
                told = hg.wait_for("has what does no harm", lambda status: all(
                    status["addresses"][each]["state"] == "bound" for each in ("dhcp4", "dhcp6")), seconds=5)
                server.send4(answer4(four.last, NAK) for _ in range(FLOOD))
                unharmed(lab, hg, bond, before)
                counted(lab, told["addresses"], four, six)
                limited(lab, hg, told["addresses"])
                lab.check("each address that was refused was declined", server.heard.count("DECLINE") == len(FORBIDDEN),
                          str(collections.Counter(server.heard)))


class Script4:
    """What is said to each message of the client, in order, and how it has to be counted."""

    def __init__(self):
        self.counts = collections.Counter()
        self.last = b""
        self.is_over = False
        self._offers = ["", *FORBIDDEN, "refused", GOOD]

    def answer(self, kind, message):
        self.last = message
        if kind == "DISCOVER" and self._offers:
            offered = self._offers[0]
            if offered:
                return [answer4(message, OFFER, GOOD if offered == "refused" else offered)]
            self._offers.pop(0)
            return self._rubbish(message)
        if kind == "REQUEST" and self._offers:
            offered = self._offers.pop(0)
            if offered == "refused":
                # The first one is an answer, the others are to nothing.
                self.counts["unsolicited"] += FLOOD - 1
                return [answer4(message, NAK)] * FLOOD
            self.is_over = not self._offers
            return [*self._wrong(message, offered), answer4(message, ACK, offered, seconds=FOREVER, more=GIANT)]
        return []

    def _rubbish(self, message):
        """Nothing of it is an offer."""
        offer = answer4(message, OFFER, GOOD)
        malformed = [b"", b"\xff" * 40, offer[:239], offer[:236] + bytes(4) + offer[240:], offer[:-1] + b"\x06\xff\0"]
        strange = [
            answer4(message, OFFER, GOOD, xid=1), answer4(message, OFFER, GOOD, hardware=b"\2\0\0\0\0\x99"),
            answer4(message, ACK, GOOD), *[answer4(message, NAK)] * FLOOD,
        ]
        unusable = [
            answer4(message, OFFER, each)
            for each in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.1.1", "224.0.0.1", "240.0.0.1", "255.255.255.255")
        ] + [answer4(message, OFFER, GOOD, seconds=0)]
        types = [answer4(message, OFFER, GOOD, operation=1), answer4(message, 1, GOOD), answer4(message, 99, GOOD)]
        self.counts += collections.Counter(
            malformed=len(malformed), unsolicited=len(strange), unusable=len(unusable), unexpected_type=len(types),
            incomplete=1)
        return [*malformed, *strange, *unusable, *types, answer4(message, OFFER, GOOD, server=None)]

    def _wrong(self, message, offered):
        """No acknowledgements of what was asked for."""
        self.counts += collections.Counter(other_server=2, unusable=3, unsolicited=1)
        return [
            answer4(message, ACK, offered, server=SERVER), answer4(message, NAK, server=SERVER),
            answer4(message, ACK, "100.72.0.10"), answer4(message, ACK, offered, seconds=0),
            answer4(message, ACK, offered, seconds=None), answer4(message, ACK, offered, xid=1),
        ]


class Script6:
    """The same for prefixes."""

    def __init__(self):
        self.counts = collections.Counter()
        self.is_over = False
        self._left = ["", *FORBIDDEN6, GOOD6]

    def answer(self, kind, message):
        if kind != "SOLICIT" or not self._left:
            return []
        prefix = self._left.pop(0)
        if not prefix:
            return self._rubbish(message)
        self.is_over = not self._left
        many = [f"2001:db8:100:{number << 8:x}::/56" for number in range(12)] if prefix == GOOD6 else [prefix]
        servers = option6(23, bytes.fromhex("20010db8" + "00" * 11 + "35") * 40)
        prefixes = b"".join(prefix6(each, FOREVER, FOREVER) for each in many)
        return [answer6(message, REPLY6, prefixes, more=option6(14) + servers)]

    def _rubbish(self, message):
        good = prefix6(GOOD6)
        reply = answer6(message, REPLY6, good, more=option6(14))
        malformed = [b"", b"\xff" * 40, reply[:-1], reply + option6(7, b""), reply + option6(13, b"\0")]
        strange = [
            answer6(message, REPLY6, good), answer6(message, REPLY6, good, xid=1, more=option6(14)),
            answer6(message, REPLY6, good, client=b"\0\3\0\1\2\0\0\0\0\x99", more=option6(14)),
        ]
        unusable = [
            answer6(message, ADVERTISE6, prefix6(each))
            for each in ("::/0", "2000::/3", "ff00::/8", "fe80::/64", "2001:db8:100::/65", "::1/128")
        ] + [
            answer6(message, ADVERTISE6, prefix6(GOOD6, 2, 1)), answer6(message, ADVERTISE6, prefix6(GOOD6, 0, 0)),
            answer6(message, REPLY6, good, t1=9, t2=8, more=option6(14)),
            answer6(message, REPLY6, more=option6(14)),
        ]
        types = [answer6(message, kind, good) for kind in (1, 3, 10)]
        incomplete = [answer6(message, ADVERTISE6, None), answer6(message, ADVERTISE6, good, server=None)]
        none = [answer6(message, ADVERTISE6, good, more=option6(13, struct.pack("!H", 6)))]
        self.counts += collections.Counter(
            malformed=len(malformed), unsolicited=len(strange), unusable=len(unusable), unexpected_type=len(types),
            incomplete=len(incomplete), exhausted=len(none))
        return [*malformed, *strange, *unusable, *types, *incomplete, *none]


def routes() -> dict[str, list]:
    """What the gateway's own table has, and its devices without the bond's."""
    found = {}
    for family in (4, 6):
        listed = json.loads(namespaces.run("hg", "ip", "-j", f"-{family}", "route", "show", "table", "main") or "[]")
        found[f"routes{family}"] = [
            (each["dst"], each.get("gateway"), each["dev"]) for each in listed
            if each["dev"] in ("dsl", "lte", "lan") and not each["dst"].startswith("2001:db8:100:")
        ]
    return found


def addresses(device: str, family: int) -> list[str]:
    listed = json.loads(namespaces.run("hg", "ip", "-j", f"-{family}", "address", "show", "dev", device))
    return [f"{each['local']}/{each['prefixlen']}" for each in listed[0]["addr_info"] if each["scope"] == "global"]


def unharmed(lab, hg, bond, before):
    echo = ping("client", SERVER, 3)
    lab.check("the bond carries", echo.received == 3, f"{echo.received} of 3")
    now = hg.status()
    lab.check("the bond is the same, with both legs",
              is_bonded(now) and now["bond"]["session_id"] == bond["session_id"], str(now["bond"].get("session_id")))
    lab.check("the legs were not lost meanwhile", all(
        now["bond"]["legs"][leg]["since_s"] >= bond["legs"][leg]["since_s"] for leg in ("dsl", "lte")))
    lab.check("the bond's device has the good address only", addresses("bond0", 4) == [GOOD + "/32"],
              str(addresses("bond0", 4)))
    # Of more prefixes than anybody needs eight are taken.
    wanted = {f"{ipaddress.ip_address(f'2001:db8:100:{number << 8:x}::1')}/64" for number in range(8)}
    lab.check("the LAN has addresses of the good prefixes only", set(addresses("lan", 6)) == wanted,
              str(addresses("lan", 6)))
    lab.check("the gateway's own routes are as before", routes() == before, str(routes()))
    mtu = json.loads(namespaces.run("hg", "ip", "-j", "link", "show", "bond0"))[0]["mtu"]
    lab.check("the MTU is not the server's", mtu >= 1280, str(mtu))
    text = pathlib.Path("/run/spillway/resolv.conf").read_text()
    lab.check("few name servers, and no line of the server's making",
              len(text.splitlines()) <= 17 and "192.0.2.66" not in text, repr(text))
    told = now["addresses"]
    lab.check("a lease for ever is one", told["dhcp4"]["expires_in_s"] == FOREVER == told["dhcp6"]["expires_in_s"])


def counted(lab, told, four, six):
    """Each message that was not acted on, by its reason."""
    wanted = four.counts + six.counts
    lab.check("all is counted by reason", told["discarded"] == dict(sorted(wanted.items())),
              f"{told['discarded']}, expected {dict(wanted)}")
    refused = collections.Counter([*FORBIDDEN.values(), *FORBIDDEN6.values()])
    lab.check("what was refused is counted by reason", told["refused"] == dict(refused), str(told["refused"]))


def limited(lab, hg, told):
    lines = hg.log().count("reason=dhcp-discarded")
    lab.check("the log has few lines of it", 0 < lines < sum(told["discarded"].values()) / 4, str(lines))
