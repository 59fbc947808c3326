"""A daemon's life: legs one by one, garbage from the wire, kill -9 under load, and an end that leaves nothing (village)."""

import random
import socket
import struct
import time

from lab import namespaces, spillway
from lab.measure import flow, state
from lab.measure.ping import ping
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
GARBAGE = 4_000

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        before = {host: state.settled(lab, host) for host in ("hg", "haap")}
        # Hellos as an operator has them: a daemon that is killed is missed by its peer after 40 s.
        haap = Spillway(lab, "haap", settings("haap", network, session={"active_hello_interval": "10 s"}))
        hg = Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            readable(lab)
            one_leg(lab, network, hg)
            garbage(lab, network, hg, haap)
        for host in ("hg", "haap"):
            left = state.difference(before[host], state.settled(lab, host))
            lab.check(f"{host}: nothing is left after an orderly end", not left, "; ".join(left)[:1500])
        with haap, hg:
            hg.wait_for("bonded once more", is_bonded)
            for daemon, other in ((hg, haap), (haap, hg)):
                killed(lab, network, daemon, hg)


def readable(lab):
    """The rule set must stay a person's to read, and to load again."""
    for host in ("hg", "haap"):
        text = namespaces.run(host, "nft", "list", "ruleset")
        (lab.out / f"{host}-ruleset.nft").write_text(text)
        lab.check(f"{host}: nft list ruleset is readable", "table ip spillway" in text and "dsl_peers" in text)
        namespaces.run(host, "nft", "--check", "-f", lab.out / f"{host}-ruleset.nft")


def queued(host: str) -> list[str]:
    """Per queue: packets announced to user space so far (the ninth column is the number of the last one)."""
    text = namespaces.run(host, "cat", "/proc/net/netfilter/nfnetlink_queue")
    return [line.split()[7] for line in text.splitlines()]


def one_leg(lab, network, hg):
    """A bond on one leg never crosses into user space, and keeps its TCP connection and its sequence."""
    for leg, lost in (("dsl", network.lte), ("lte", network.dsl)):
        lost.carrier(False)
        hg.wait_for(f"uses only {leg}", uses_only(leg))
        counts = {host: queued(host) for host in ("hg", "haap")}
        lab.check("the queues are bound", all(counts.values()), str(counts))
        got = flow.tcp("client", "server", SERVER, 2, reverse=True, omit=1)
        lab.figure(f"{leg}_only_mbit", got.mbit)
        lab.at_least(f"{leg} alone: share of its limit", got.mbit / network.leg_limit_mbit(leg, "down"), 0.9)
        after = {host: queued(host) for host in ("hg", "haap")}
        lab.check(f"{leg} alone: no packet goes to user space", after == counts, f"{counts} then {after}")
        lost.carrier(True)
        hg.wait_for("bonded again", is_bonded, seconds=120)


def garbage(lab, network, hg, haap):
    """What nobody of this bond could have sent changes nothing, and is counted."""
    chance = random.Random(8157)
    bond = hg.status()["bond"]
    counted = {each.host: sum(each.status()["discarded"].values()) for each in (hg, haap)}
    for target, router, address, source in (
        ("haap", "dsl", HAAP, network.dsl.hg_address), ("hg", "dsl", network.dsl.hg_address, HAAP),
    ):
        packets = [shoot(chance, source, address) for _ in range(GARBAGE)]
        with namespaces.inside(router):
            fire(packets)
        lab.say(f"{GARBAGE} packets of garbage went to {target}")
    ping("client", SERVER, 3)
    for daemon in (hg, haap):
        status = daemon.status()
        reasons = status["discarded"]
        more = sum(reasons.values()) - counted[daemon.host]
        lab.figure(f"{daemon.host}_discarded", more)
        lab.at_least(f"{daemon.host}: discards counted", more, GARBAGE * 0.99)
        lab.check(f"{daemon.host}: by several reasons", len(reasons) >= 5, str(reasons))
    now = hg.status()["bond"]
    same = {"session_id", "distribution", "device"}
    lab.check("the bond is as it was", all(now[key] == bond[key] for key in same) and is_bonded(hg.status()))


def shoot(chance, source: str, target: str) -> bytes:
    """One IPv4 packet with GRE in it: random, truncated, with a wrong key, or from a wrong source."""
    kind = chance.randrange(4)
    message = struct.pack(">HHIB", 0x2000, 0xB7EA, chance.getrandbits(32), chance.randrange(1, 7) << 4 | chance.choice((1, 2)))
    if kind == 0:
        message = message[:8] + chance.randbytes(chance.randrange(1, 200))
    elif kind == 1:
        message = (message + b"\x05\x00\x08" + chance.randbytes(8))[: chance.randrange(8, 19)]
    else:
        message += b"\x05\x00\x08" + chance.randbytes(8)
    if kind == 3:
        source = f"10.66.{chance.randrange(256)}.{chance.randrange(1, 255)}"
    return ip4(source, target, message)


def ip4(source: str, target: str, payload: bytes) -> bytes:
    def packed(address):
        return bytes(int(part) for part in address.split("."))

    # The kernel fills in length and check sum of a raw socket with IP_HDRINCL.
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, 47, 0) + packed(source) + packed(target) + payload


def fire(packets):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as gun:
        for number, packet in enumerate(packets):
            gun.sendto(packet, (".".join(str(byte) for byte in packet[16:20]), 0))
            # The leg's own queue must not lose them before anybody can count them.
            if number % 10 == 9:
                time.sleep(0.005)


def killed(lab, network, daemon, hg):
    """The kernel goes on without the daemon: unordered perhaps, but lost nothing."""
    session = hg.status()["bond"]["session_id"]
    transfer = flow.TCP("client", "server", SERVER, 3, reverse=True)
    pinged = ping("client", SERVER, 5)
    lab.event(f"kill -9 of spillway in {daemon.host}")
    daemon.kill()
    got = transfer.result()
    tail = [rate for _, rate in got.intervals[-3:]]
    lab.figure(f"killed_{daemon.host}_mbit", min(tail))
    lab.at_least(f"{daemon.host} killed: the transfer goes on, Mbit/s", min(tail), 4)
    lab.check("before that it was whole", pinged.received > 0, str(pinged)[:200])
    daemon.start()
    now = hg.wait_for(f"bonded after {daemon.host} came back", is_bonded)["bond"]["session_id"]
    lab.check(f"{daemon.host} killed: the next run goes on with the bond", now == session, f"{session} then {now}")
    lab.check("and carries", ping("client", SERVER, 3).received == 3)
    daemon.kill()
    daemon.forget()
    daemon.start()
    anew = lambda status: is_bonded(status) and status["bond"]["session_id"] != session
    hg.wait_for(f"bonded anew after {daemon.host} came back and knew of nothing", anew, seconds=180)
    lab.check("and carries", ping("client", SERVER, 3).received == 3)
