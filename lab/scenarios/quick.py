"""How quickly traffic is back when something fails, beside Hellos alone, the bonding driver and MPTCP; and no flap."""

import datetime
import json
import os
import time

from lab import both_legs, spillway
from lab.failures import CAUSES, Cause, Traffic
from lab.hello_only import INTERVAL_S, THRESHOLD_MS, hello_only
from lab.measure import quickness
from lab.measure.ping import ping
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# Packet by packet, so that both legs are in use and either can carry all: what is lost is lost by the failure.
COLOUR = {"distribution": "weighted"}
# Slow lines: what counts is time, and what costs is packets. Queues have room for all that is on its way.
DSL = {"up_mbit": 2, "down_mbit": 2, "queue_ms": 400}
LTE = {"up_mbit": 4, "down_mbit": 4, "queue_ms": 400}
# Hellos as an operator has them; round trips are no failure without a threshold.
SESSION = {"active_hello_interval": f"{INTERVAL_S} s", "rtt_difference_threshold": f"{THRESHOLD_MS} ms"}
# Before something happens: half an interval of Hellos.
BEFORE_S = 5
# After it at least, whatever is well; at most, where what looks each 0.1 s has seen nothing.
AFTER_S, ALLOWED_S = 3, {"miimon": 10}
JITTER_S, JITTER = 30, (40, 35)
FLAPS = ("leg-down", "bond-down", "primary-only")
# What the bond aims at, and what it must keep to: a kernel tells of a carrier after up to 50 ms and a message by LTE
# takes 25; a silence is believed after 150 ms, seen up to 50 ms later, and asked into three times, 80 ms or more each.
AIMS_MS = {"carrier": 50, "silent": 500}
GUARDS_MS = {"carrier": 80, "silent": 500}
# From when the gateway knows of a carrier: its own part, and the message.
KNOWN_MS = 50
# CAUSE|CAUSE:WAY|WAY or one of the two; all without it.
CHOICE = os.environ.get("SPILLWAY_QUICK", ":")


prepare = spillway.prepare


def run(lab):
    causes, _, ways = CHOICE.partition(":")
    chosen = [each for each in CAUSES if each.name in causes.split("|") or not causes]
    wanted = [way for way in quickness.NAMES if way in ways.split("|") or not ways]
    rows = []
    with Topology.load("village", DSL, LTE) as network:
        if "bond" in wanted:
            bond(lab, network, chosen, rows, jittered=not causes)
        for cause in chosen:
            for way in wanted:
                if way != "bond" and (way, cause.kind) not in quickness.LEFT_OUT:
                    peer(lab, network, way, cause, rows)
    judge_rows(lab, rows)
    lab.save_now("quick.svg", quickness.picture(rows))


def bond(lab, network, chosen, rows, jittered):
    haap = Spillway(lab, "haap", settings("haap", network, session=SESSION, colour=COLOUR))
    hg = Spillway(lab, "hg", settings("hg", network, colour=COLOUR))
    daemons = {"hg": hg, "haap": haap}
    with haap, hg:
        hg.wait_for("bonded", is_bonded)
        for cause in chosen:
            keep(lab, rows, measured(lab, network, "bond", cause, daemons))
            hg.wait_for("bonded again", whole, seconds=200)
        if jittered:
            for leg in network.legs:
                jitter(lab, hg, haap, leg)


def whole(status: dict) -> bool:
    return is_bonded(status) and not status["bond"]["primary_only"]


def jitter(lab, hg, haap, leg):
    """Delays that change by themselves are no failure: no leg is lost, nothing is left out."""
    before = {each: len(each.log()) for each in (hg, haap)}
    usual = leg.down.delay_ms
    traffic = Traffic(JITTER_S + 10)
    time.sleep(2)
    lab.event(f"{leg.name}: jitter")
    at = time.monotonic()
    leg.change(delay_ms=JITTER[0], jitter_ms=JITTER[1])
    time.sleep(JITTER_S)
    until = time.monotonic()
    row = traffic.result(at, until)
    leg.change(delay_ms=usual, jitter_ms=0)
    told = [line for each in (hg, haap) for line in each.log()[before[each]:].splitlines()]
    flaps = [line for line in told if any(f"reason={word} " in f"{line} " for word in FLAPS)]
    lab.figure(f"{leg.name}_jitter_flaps", len(flaps))
    lab.check(f"{leg.name}: jitter alone makes nothing flap", not flaps, "; ".join(flaps)[:500])
    lab.figure(f"{leg.name}_jitter_lost", sum(row[name]["lost"] for name in quickness.FLOWS))
    lab.check(f"{leg.name}: TCP goes on with jitter", row["goes_on"], row["tcp_error"])
    lab.say(json.dumps(row))


def peer(lab, network, way, cause, rows):
    other = {
        "hello": lambda: hello_only(network, cause.leg),
        "arp": lambda: both_legs.active_backup(network, cause.leg, "arp"),
        "miimon": lambda: both_legs.active_backup(network, cause.leg, "miimon"),
        "mptcp": lambda: both_legs.mptcp(network),
    }
    with other[way]():
        near = "hg" if way == "mptcp" else "client"
        lab.wait(f"{way}: passes", lambda: ping(near, SERVER, 1).received == 1)
        keep(lab, rows, measured(lab, network, way, cause, {}))


def measured(lab, network: Topology, way: str, cause: Cause, daemons: dict) -> dict:
    """One row, when all is well again or the time is over."""
    traffic = Traffic(BEFORE_S + cause.allowed + 10, tcp_only=way == "mptcp")
    try:
        time.sleep(BEFORE_S)
        usual = traffic.usual()
        # Where LTE carries nothing, its loss would be none.
        carried = daemons["hg"].status()["bond"]["legs"]["lte"]["rate"]["received_kbit"] if daemons else None
        lab.event(f"{way}: {cause.words}")
        at, clock = time.monotonic(), time.time()
        cause.happen(network, daemons)
        deadline = at + min(cause.allowed, ALLOWED_S.get(way, cause.allowed))
        time.sleep(AFTER_S)
        while not (well := traffic.well(usual)) and time.monotonic() < deadline:
            time.sleep(0.25)
        until = time.monotonic()
    finally:
        cause.heal(network)
    row = {"cause": cause.name, "way": way, "well": well, "waited_s": round(until - at, 1), "lte_kbit": carried}
    return row | traffic.result(at, until) | noticed(daemons, clock)


def noticed(daemons, clock: float) -> dict:
    """When each end said that it knew, in ms after the cause: the rest is the kernel's, and the way of a message."""
    found = {}
    for host, daemon in daemons.items():
        for line in daemon.log().splitlines():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if words.get("reason") not in ("leg-down", "primary-only") or "time" not in words:
                continue
            if (ms := (datetime.datetime.fromisoformat(words["time"]).timestamp() - clock) * 1e3) >= 0:
                found.setdefault(f"{host}_knew_ms", round(ms))
    return found


def keep(lab, rows, row):
    rows.append(row)
    lab.say(json.dumps(row))
    lab.save_now("quick.json", json.dumps(rows, indent=1) + "\n")
    lab.save_now("quick.md", quickness.markdown(rows))


def judge_rows(lab, rows):
    """What must hold of the bond, and beside Hellos alone."""
    by = {(row["cause"], row["way"]): row for row in rows}
    missed_aims = 0
    for (cause, way), row in by.items():
        missed = sum(row[name]["missed"] for name in quickness.FLOWS if name in row)
        lab.check(f"{cause}, {way}: nothing is lost before", missed == 0, str(missed))
        if way != "bond":
            continue
        lab.figure(f"{cause}_back_ms", row["back_ms"])
        lab.figure(f"{cause}_stall_ms", row["stall_ms"])
        lab.check(f"{cause}: all is well again", row["well"], f"after {row['waited_s']} s")
        lab.check(f"{cause}: the TCP connection goes on", row["goes_on"], row["tcp_error"])
        lab.at_least(f"{cause}: LTE was in use, kbit/s", row["lte_kbit"], 400)
        kind = cause.split("-")[1]
        if kind in AIMS_MS:
            lab.at_most(f"{cause}: traffic is back, ms", row["back_ms"], GUARDS_MS[kind])
            missed_aims += row["back_ms"] > AIMS_MS[kind]
        if kind == "carrier":
            after = row["back_ms"] - row.get("hg_knew_ms", 0)
            lab.at_most(f"{cause}: traffic is back after the gateway knows, ms", after, KNOWN_MS)
        if hello := by.get((cause, "hello")):
            # Both measure once an interval, and what changes meets them at any moment of it.
            allowed = hello["back_ms"] + (INTERVAL_S * 1000 if kind == "slow" else 0)
            lab.at_most(f"{cause}: no later than with Hellos alone, ms", row["back_ms"], allowed)
            if kind != "slow":
                lab.at_most(f"{cause}: TCP no longer than with Hellos alone, ms", row["stall_ms"], hello["stall_ms"])
    lab.figure("aims_missed", missed_aims)
