"""kill -9 of either daemon, or both, under load, and a start: the bond goes on, the peer notices nothing (village)."""

import json
import os
import pathlib
import signal
import time

from lab import namespaces, spillway
from lab.measure import capture, flow, state
from lab.measure.order import CONTROL_PROTOCOLS
from lab.measure.ping import Pinger, ping
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, HAAP6, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# The first half of the byte behind GRE's header.
SETUP = {1: "Setup Request", 2: "Setup Accept", 3: "Setup Deny", 5: "Tear Down"}
GAP = 1.0
# Which knows IPv6 access networks only.
DEPLOYED = {"dialect": "deployed"}
# DSL has 8, LTE 16.
MBIT = 12

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        before = {host: state.settled(lab, host) for host in ("hg", "haap")}
        for name, overflow, more in (("police", "police", {}), ("queue", "queue", {}), ("IPv6", "queue", DEPLOYED)):
            ipv6 = bool(more)
            colour = {"overflow": overflow}
            hellos = {"active_hello_interval": "10 s"}
            own = {"address": [HAAP6]} if ipv6 else {}
            haap = Spillway(lab, "haap", settings("haap", network, colour=colour, session=hellos, **own, **more))
            hg = Spillway(lab, "hg", settings("hg", network, ipv6, colour=colour, **more))
            with haap, hg:
                has_all = lambda status: is_bonded(status) and status["addresses"].get("address")
                hg.wait_for("bonded", has_all)
                lab.wait("both ways pass", lambda: ping("client", SERVER, 3).received == 3)
                for who in ((hg, haap),) if ipv6 else ((hg,), (haap,), (hg, haap)):
                    light(lab, name, who, hg, haap)
                if not ipv6:
                    # In this order: TCP fills LTE's queue where police stands before it, and so much is lost there then
                    # that LTE may be left for a minute.
                    crowded(lab, name, (hg, haap), hg)
                    loaded(lab, name, (hg, haap), hg)
                if name == "police":
                    leftovers(lab, hg, haap)
                    left_on_purpose(lab, hg)
                    half_way(lab, hg, haap)
                    others(lab, hg)
            for host in ("hg", "haap"):
                left = state.difference(before[host], state.settled(lab, host))
                lab.check(f"{name}, {host}: an orderly end leaves nothing", not left, "; ".join(left)[:1500])


class Wires:
    """What control messages say on both legs meanwhile."""

    def __init__(self, lab, name):
        self.running = [
            capture.Capture("hg", leg, lab.out / f"{name}-{leg}.pcap", snap=120, filter="proto 47")
            for leg in ("dsl", "lte")
        ]

    def said(self) -> list[str]:
        found = []
        for each in self.running:
            for packet in capture.packets(each.stop()):
                gre = capture.gre(packet)
                if gre is None or gre.protocol not in CONTROL_PROTOCOLS or gre.sequence is not None:
                    continue
                if gre.payload and gre.payload[0] >> 4 in SETUP:
                    found.append(SETUP[gre.payload[0] >> 4])
        return found


def devices(host: str) -> dict[str, int]:
    links = json.loads(namespaces.run(host, "ip", "-j", "link", "show"))
    return {link["ifname"]: link["ifindex"] for link in links if str(link.get("ifalias", "")).startswith("spillway ")}


def restarted(lab, daemons, gap=GAP):
    for daemon in daemons:
        daemon.kill()
    time.sleep(gap)
    for daemon in daemons:
        daemon.start()


def goes_on(lab, name, daemons, hg, then):
    """Kills, starts, and compares what must be the same; `then` is called when all is up again."""
    session = hg.status()["bond"]["session_id"]
    indexes = {host: devices(host) for host in ("hg", "haap")}
    marks = {daemon: len(daemon.log()) for daemon in daemons}
    wires = Wires(lab, name.replace(" ", "-"))
    time.sleep(0.5)
    restarted(lab, daemons)
    hg.wait_for(f"{name}: bonded", is_bonded)
    then()
    said = wires.said()
    lab.check(f"{name}: nobody sets up or tears down", not said, str(said))
    now = hg.status()["bond"]["session_id"]
    lab.check(f"{name}: the same session", now == session, f"{session} then {now}")
    same = {host: devices(host) for host in ("hg", "haap")}
    lab.check(f"{name}: the same devices", same == indexes and all(same.values()), f"{indexes} then {same}")
    for daemon in daemons:
        told = daemon.log()[marks[daemon]:]
        lines = [line for line in told.splitlines() if "reason=adopted" in line]
        lab.check(f"{name}, {daemon.host}: says so", len(lines) == 1, told[-800:])
        lab.check(f"{name}, {daemon.host}: no drift", "reason=drift" not in told, told[-800:])


def light(lab, name, daemons, hg, haap):
    """What DSL carries alone: not one packet is lost, both ways."""
    who = " and ".join(daemon.host for daemon in daemons)
    pinger = Pinger("client", SERVER, 2000, interval=0.005)
    time.sleep(1)
    goes_on(lab, f"{name}, {who} killed", daemons, hg, lambda: time.sleep(1))
    got = pinger.result()
    lab.check(f"{name}, {who} killed: no echo is lost", got.received == got.sent == 2000, f"{got.received} of {got.sent}")


def loaded(lab, name, daemons, hg):
    """Both legs are full: a transfer goes on. With police in a queue of the access network, and without order for a second,
    TCP may get nothing for half a second; then it has at least what DSL carries."""
    transfer = flow.TCP("client", "server", SERVER, 12, reverse=True)
    time.sleep(4)
    goes_on(lab, f"{name}, both killed under load", daemons, hg, lambda: None)
    got = transfer.result()
    least = min(rate for _, rate in got.intervals[1:])
    lab.figure(f"{name}_loaded_least_mbit", least)
    last = [rate for _, rate in got.intervals[-8:]]
    lab.figure(f"{name}_loaded_last_mbit", sum(last) / len(last))
    lab.at_least(f"{name}: the transfer goes on in its last four seconds, Mbit/s", sum(last) / len(last), 6)
    if name == "queue":
        lab.at_least(f"{name}: the transfer goes on all the time, Mbit/s", least, 4)


def crowded(lab, name, who, hg):
    """More than DSL carries, both ways, so that packets wait for their turn when the daemons are killed. A queue has to
    find what LTE carries first: datagrams are lost meanwhile, killed or not. What it found outlives the daemons."""
    flows = lambda: [flow.UDP(*ends, 6, mbit=MBIT, size=1200, port=port) for ends, port in (
        (("client", "server", SERVER), 5301), (("server", "client", CLIENT), 5302))]
    if name == "queue":
        for way, got in zip(("up", "down"), [each.result() for each in flows()]):
            lab.figure(f"{name}_{way}_lost_without", got.lost)
    running = flows()
    time.sleep(3)
    goes_on(lab, f"{name}, both killed while packets wait", who, hg, lambda: None)
    for way, got in zip(("up", "down"), [each.result() for each in running]):
        lab.figure(f"{name}_{way}_lost", got.lost)
        whole = got.lost == 0 and got.sent > 3000
        lab.check(f"{name}, {way}: no datagram is lost", whole, f"{got.lost} of {got.sent}")


def leftovers(lab, hg, haap):
    """What is ours and belongs to no bond goes; what is others' stays."""
    hg.kill()
    haap.kill()
    for host in ("hg", "haap"):
        namespaces.run(host, *"ip link add left0 type dummy".split())
        namespaces.run(host, "ip", "link", "set", "left0", "alias", "spillway left")
        namespaces.run(host, *"ip route add 10.99.0.0/16 dev spillway0 table 5300 proto 157".split())
        namespaces.run(host, *"ip rule add priority 5314 lookup 77 proto 157".split())
        namespaces.run(host, *"ip link add theirs0 type dummy".split())
        namespaces.run(host, *"ip route add 10.98.0.0/16 dev spillway0 table 5300 proto 99".split())
        namespaces.run(host, *"ip rule add priority 5313 lookup 77 proto 99".split())
        namespaces.run(host, "nft", "add table inet theirs")
    hg.start()
    haap.start()
    hg.wait_for("bonded", is_bonded)
    for host in ("hg", "haap"):
        text = "\n".join(state.dump(host))
        lab.check(f"{host}: what is left of ours goes", not any(
            word in text for word in ("left0", "10.99.0.0", "5314")), "")
        lab.check(f"{host}: what is others' stays", all(
            word in text for word in ("theirs0", "10.98.0.0", "5313", "theirs")), "")
        for words in ("link del theirs0", "route del 10.98.0.0/16 table 5300", "rule del priority 5313"):
            namespaces.run(host, "ip", *words.split())
        namespaces.run(host, "nft", "delete table inet theirs")


def left_on_purpose(lab, hg):
    """As an upgrade does it: SIGUSR1 ends the daemon and leaves all to the next one."""
    session = hg.status()["bond"]["session_id"]
    index = devices("hg")
    os.kill(hg.process.pid, signal.SIGUSR1)
    hg.process.wait(20)
    lab.check("SIGUSR1: it ends well and leaves the bond", hg.process.returncode == 0 and devices("hg") == index)
    hg.start()
    hg.wait_for("bonded", is_bonded)
    lab.check("and the next one goes on", hg.status()["bond"]["session_id"] == session and devices("hg") == index)


def half_way(lab, hg, haap):
    """Killed while the bond is being set up, again and again: it comes up all the same, and nothing is left twice."""
    for wait in (0.05, 0.1, 0.2, 0.3, 0.5, 0.8):
        hg.stop()
        hg.start()
        time.sleep(wait)
        hg.kill()
        hg.start()
        hg.wait_for(f"bonded after an end {wait:g} s into the set-up", is_bonded, seconds=120)
    bonds = haap.status()["bonds"]
    lab.check("the aggregation point has one bond", len(bonds) == 1, str(len(bonds)))


def others(lab, hg):
    """A record of another version, or a damaged one: a clean start."""
    file = pathlib.Path(hg.value["control"]["socket"] + ".record")
    for name, change in (
        ("another version", lambda text: text.replace("spillway-record ", "spillway-record 999", 1)),
        ("another start of the system", lambda text: text.replace(text.split()[2], "another", 1)),
        ("a damaged record", lambda text: text.replace("key=", "key=x", 1)),
    ):
        session = hg.status()["bond"]["session_id"]
        hg.kill()
        # How it was before is in the record, which will not be read.
        for leg in ("dsl", "lte"):
            namespaces.run("hg", "sysctl", "-qw", f"net.ipv4.conf.{leg}.rp_filter=0")
        file.write_text(change(file.read_text()))
        hg.start()
        anew = lambda status: is_bonded(status) and status["bond"]["session_id"] != session
        hg.wait_for(f"{name}: bonded anew", anew, seconds=120)
