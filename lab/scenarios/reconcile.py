"""Strangers change each kind of object of ours: it is back within a second, and what is theirs stays (village)."""

import json
import os
import pathlib
import shutil
import signal
import time

from lab import namespaces, spillway
from lab.measure import state
from lab.measure.ping import Pinger
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), pathlib.Path(shutil.which("bpftool") or "/usr/sbin/bpftool")]
LIMIT = 1.0
FLOOD = 8000

prepare = spillway.prepare

# host, kind, field, parts of the state to look at, command. The gateway has one queue for both legs, the aggregator has
# police.
CHANGES = (
    ("hg", "link", "mtu", "link", "ip link set bond0 mtu 1300"),
    ("hg", "link", "alias", "link", "ip link set bond0 alias theirs"),
    ("hg", "link", "group", "link", "ip link set bond0 group 7"),
    ("hg", "link", "output-key", "link", "ip link set bond0 type gre okey 1"),
    ("hg", "link", "remote", "link", "ip link set bond0 type gre remote 192.0.0.77"),
    ("hg", "link", "ttl", "link", "ip link set bond0 type gre ttl 3"),
    ("hg", "link", "up", "link route4 route6 address", "ip link set bond0 down"),
    ("hg", "sysctl", "rp_filter", "dsl", "sysctl -qw net.ipv4.conf.dsl.rp_filter=1"),
    ("hg", "sysctl", "rp_filter", "bond0", "sysctl -qw net.ipv4.conf.bond0.rp_filter=1"),
    ("hg", "address", "presence", "address", "ip address del 100.64.0.2/32 dev bond0"),
    ("hg", "address", "presence", "address", "ip address del 2001:db8:a::1/64 dev lan"),
    ("hg", "address", "valid", "lifetime", "ip address change 2001:db8:a::1/64 dev lan valid_lft 50 preferred_lft 20"),
    ("hg", "address", "presence", "address", "ip address del 192.0.0.8/32 dev spillway0"),
    ("hg", "route", "presence", "route4", "ip route del default table 5300"),
    ("hg", "route", "via", "route4", "ip route replace default dev lte table 5300 proto 157"),
    ("hg", "route", "protocol", "route4",
     f"ip route replace {HAAP} via 10.1.0.1 dev dsl onlink table 5301 proto static"),
    ("hg", "route", "presence", "route6", "ip -6 route flush proto 157"),
    ("hg", "rule", "presence", "rule4", "ip rule del priority 5308"),
    ("hg", "rule", "presence", "rule6", "ip -6 rule del priority 5310"),
    ("hg", "qdisc", "presence", "qdisc filter", "tc qdisc del dev bond0 clsact"),
    ("hg", "qdisc", "kind", "qdisc", "tc qdisc replace dev bond0 root pfifo"),
    ("hg", "qdisc", "limit", "qdisc", "tc qdisc change dev bond0 root fq limit 5"),
    ("hg", "filter", "presence", "filter", "tc filter del dev bond0 egress"),
    ("hg", "table", "presence", "nft", "nft delete table ip spillway"),
    ("hg", "table", "flags", "nft", "nft add table inet spillway_policy { flags dormant; }"),
    ("hg", "chain", "policy", "nft", "nft add chain ip spillway send { policy drop; }"),
    ("hg", "rule", "count", "nft", "nft insert rule ip spillway receive drop"),
    ("hg", "rule", "count", "nft", "nft flush chain inet spillway_policy choose"),
    ("hg", "set", "presence", "nft", "nft flush table ip spillway; delete set ip spillway bonded"),
    ("hg", "element", "192.0.0.9", "nft", "nft delete element ip spillway dsl_to { 192.0.0.9 }"),
    ("hg", "element", "192.0.0.77", "nft", "nft add element ip spillway bonded { 192.0.0.77 }"),
    ("haap", "link", "presence", "link address route4 route6 qdisc filter", "ip link del bond0"),
    ("haap", "route", "presence", "route4", "ip route del 192.168.2.0/24"),
    ("haap", "route", "presence", "route6", "ip -6 route flush proto 157"),
    ("haap", "filter", "presence", "filter", "tc filter del dev bond0 egress pref 1"),
    ("haap", "element", "240.0.0.1", "nft", "nft flush map ip spillway lte_to"),
    ("haap", "table", "presence", "nft", "nft flush ruleset"),
    ("hg", "link", "presence", "link address route4 route6 qdisc filter", "ip link del bond0"),
)

# With these goes what others have there.
WHOLE = ("tc qdisc del dev bond0 clsact", "nft delete table ip spillway", "nft flush ruleset", "ip link del bond0")

OTHERS = """
link add other0 type dummy
link set other0 mtu 1401
link set other0 up
address add 10.66.0.1/24 dev other0
address add 10.67.0.1/24 dev bond0
route add 10.77.0.0/16 dev other0 table 5300 proto 99
route add 10.78.0.0/16 dev other0 proto 99
rule add priority 5307 lookup 77 protocol 99
"""
OTHER_RULES = """
table inet theirs {
 set s { type mark; elements = { 1 }; }
 chain c { type filter hook input priority 7; accept; }
}
add set ip spillway theirs { type mark; elements = { 1 }; }
"""


def run(lab):
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network, colour={"overflow": "police"}))
        hg = Spillway(lab, "hg", settings("hg", network, colour={"overflow": "queue"}))
        with haap, hg:
            hg.wait_for("bonded", lambda status: is_bonded(status) and status["addresses"].get("address"))
            daemons = {"hg": hg, "haap": haap}
            for host in daemons:
                namespaces.run(host, "ip", "-batch", "-", text=OTHERS)
                namespaces.run(host, "nft", "-f", "-", text=OTHER_RULES)
                namespaces.run(host, *"tc filter add dev bond0 ingress pref 7 matchall action pass".split())
            before = {host: state.settled(lab, host) for host in daemons}
            # A flow that goes on: 200 ms between packets, more of them than all this takes.
            pings = Pinger("client", SERVER, 5000)
            times = [change(lab, daemons[each[0]], *each[1:]) for each in CHANGES if each[4] not in WHOLE]
            times.append(plan(lab, hg))
            flooded(lab, hg)
            got = pings.stop()
            lab.figure("longest_ms", max(times) * 1000)
            lab.figure("pings_lost", got.sent - got.received)
            lab.at_least("the traffic goes on: share of echoes", got.received / got.sent, 0.9)
            for host in daemons:
                off = state.difference(before[host], state.dump(host))
                lab.check(f"{host}: all is as it was, what others have too", not off, "; ".join(off)[:1500])
            for host in daemons:
                namespaces.run(host, "ip", "address", "del", "10.67.0.1/24", "dev", "bond0")
                namespaces.run(host, "tc", "filter", "del", "dev", "bond0", "ingress")
                namespaces.run(host, "nft", "delete set ip spillway theirs; delete table inet theirs")
            for each in CHANGES:
                if each[4] in WHOLE:
                    change(lab, daemons[each[0]], *each[1:])
            for daemon in daemons.values():
                counted(lab, daemon)


def look(host: str, what: str) -> list[str]:
    if what in ("dsl", "bond0"):
        return [namespaces.run(host, "sysctl", "-n", f"net.ipv4.conf.{what}.rp_filter")]
    if what == "lifetime":
        addresses = json.loads(namespaces.run(host, "ip", "-j", "address", "show", "dev", "lan"))[0]["addr_info"]
        return [str(each["valid_life_time"] > 50) for each in addresses if each.get("dynamic")]
    return state.part(host, "bond0", *what.split())


def change(lab, daemon: Spillway, kind: str, field: str, what: str, command: str) -> float:
    """A stranger's command, and how many seconds after it all is as it was."""
    # So many lines of one reason are logged in a second, and not more.
    time.sleep(1.5)
    host = daemon.host
    before, written = look(host, what), len(daemon.log())
    namespaces.run(host, *(["nft", command[4:]] if command.startswith("nft ") else command.split()))
    return back(lab, daemon, f"{host}: {command}", kind, field, written, lambda: look(host, what) == before)


def back(lab, daemon: Spillway, name: str, kind: str, field: str, written: int, is_back) -> float:
    begun = time.monotonic()
    lines: list[str] = []
    while time.monotonic() - begun < 2 * LIMIT:
        lines = [line for line in daemon.log()[written:].splitlines() if "reason=drift" in line]
        if any(f"kind={kind}" in line and f"field={field}" in line for line in lines) and is_back():
            took = time.monotonic() - begun
            lab.check(name, took <= LIMIT, f"{took * 1000:.0f} ms: {lines[0][lines[0].index('field='):][:120]}")
            return took
        time.sleep(0.01)
    lab.check(name, False, f"not back; {lines} {daemon.log()[written:][-600:]}")
    return 2 * LIMIT


def plan(lab, hg: Spillway) -> float:
    """Nothing announces what is written to a map."""
    time.sleep(1.5)

    def read():
        return json.loads(namespaces.run("hg", "bpftool", "-j", "map", "dump", "name", "spillway_plan"))[0]

    before, written = read(), len(hg.log())
    other = [before["value"][0], *(["0x07"] * 8), *before["value"][9:]]
    namespaces.run(
        "hg", "bpftool", "map", "update", "name", "spillway_plan", "key", "hex", *(each[2:] for each in before["key"]),
        "value", "hex", *(each[2:] for each in other),
    )
    # What LTE carries may be another rate by then.
    is_back = lambda: read()["value"][1:9] != other[1:9]
    return back(lab, hg, "hg: the plan of the queue", "map", "value", written, is_back)


def flooded(lab, hg: Spillway) -> None:
    """More announcements than the socket holds, twice: with a change of ours among them, and with none."""
    for number, command in enumerate(("nft flush chain ip spillway send", "true")):
        old = hg.status()["kernel"]
        view = state.part("hg", "bond0", "nft", "route4")
        os.kill(hg.process.pid, signal.SIGSTOP)
        lines = [f"link set other0 mtu {1400 + i % 2}\n" for i in range(FLOOD)]
        namespaces.run("hg", "ip", "-batch", "-", text="".join(lines))
        namespaces.run("hg", *command.split())
        if number == 0:
            namespaces.run("hg", "ip", "route", "del", "default", "table", "5300")
        os.kill(hg.process.pid, signal.SIGCONT)
        now = hg.wait_for("all was read again", lambda status: status["kernel"]["rereads"] > old["rereads"])
        lab.wait("as it was", lambda: state.part("hg", "bond0", "nft", "route4") == view, seconds=LIMIT)
        now = hg.status()["kernel"]
        if number == 0:
            more = now["drift"].get("rule", 0) - old["drift"].get("rule", 0)
            lab.check("a flood: what was lost is found", more > 0, str(now))
        else:
            same = now["changes"] == old["changes"]
            lab.check("a flood without a change: nothing is written", same, f"{old} then {now}")


def counted(lab, daemon: Spillway) -> None:
    """The counters are what the log says."""
    counts = daemon.status()["kernel"]["drift"]
    lines = [line for line in daemon.log().splitlines() if "reason=drift" in line]
    missing = sum(int(line.split("suppressed=")[1].split()[0]) for line in lines if "suppressed=" in line)
    told = len(lines) + missing
    lab.check(f"{daemon.host}: all is counted", sum(counts.values()) >= told > 0, f"{counts}, {told} told")
    kinds = {line.split("kind=")[1].split()[0] for line in lines}
    lab.check(f"{daemon.host}: kinds", kinds <= set(counts), f"{sorted(kinds)} and {counts}")
    lab.figure(f"{daemon.host}_drift", sum(counts.values()))
