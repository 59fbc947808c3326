"""What a packet costs, in instructions: tunnels of the kernel and of user space, and the bond (village without rates)."""

import contextlib
import pathlib
import re
import subprocess
import time

from lab import namespaces, peers, programs, spillway
from lab.measure import mallocs
from lab.measure.ping import ping
from lab.measure.tables import table
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import SERVER, Topology

VIRTUAL_TIME = True
PROGRAM = programs.program("pingpong")
NEEDS = [spillway.binary(), PROGRAM, mallocs.PROGRAM, *peers.PROGRAMS]
GROUP = 32
GROUPS = 120
# Bytes of an IP packet; a datagram has 28 less.
SIZES = (64, 1300)
PORT = 5301
# What each way is, and what is aimed at.
WORDS = {
    "plain": ("plain forwarding, all hosts", ""),
    "gre": ("the kernel's GRE with key and sequence", ""),
    "one_leg": ("the bond, one leg", "20"),
    "two_legs": ("the bond, two legs that share packets equally", "30"),
    "wireguard": ("WireGuard", ""),
    "one_leg_esp": ("the bond, one leg, ESP with AES-GCM", "less than WireGuard"),
    "openvpn": ("OpenVPN in user space, without encryption or authentication", ""),
}
# What each may cost more than plain forwarding, as a multiple of what another way does: a guard against getting worse.
# GRE alone is the small difference of two large figures: it varies by a fifth from run to run.
MOST = {"one_leg": (6, "gre"), "two_legs": (1.8, "openvpn"), "one_leg_esp": (1.5, "wireguard")}
GCM = {"keys": "configured", "cipher": "aes-gcm", "secret": "only for the lab, and known to all", "salt": "00112233"}


def prepare() -> None:
    spillway.prepare()
    programs.compile("pingpong")
    mallocs.prepare()
    peers.install()


def run(lab):
    namespaces.run(None, "modprobe", "-qa", "aesni_intel", "ghash_clmulni_intel", check=False)
    line = {"up_mbit": 1000, "down_mbit": 1000}
    with Topology.load("village", dsl=line, lte=line) as network:
        for router, devices in (("dsl", ("d0", "d1")), ("lte", ("l0", "l1"))):
            for device in devices:
                namespaces.run(router, "tc", "qdisc", "del", "dev", device, "root")
        receiver = namespaces.start("server", PROGRAM, PORT)
        weighted = {"distribution": "weighted", "overflow": "queue"}
        ways = {
            "plain": lambda: peers.plain(network), "gre": lambda: peers.gre(network),
            "one_leg": lambda: bond(lab, network, {}),
            "two_legs": lambda: bond(lab, network, {"colour": weighted}, weights=True),
            "wireguard": lambda: peers.wireguard(network),
            "one_leg_esp": lambda: bond(lab, network, {"ipsec": GCM}),
            "openvpn": lambda: peers.openvpn(network),
        }
        try:
            costs = {}
            for name, way in ways.items():
                with way():
                    lab.wait(f"{name}: passes", lambda: ping("client", SERVER, 2).received == 2)
                    costs[name] = {size: cost(lab, f"{name}, {size} bytes", size) for size in SIZES}
            with bond(lab, network, {"colour": weighted}, weights=True, counted=True):
                allocations(lab)
        finally:
            receiver.terminate()
            receiver.wait()
        judged(lab, costs)


@contextlib.contextmanager
def bond(lab, network, common, weights=False, counted=False):
    """Ours, with settings that both ends have: of both legs, which share by weights, or of DSL when LTE is lost. `counted`:
    so are what the daemons allocate."""
    haap, hg = settings("haap", network, **common), settings("hg", network, **common)
    if weights:
        haap["subscriber"][0] |= {"dsl_weight": 1, "lte_weight": 1}
        for leg in ("dsl", "lte"):
            hg[leg] |= {"weight": 1}
    daemons = {host: Spillway(lab, host, value) for host, value in (("haap", haap), ("hg", hg))}
    if counted:
        for daemon in daemons.values():
            mallocs.count(daemon)
    with daemons["haap"], daemons["hg"] as gateway:
        gateway.wait_for("bonded", is_bonded)
        network.lte.carrier(weights)
        if not weights:
            gateway.wait_for("DSL alone", uses_only("dsl"))
        time.sleep(3)
        try:
            yield
        finally:
            network.lte.carrier(True)


def allocations(lab):
    """What putting packets in order allocates; the rest of what a daemon does in that time is small beside it."""

    def counted():
        return {host: mallocs.counted(lab, host)[0] for host in ("hg", "haap")}

    before = counted()
    cost(lab, "allocations", SIZES[-1])
    for host, count in counted().items():
        lab.check(f"{host}: allocations are counted", count > 1000, str(count))
        each = (count - before[host]) / (GROUPS * (GROUP + 1))
        lab.figure(f"{host}_allocations_per_packet", round(each, 4))
        # Whatever else a daemon does in that time is in it.
        lab.at_most(f"{host}: allocations for a packet", each, 0.9)


def idle() -> float:
    """Seconds that the processor had nothing to do. By the nanosecond: /proc/uptime counts hundredths of a second, which
    are a tenth of what is measured here."""
    found = re.search(r"\.idle_sleeptime\s*: (\d+) nsecs", pathlib.Path("/proc/timer_list").read_text())
    return int(found[1]) / 1e9


def cost(lab, name, size, client="client") -> float:
    """Microseconds of the processor for a packet that goes from client to server, the ends' own work included."""
    words = ["ip", "netns", "exec", client, str(PROGRAM), SERVER, str(PORT), str(size - 28)]
    # What is done once is done.
    subprocess.run([*words, "20"], check=True, capture_output=True, timeout=60)
    before = idle()
    done = subprocess.run([*words, str(GROUPS)], check=True, capture_output=True, text=True, timeout=120)
    confirmed, nanoseconds = map(int, done.stdout.split())
    spare = idle() - before
    lab.check(f"{name}: all arrive", confirmed == GROUPS, f"{confirmed} of {GROUPS}")
    lab.at_most(f"{name}: the processor was idle, share", spare / (nanoseconds / 1e9), 0.2)
    return (nanoseconds / 1e3 - spare * 1e6) / (GROUPS * (GROUP + 1))


def judged(lab, costs):
    extra = {name: {size: each[size] - costs["plain"][size] for size in SIZES} for name, each in costs.items()}
    for size in SIZES:
        lab.figure(f"plain_{size}_us", round(costs["plain"][size], 2))
        for name in [name for name in costs if name != "plain"]:
            lab.figure(f"{name}_{size}_us", round(extra[name][size], 2))
    for name, (most, peer) in MOST.items():
        for size in SIZES:
            lab.at_most(f"{name}, {size} bytes: against {peer}", extra[name][size] / extra[peer][size], most)
    rows = [[words, *(f"{(costs if name == 'plain' else extra)[name][size]:.1f}" for size in SIZES), aim]
            for name, (words, aim) in WORDS.items()]
    lab.save_now("cost.md", table(["", *(f"{size} bytes" for size in SIZES), "aim"], rows) + "\n")
