"""What a bond costs that carries nothing: memory and threads of both daemons (village)."""

import pathlib
import time

from lab import spillway
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        haap, hg = Spillway(lab, "haap", settings("haap", network)), Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            # Some Hellos on each leg, so that everything that is allocated once has been.
            time.sleep(10)
            for daemon in (hg, haap):
                text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
                values = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
                lab.figure(f"{daemon.host}_rss_kb", int(values["VmRSS"].split()[0]))
                lab.figure(f"{daemon.host}_threads", int(values["Threads"]))
                lab.at_most(f"{daemon.host}: threads", int(values["Threads"]), 2)
