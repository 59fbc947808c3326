"""ESP on both legs with configured keys: nothing in the clear, no leg without its states (village)."""

import ipaddress
import json
import os
import signal
import socket
import subprocess
import time

from lab import namespaces, spillway
from lab.measure import capture, flow, ipsec, state
from lab.measure.ping import ping
from lab.scenario import REPOSITORY
from lab.scenarios.life import ip4
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, HAAP6, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
ESP, GRE = 50, 47
SECRET = "only for the lab, and known to all"
# SPI, number, initialization vector and ICV, and the two bytes behind the padding; both ciphers.
CIPHERS = {"aes-gcm": (8, 4), "aes-cbc": (16, 16)}
LINK_MTU = 1500

prepare = spillway.prepare


def run(lab):
    # As udev does where there is one: without it AES costs more than all the rest.
    namespaces.run(None, "modprobe", "-q", "aesni_intel", check=False)
    with Topology.load("village") as network:
        before = {host: state.settled(lab, host) for host in ("hg", "haap")}
        bond(lab, network, False, "aes-gcm", whole)
        for host in ("hg", "haap"):
            left = state.difference(before[host], state.settled(lab, host))
            lab.check(f"{host}: nothing is left after an orderly end", not left, "; ".join(left)[:1500])
        used_salt(lab)
        bond(lab, network, True, "aes-cbc", restarts)


def bond(lab, network, ipv6, cipher, then):
    keys = {"keys": "configured", "cipher": cipher, "secret": SECRET, "volume": "1 GB"}
    if cipher == "aes-gcm":
        keys["salt"] = "first"
    own = {"address": [HAAP6]} if ipv6 else {}
    # The legs' links take 1500 bytes, and so may the subscriber's paths.
    defaults = {"defaults": {"path_mtu": LINK_MTU}}
    name = "IPv6" if ipv6 else "IPv4"
    wires = {each: capture.Capture("hg", each, lab.out / f"{name}-{each}.pcap", snap=64) for each in ("dsl", "lte")}
    haap = Spillway(lab, "haap", settings("haap", network, **own, **defaults, ipsec=keys))
    hg = Spillway(lab, "hg", settings("hg", network, ipv6, ipsec=keys))
    with haap, hg:
        hg.wait_for("bonded", is_bonded)
        passes = lambda: all(ping("client", each, 1).received for each in (SERVER, SERVER6))
        lab.wait(f"{name}: both families pass", passes)
        full_size(lab, name, ipv6, cipher)
        then(lab, network, hg, haap)
    protocols = {each: wire(wires[each]) for each in wires}
    for leg, seen in protocols.items():
        clear = {number for _, number in seen if number == GRE}
        lab.check(f"{name}: no GRE in the clear on {leg}", not clear and len(seen) > 20, str(len(seen)))
        sources = {source for source, number in seen if number == ESP}
        lab.check(f"{name}: ESP both ways on {leg}", len(sources) == 2, str(sources))


def wire(running: capture.Capture) -> list[tuple[str, int]]:
    return [(packet.source, packet.protocol) for packet in capture.packets(running.stop())]


def full_size(lab, name, ipv6, cipher):
    """The device's MTU is what one ESP packet of the link holds, to the byte."""
    iv, block = CIPHERS[cipher]
    inside = (LINK_MTU - (40 if ipv6 else 20) - 8 - iv - 16) // block * block - 2
    wanted = inside - 12
    for host in ("hg", "haap"):
        text = namespaces.run(host, "cat", f"/sys/class/net/{spillway.DEVICE[host]}/mtu")
        lab.check(f"{name}: MTU at {host}", int(text) == wanted, f"{text.strip()}, expected {wanted}")
    lab.check(f"{name}: a packet of that size passes", ping("client", SERVER, 2, size=wanted - 28).received == 2)
    lab.figure(f"{name}_mtu", wanted)


def whole(lab, network, hg, haap):
    rate(lab, network)
    for daemon in (hg, haap):
        lab.save(f"status-{daemon.host}.json", daemon.status())
    clear(lab, network, haap)
    replayed(lab, network, haap)
    lost_and_back(lab, network, hg)
    flushed(lab, network, haap)


def rate(lab, network):
    for way in ("down", "up"):
        got = flow.tcp("client", "server", SERVER, 2, reverse=way == "down", omit=3)
        # 8 + 8 + 16 bytes of ESP, 2 behind the padding; the padding of full packets is none.
        limit = network.bond_limit_mbit(way, inner_mtu=LINK_MTU - 20 - 32 - 2 - 12, esp=34)
        lab.figure(f"{way}_mbit", got.mbit)
        lab.figure(f"{way}_share_of_limit", got.mbit / limit)
        lab.at_least(f"{way}: share of the limit", got.mbit / limit, 0.9)


def clear(lab, network, haap):
    """GRE with the right addresses and no protection is dropped and counted, data and control alike."""
    counted = haap.status()["ipsec"]["in_the_clear"]
    source = network.dsl.hg_address
    message = b"\x20\x00\xb7\xea" + bytes(4) + b"\x41" + b"\x05\x00\x08" + bytes(8)
    data = b"\x30\x00\x08\x00" + bytes(8) + bytes(40)
    errors = capture.Capture("dsl", "d1", lab.out / "clear.pcap", filter="icmp or proto 47")
    with namespaces.inside("dsl"), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as gun:
        for payload in (message, data) * 10:
            gun.sendto(ip4(source, HAAP, payload), (HAAP, 0))
    seen = [packet for packet in capture.packets(errors.stop()) if packet.source != source]
    lab.check("GRE in the clear is not answered", not seen, str(seen)[:300])
    more = haap.status()["ipsec"]["in_the_clear"] - counted
    # What has no bond's key was not for anybody, and is counted as such.
    lab.check("control messages in the clear are dropped and counted", more == 10, str(more))


def replayed(lab, network, haap):
    """What was sent once is not taken twice."""
    before = haap.status()["ipsec"]["replayed"]
    filter = f"src {network.dsl.hg_address} and esp"
    taken = capture.Capture("dsl", "d1", lab.out / "replayed.pcap", snap=2000, filter=filter)
    ping("client", SERVER, 3)
    packets = list(capture.packets(taken.stop()))[:3]
    with namespaces.inside("dsl"), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as gun:
        for packet in packets:
            content = bytearray(ip4(packet.source, packet.destination, packet.data))
            content[9] = ESP
            gun.sendto(bytes(content), (HAAP, 0))
    after = lab.wait("replays are counted", lambda: haap.status()["ipsec"]["replayed"] - before)
    lab.check("each replayed packet is refused", after == len(packets) == 3, f"{after} of {len(packets)}")
    lab.check("and told", "packets of legs were refused" in haap.log(), "")


def lost_and_back(lab, network, hg):
    """A leg without its state carries nothing, whoever took it away. It is put back, and no number comes twice."""
    leg = network.dsl
    (sent,) = [each for each in ipsec.states("hg") if each.source == leg.hg_address]
    number, written = ipsec.sent(sent), len(hg.log())
    os.kill(hg.process.pid, signal.SIGSTOP)
    ipsec.delete("hg", sent)
    lab.event("the state of DSL upstream is deleted, and the daemon stands still")
    wire = capture.Capture("hg", "dsl", lab.out / "without-state.pcap", snap=64, filter=f"src {leg.hg_address}")
    got = ping("client", SERVER, 3)
    packets = list(capture.packets(wire.stop()))
    lab.check("a leg without its state sends nothing", not packets and not got.received, f"{packets} {got}"[:300])
    os.kill(hg.process.pid, signal.SIGCONT)
    back(lab, hg, "the state of DSL upstream", lambda: [each.name for each in ipsec.states("hg")].count(sent.name) == 1)
    (now,) = [each for each in ipsec.states("hg") if each.name == sent.name]
    lab.check("no number comes twice", ipsec.sent(now) >= number, f"{number} then {ipsec.sent(now)}")
    told = hg.log()[written:]
    lab.check("the log says so", all(word in told for word in ("an IPsec state is gone", "kind=state")), told[-500:])
    lab.wait("both legs carry", lambda: is_bonded(hg.status()) and ping("client", SERVER, 5).received == 5)
    lab.check("nothing is missing then", hg.status()["ipsec"]["states_missing"] == 0)


def flushed(lab, network, haap):
    """All states of the aggregation point at once, and a policy: what it sends goes on beyond all that it has sent."""
    before = {each.spi: ipsec.sent(each) for each in ipsec.states("haap")}
    policies = namespaces.run("haap", "ip", "xfrm", "policy")
    time.sleep(1.5)
    namespaces.run("haap", "ip", "xfrm", "state", "flush")
    back(lab, haap, "all states", lambda: {each.spi for each in ipsec.states("haap")} == set(before))
    after = {each.spi: ipsec.sent(each) for each in ipsec.states("haap")}
    lab.check("no number comes twice", all(after[spi] > before[spi] for spi in before), f"{before} {after}")
    lab.check("both legs carry", ping("client", SERVER, 5).received == 5)
    time.sleep(1.5)
    words = ["src", "0.0.0.0/0", "dst", f"{HAAP}/32", "proto", "gre", "dir", "in"]
    namespaces.run("haap", "ip", "xfrm", "policy", "delete", *words)
    is_same = lambda: sorted(namespaces.run("haap", "ip", "xfrm", "policy").split("src ")) == sorted(policies.split("src "))
    back(lab, haap, "a policy", is_same)
    kinds = haap.status()["kernel"]["drift"]
    lab.check("and counted", kinds.get("state") == len(before) and kinds.get("policy") == 1, str(kinds))


def back(lab, daemon, what, is_back):
    begun = time.monotonic()
    while not is_back() and time.monotonic() - begun < 2:
        time.sleep(0.01)
    took = time.monotonic() - begun
    lab.check(f"{daemon.host}: {what}: put back within a second", took < 1, f"{took * 1000:.0f} ms")


def used_salt(lab):
    """AES-GCM does not start twice with the same keys."""
    words = ["ip", "netns", "exec", "hg", str(spillway.binary()), "run", "--config", str(lab.out / "hg.toml")]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    refused = done.returncode != 0 and "ipsec.salt" in done.stderr
    lab.check("a salt that was used is refused", refused, done.stderr[-300:])


def restarts(lab, network, hg, haap):
    """Either end alone goes on with the other's numbers: after an orderly end, and after `kill -9`."""
    for daemon in (hg, haap):
        before = numbers(daemon.host)
        session = hg.status()["bond"]["session_id"]
        daemon.stop()
        daemon.start()
        anew = lambda status: is_bonded(status) and status["bond"]["session_id"] != session
        hg.wait_for(f"bonded anew after {daemon.host} ended", anew, seconds=180)
        after = numbers(daemon.host)
        further = before and all(after[spi] > before[spi] for spi in before)
        lab.check(f"{daemon.host}: no number is used twice", further, f"{before} {after}")
        session = hg.status()["bond"]["session_id"]
        for what, forgets in (("goes on", False), ("begins anew", True)):
            before = numbers(daemon.host)
            daemon.kill()
            if forgets:
                daemon.forget()
            daemon.start()
            condition = anew if forgets else is_bonded
            hg.wait_for(f"bonded after {daemon.host} was killed and {what}", condition, seconds=180)
            after = numbers(daemon.host)
            lab.check(f"{daemon.host}: {what}, no number twice", all(after[spi] >= before[spi] for spi in before))
            lab.check(f"{daemon.host}: {what}, and carries", ping("client", SERVER, 3).received == 3)
            if not forgets:
                lab.check(f"{daemon.host}: the same session", hg.status()["bond"]["session_id"] == session)
                # The program that chooses legs is each run's own.
                others = [line for line in daemon.log().splitlines()
                          if "reason=differs" in line and "field=program" not in line]
                lab.check(f"{daemon.host}: states and policies are as they were", not others, "; ".join(others)[:500])


def numbers(host: str) -> dict[str, int]:
    """The number last sent, of the states that this host sends with."""
    found = {}
    for each in ipsec.states(host):
        own = {"hg": ("2001:db8:d::2", "2001:db8:e::2"), "haap": (HAAP6,)}[host]
        if ipaddress.ip_address(each.source) in map(ipaddress.ip_address, own):
            found[each.spi] = ipsec.sent(each)
    return found


def judge(folder):
    """What both daemons answered is as the schema has it."""
    import jsonschema

    schema = jsonschema.Draft202012Validator(json.loads((REPOSITORY / "docs/status.schema.json").read_text()))
    for file in sorted(folder.glob("status-*.json")):
        wrong = [f"{error.json_path}: {error.message}" for error in schema.iter_errors(json.loads(file.read_text()))]
        yield f"{file.stem} is as docs/status.schema.json has it", not wrong, "; ".join(wrong[:5])
