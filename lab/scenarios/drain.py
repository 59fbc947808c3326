"""Maintenance: an aggregation point is drained, gateways hear why, wait, and come back (village)."""

import json
import struct

from lab import namespaces, spillway
from lab.measure import control
from lab.measure.capture import Capture
from lab.measure.ping import ping
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
MAINTENANCE = 10

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network))
        hg = Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            refused = spillway.command("drain", hg)
            lab.check("a gateway cannot be drained", refused.returncode == 1, refused.stderr.strip())
            captures = [
                Capture("hg", leg.name, lab.out / f"hg-{leg.name}.pcap", snap=256, filter="proto 47")
                for leg in network.legs
            ]
            lab.event("drain")
            done = spillway.command("drain", haap)
            lab.check("spillway drain", done.returncode == 0, done.stdout + done.stderr)
            haap.wait_for("no bond is left", lambda status: status["draining"] and not status["bonds"])
            hg.wait_for("no bond", lambda status: status["bond"]["state"] == "down")
            for host in ("haap", "hg"):
                links = json.loads(namespaces.run(host, "ip", "-j", "link"))
                lab.check(f"{host}: no device is left", not [l for l in links if l["ifname"].startswith("bond")])
            lab.wait("the gateway asks again, later", lambda: asked(hg) >= 2, seconds=120, interval=0.5)
            lab.check("and gets no bond", not haap.status()["bonds"])
            haap.stop()
            haap.start()
            hg.wait_for("bonded after the maintenance", is_bonded, seconds=180)
            lab.check("and carries", ping("client", SERVER, 3).received == 3)
            files = [each.stop() for each in captures]
            torn = [each for file in files for each in control.messages(file) if each.type == control.TEAR_DOWN]
            codes = {struct.unpack("!I", each.value(control.ERROR_CODE))[0] for each in torn}
            tunnels = {each.tunnel for each in torn}
            lab.check("Tear Down with code 10 on each leg", codes == {MAINTENANCE} and len(tunnels) == 2, str(torn))
            denied = [each for file in files for each in control.messages(file) if each.type == control.SETUP_DENY]
            codes = {struct.unpack("!I", each.value(control.ERROR_CODE))[0] for each in denied}
            lab.check("Deny with code 10 meanwhile", codes == {MAINTENANCE}, str(codes))
            asked_at = [each.time for file in files for each in control.messages(file)
                        if each.type == control.SETUP_REQUEST and each.time > torn[0].time]
            lab.figure("first_request_after_s", asked_at[0] - torn[0].time)
            lab.at_least("the gateway waits before it asks again, s", asked_at[0] - torn[0].time, 3)
            lab.check("from H", all(each.source == HAAP for each in torn))


def asked(hg) -> int:
    """Denials so far, by the gateway's log."""
    return hg.log().count("setup-denied")
