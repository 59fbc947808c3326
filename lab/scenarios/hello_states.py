"""A bond without traffic falls idle at both ends, and the first packet wakes it (village)."""

import time

from lab import spillway
from lab.measure import control
from lab.measure.capture import Capture
from lab.measure.ping import ping
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
QUIET_S = 30
SESSION = {"active_hello_interval": "1 s", "idle_hello_interval": "100 s",
           "no_traffic_monitored_interval": f"{QUIET_S} s"}

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network, session=SESSION))
        hg = Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            file = lab.out / "hg-lte.pcap"
            ping("client", SERVER, 3)
            hg.wait_for("active", lambda status: status["bond"]["hello_state"] == "active")
            capture = Capture("hg", "lte", file, snap=256, filter="proto 47")
            lab.event("nothing more to carry")
            idle = lambda status: (status.get("bond") or status["bonds"][0])["hello_state"] == "idle"
            hg.wait_for("idle", idle, seconds=QUIET_S * 2)
            haap.wait_for("idle", idle)
            known = [name for name, leg in hg.status()["bond"]["legs"].items() if "rtt_us" in leg]
            lab.check("hg: nothing is known of round trips any more", not known, str(known))
            time.sleep(215)  # Two idle intervals pass.
            lab.check("the bond is up all the time", is_bonded(hg.status()) and idle(haap.status()))
            lab.event("one packet")
            ping("client", SERVER, 1)
            awake = lambda status: not idle(status)
            hg.wait_for("active", awake)
            haap.wait_for("active", awake)
            ping("client", SERVER, 30)
            check(lab, control.messages(capture.stop()), network.lte.hg_address)


def check(lab, messages, gateway):
    """The states as the wire has them, from the moment on at which the bond falls idle."""
    begun = control.saying(messages, control.IDLE_STATE, gateway)[0].time
    messages = [each for each in messages if each.time >= begun]
    for kind, name in ((control.IDLE_STATE, "idle"), (control.ACTIVE_STATE, "active")):
        said, echoed = control.saying(messages, kind, gateway), control.saying(messages, kind, HAAP)
        lab.check(f"{name}: said once, acknowledged once", len(said) == len(echoed) == 1, f"{len(said)}, {len(echoed)}")
    slept = control.saying(messages, control.IDLE_STATE, HAAP)[0].time
    woke = control.saying(messages, control.ACTIVE_STATE, HAAP)[0].time
    hellos = [each.time for each in messages if each.type == control.HELLO and each.source == gateway]
    between = [at for at in hellos if slept < at < woke - 5]
    lab.check("idle: a Hello each 100 s", 2 <= len(between) <= 3, str([round(at - slept) for at in between]))
    gaps = [after - before for before, after in zip(between, between[1:])]
    lab.check("idle: 100 s apart", all(99 < gap < 101.5 for gap in gaps), str(gaps))
    after = [at for at in hellos if at > woke]
    lab.check("active: a Hello each second again", len(after) >= 4, str(len(after)))
    lab.figure("idle_hellos", len(between))
