"""ESP on both legs keyed by strongSwan, IPv4 by a secret, IPv6 by certificates: all protected, no renewal loses (village)."""

import ipaddress
import json
import socket
import struct

from lab import namespaces, spillway, strongswan
from lab.measure import capture, flow, ipsec, state
from lab.measure.frames import Probe, ip_packet
from lab.measure.ping import ping
from lab.scenarios.ipsec import ESP, GRE
from lab.spillway import CIN, Spillway, is_bonded, settings, uses_only
from lab.strongswan import Authority, StrongSwan
from lab.topology import CLIENT, HAAP, HAAP6, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [
    spillway.binary(), strongswan.CHARON, strongswan.SWANCTL, strongswan.OPENSSL,
    *(strongswan.PLUGINS / f"libstrongswan-{name}.so" for name in strongswan.LOADED.split()),
]
UDP, IKE = 17, 500
# Of what is sent in the clear: how many of each kind, the number of the first, and where they would come out.
COPIES, FAR, PORT = 10, 0x7FFF_FF00, 5999
# Echoes, neighbours and multicast listeners (in hop-by-hop options) are not the bond's.
OTHERS = {socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6, socket.IPPROTO_HOPOPTS}
# Without a search for LTE's rate, so that whatever is lost is lost for the keys.
POLICE = {"overflow": "police"}

prepare = spillway.prepare


def run(lab):
    namespaces.run(None, "modprobe", "-q", "aesni_intel", check=False)
    with Topology.load("village") as network:
        before = {host: state.settled(lab, host) for host in ("hg", "haap")}
        secret = {"keys": "ike", "secret": "for the lab"}
        bond(lab, network, "IPv4 by secret", False, {"hg": secret, "haap": secret}, None)
        authority = Authority(lab.out / "authority")
        names = {"hg": CIN, "haap": HAAP6}
        keys = {host: {"keys": "ike", "certificate": authority.issue(host, name)} for host, name in names.items()}
        bond(lab, network, "IPv6 by certificates", True, keys, authority)
        for host in ("hg", "haap"):
            # Charon has taken its states along; the kernel forgets by itself what it asked for.
            lab.wait(f"{host}: no states", lambda: not namespaces.run(host, "ip", "xfrm", "state"), seconds=200)
            left = state.difference(before[host], state.settled(lab, host))
            lab.check(f"{host}: nothing is left after an orderly end", not left, "; ".join(left)[:1500])


def bond(lab, network, name, ipv6, keys, authority):
    own = {"address": [HAAP6]} if ipv6 else {}
    haap = Spillway(lab, "haap", settings("haap", network, **own, ipsec=keys["haap"], colour=POLICE))
    hg = Spillway(lab, "hg", settings("hg", network, ipv6, ipsec=keys["hg"], colour=POLICE))
    wires = {each: capture.Capture("hg", each, lab.out / f"{name[:4]}-{each}.pcap", snap=128) for each in ("dsl", "lte")}
    with haap, hg:
        # Without keys there is nothing: not even a Setup Request.
        lab.wait("the policies are there", lambda: "proto gre" in namespaces.run("hg", "ip", "xfrm", "policy"))
        asked = lambda status: any(each["event"] == "setup-requested" for each in status["events"])
        hg.wait_for("asks for a leg", asked)
        reached = ping("hg", HAAP6 if ipv6 else HAAP, 3).received
        lab.check(f"{name}: without keys no leg is up", reached == 3 and uses_none(hg.status()))
        with StrongSwan(lab, haap, authority) as server, StrongSwan(lab, hg, authority) as client:
            hg.wait_for("bonded", is_bonded)
            lab.wait("the bond carries", lambda: ping("client", SERVER, 1).received)
            text = (client.folder / "swanctl.conf").read_text()
            lab.check(f"{name}: so it is written", ("pubkey" in text) == ipv6 and ("secret" in text) != ipv6)
            ends = {"hg": (hg, client), "haap": (haap, server)}
            for host in ends if not ipv6 else ["hg"]:
                renewed(lab, f"{name}: {host}", *ends[host], ends)
            forged = unprotected(lab, network, name, ipv6, hg, haap)
            ended(lab, network, name, ipv6, hg, client)
        hg.wait_for("without charon no leg is up", uses_none, seconds=60)
    for leg, running in wires.items():
        seen = kinds(each for each in capture.packets(running.stop()) if each.data not in forged)
        wrong = {each: count for each, count in seen.items() if each not in {"ESP", "IKE", "others"}}
        lab.check(f"{name}: nothing but ESP and IKE on {leg}", not wrong and seen.get("ESP", 0) > 100, str(seen))


def kinds(packets) -> dict[str, int]:
    counts: dict[str, int] = {}
    for packet in packets:
        ports = struct.unpack("!HH", packet.data[:4]) if packet.protocol == UDP and len(packet.data) >= 4 else ()
        kind = f"protocol {packet.protocol}"
        if packet.protocol == ESP:
            kind = "ESP"
        elif IKE in ports:
            kind = "IKE"
        elif packet.protocol in OTHERS:
            kind = "others"
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def uses_none(status: dict) -> bool:
    bond = status["bond"]
    return bond is None or all(leg["state"] != "up" for leg in bond["legs"].values())


def spis() -> set[str]:
    return {each.spi for each in ipsec.states("hg")}


def renewed(lab, name, daemon, asking, ends):
    """New keys for both legs while packets flow: none of them is lost for it, whichever end asks for them."""
    before = spis()
    lab.check(f"{name}: two states a leg", len(before) == 4, str(before))
    errors = {host: end.status()["ipsec"]["errors"] for host, (end, _) in ends.items()}
    early = daemon.status()["ipsec"]["early"]
    # More than DSL carries, less than both.
    ways = [flow.UDP("client", "server", SERVER, 4, mbit=12), flow.UDP("server", "client", CLIENT, 4, mbit=12)]
    for child in ("dsl", "lte") if daemon.host == "hg" else ("ipv4",):
        asking.command("--rekey", "--child", f"spillway-{child}")
    for way, one in zip(("up", "down"), ways):
        got = one.result()
        lab.check(f"{name} renews, {way}: nothing is lost", got.lost == 0, f"{got.lost} of {got.sent}")
        lab.figure(f"{name} renews, {way}: longest gap, ms", got.longest_gap_ms)
    lab.wait("new keys, and the old ones gone", lambda: len(spis()) == 4 and not spis() & before)
    for host, (end, _) in ends.items():
        now = end.status()["ipsec"]["errors"]
        more = {each: count for each, count in now.items() if errors[host].get(each) != count}
        lab.check(f"{name} renews: nothing is refused at {host}", not more, str(more))
    # As many came before their keys; without a queue for them they are what is lost.
    lab.figure(f"{name} renews: packets before their keys", daemon.status()["ipsec"]["early"] - early)


def unprotected(lab, network, name, ipv6, hg, haap) -> set[bytes]:
    """GRE with the right addresses and the bond's key, and no protection, is dropped and counted by both ends; what is
    in it does not come out of the tunnel. Returns what was sent behind the IP headers."""
    link = json.loads(namespaces.run("haap", "ip", "-d", "-j", "link", "show", spillway.DEVICE["haap"]))[0]
    key = socket.inet_aton(link["linkinfo"]["info_data"]["ikey"])
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    ends = (("2001:db8:d::2", HAAP6) if ipv6 else (network.dsl.hg_address, HAAP))
    hello = b"\x20\x00\xb7\xea" + key + b"\x41" + b"\x05\x00\x08" + bytes(8)
    sent = {hello}
    ways = (
        (haap, ends, (CLIENT, SERVER), ("server", "s0")), (hg, ends[::-1], (SERVER, CLIENT), ("client", "c0")),
    )
    for daemon, (source, destination), (inner, to), (behind, device) in ways:
        counted = daemon.status()["ipsec"]["in_the_clear"]
        probe = ip_packet(Probe("in the clear", source=inner, destination=to, dport=PORT))
        # Each with a number beyond all before it, so that none is dropped for its order.
        data = [b"\x30\x00\x08\x00" + key + struct.pack("!I", FAR + number) + probe for number in range(COPIES)]
        sent.update(data)
        out = capture.Capture(behind, device, lab.out / f"{name[:4]}-{behind}-out.pcap", filter=f"udp port {PORT}")
        with namespaces.inside("dsl"), socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as gun:
            for each in data:
                for payload in (hello, each):
                    gun.sendto(packet(source, destination, payload), (destination, 0))
        came = len(list(capture.packets(out.stop())))
        lab.check(f"{name}: GRE in the clear is not accepted at {daemon.host}", came == 0, f"{came} of {COPIES}")
        expected = lambda: daemon.status()["ipsec"]["in_the_clear"] - counted == 2 * COPIES
        lab.wait(f"{name}: and is counted at {daemon.host}", expected)
    lab.check(f"{name}: the bond carries on", is_bonded(hg.status()) and ping("client", SERVER, 2).received == 2)
    return sent


def packet(source: str, destination: str, payload: bytes) -> bytes:
    """GRE behind an IP header; the kernel fills in IPv4's check sum."""
    if ":" in source:
        header = struct.pack("!IHBB", 6 << 28, len(payload), GRE, 64)
    else:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, GRE, 0)
    return header + ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed + payload


def ended(lab, network, name, ipv6, hg, client):
    """A leg whose keys are taken back carries nothing until it has new ones."""
    client.command("--terminate", "--ike", "spillway-dsl")
    file = lab.out / f"{name[:4]}-without-keys.pcap"
    wire = capture.Capture("hg", "dsl", file, snap=64, filter="ip proto 47 or ip6 proto 47 or esp")
    hg.wait_for("uses only lte", uses_only("lte"))
    lab.check(f"{name}: the other leg carries on", ping("client", SERVER, 5).received == 5)
    own = ipaddress.ip_address("2001:db8:d::2").packed.hex() if ipv6 else network.dsl.hg_address
    packets = [each for each in capture.packets(wire.stop()) if each.source == own]
    lab.check(f"{name}: a leg without keys carries nothing", not packets, str(packets)[:300])
    client.command("--initiate", "--child", "spillway-dsl")
    hg.wait_for("bonded again", is_bonded, seconds=120)
