"""A slow LTE leg is left, and taken up again, at both ends by one round trip after the measurement that counts (village)."""

import json
import struct
import time

from lab import namespaces, spillway
from lab.measure import control, flow
from lab.measure.capture import Capture
from lab.measure.explained import Explained
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
THRESHOLD_MS, VIOLATION, COMPLIANCE = 100, 3, 2
# Half of DSL's rate is committed, so that what flows spills over and still fits DSL alone: then nothing may be lost.
COLOUR = {"cir_share": 50, "overflow": "police"}
MBIT = 3
# Slow lines: what counts is time, and what costs is packets.
DSL, LTE = {"up_mbit": 4, "down_mbit": 4}, {"up_mbit": 8, "down_mbit": 8}

prepare = spillway.prepare


def run(lab):
    session = {"active_hello_interval": "1 s", "rtt_difference_threshold": f"{THRESHOLD_MS} ms",
               "rtt_violation": VIOLATION, "rtt_compliance": COMPLIANCE}
    with Topology.load("village", DSL, LTE) as network:
        haap = Spillway(lab, "haap", settings("haap", network, session=session, colour=COLOUR))
        hg = Spillway(lab, "hg", settings("hg", network, colour=COLOUR))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            lab.check("hg: LTE takes what spills over", marks("hg", "bond0") == ["1", "2"], str(marks("hg", "bond0")))
            captures = [
                Capture(host, device, lab.out / f"{host}-{device}.pcap", snap=256, filter="proto 47")
                for host, device in (("hg", "dsl"), ("hg", "lte"), ("haap", "hl"))
            ]
            flows = {
                "down": flow.UDP("server", "client", CLIENT, 12, mbit=MBIT, size=1200),
                "up": flow.UDP("client", "server", SERVER, 12, mbit=MBIT, size=1200, port=5301),
            }
            lab.event("LTE becomes slow")
            network.lte.change(delay_ms=150)
            primary_only = lambda status: status["bond"]["primary_only"]
            hg.wait_for("DSL only", primary_only)
            haap.wait_for("DSL only", lambda status: status["bonds"][0]["primary_only"])
            for host, device in (("hg", "bond0"), ("haap", "bond0")):
                lab.check(f"{host}: everything takes DSL", marks(host, device) == ["1", "1"], str(marks(host, device)))
            told = {end.host: Explained.of(end.explain("udp", *words)) for end, words in (
                (hg, (f"{CLIENT}:9", f"{SERVER}:5301")), (haap, (f"{SERVER}:9", f"{CLIENT}:5300")))}
            for host, why in (("hg", "round_trip"), ("haap", "asked")):
                knows = (told[host].leg, told[host].legs, told[host].unused) == ("dsl", ("dsl",), {"lte": why})
                lab.check(f"{host}: explain says so, and why", knows, str(told[host]))
            states = [leg["state"] for leg in hg.status()["bond"]["legs"].values()]
            lab.check("both legs stay up", states == ["up", "up"], str(states))
            lab.event("LTE is as before")
            network.lte.change(delay_ms=25)
            hg.wait_for("overflow again", lambda status: not primary_only(status))
            haap.wait_for("overflow again", lambda status: not status["bonds"][0]["primary_only"])
            for host, device in (("hg", "bond0"), ("haap", "bond0")):
                lab.check(f"{host}: LTE is in use again", marks(host, device) == ["1", "2"], str(marks(host, device)))
            # What takes LTE again has arrived.
            time.sleep(0.5)
            for each in flows.values():
                each.stop()
            for way, each in flows.items():
                seen = each.result()
                lab.figure(f"{way}_lost", seen.lost)
                lab.check(f"{way}: no packet was lost by it", seen.lost == 0, str(seen)[:200])
            files = [each.stop() for each in captures]
            timing(lab, network, *files)


def timing(lab, network, dsl, lte, haap_lte):
    """When the legs were left, against the measurement that counted."""
    hg_dsl, hg_lte = network.dsl.hg_address, network.lte.hg_address
    switched = control.saying(control.messages(dsl), control.SWITCH_TO_DSL, hg_dsl)
    lab.check("the aggregator is told over DSL", bool(switched), required=True)
    told = switched[0].time
    times = round_trips(control.messages(dsl), hg_dsl), round_trips(control.messages(lte), hg_lte)
    counting = max(at for each in times for at, _ in each if at <= told)
    slow = [round_trip for at, round_trip in times[1] if at <= told and round_trip > THRESHOLD_MS / 1e3]
    lab.check("the measurement after the third violation counts", len(slow) == VIOLATION + 1, str(slow))
    echoed = [each.time for each in control.saying(control.messages(dsl), control.SWITCH_TO_DSL, HAAP)]
    lab.check("it is acknowledged", bool(echoed))
    resumed = control.saying(control.messages(dsl), control.OVERFLOW_TO_LTE, hg_dsl)
    lab.check("and told to overflow again", bool(resumed), required=True)
    last_up = max(at for at in control.data_times(lte, hg_lte) if at < resumed[0].time)
    last_down = max(at for at in control.data_times(haap_lte, HAAP) if at < resumed[0].time)
    lab.figure("hg_switch_ms", (last_up - counting) * 1e3)
    lab.figure("haap_switch_ms", (last_down - counting) * 1e3)
    round_trip = [value for at, value in times[0] if at <= told][-1] * 1e3
    lab.figure("dsl_round_trip_ms", round_trip)
    lab.at_most("hg: last packet on LTE after the measurement, ms", (last_up - counting) * 1e3, round_trip)
    lab.at_most("haap: last packet on LTE after the measurement, ms", (last_down - counting) * 1e3, round_trip)


def round_trips(messages, gateway) -> list[tuple[float, float]]:
    """When each answered Hello came back, and how long it took, in s."""
    sent = {}
    found = []
    for each in messages:
        if each.type == control.HELLO:
            stamp = struct.unpack("!II", each.value(5))
            if each.source == gateway:
                sent.setdefault(stamp, each.time)
            elif stamp in sent:
                found.append((each.time, each.time - sent.pop(stamp)))
    return found


def marks(host: str, device: str) -> list[str]:
    """The legs that the device's two filters choose: for what conforms, and for what does not."""
    filters = json.loads(namespaces.run(host, "tc", "-j", "filter", "show", "dev", device, "egress"))
    found = []
    for each in filters:
        for action in each.get("options", {}).get("actions", []):
            if action.get("kind") == "skbedit":
                found.append(str(int(str(action["mark"]).split("/")[0], 0) >> 28))
    return found
