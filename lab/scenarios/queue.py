"""One queue before both legs, one cell of `cells`: LTE whole; and what stands in without BPF (village)."""

import pathlib
import shutil

from lab import namespaces, spillway
from lab.scenarios import cells
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), pathlib.Path(shutil.which("setpriv") or "/usr/bin/setpriv")]
# Takes the right to load programs into the kernel away, and nothing that the daemon needs otherwise.
WITHOUT_BPF = ("setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin")

prepare = spillway.prepare


def run(lab):
    # With nothing lost and nothing far TCP is soon at its rate.
    cells.table(lab, [(100, 0, 0)], seconds=4, start=3)
    lab.check("nothing of it is left", "spillway" not in namespaces.run(None, "bpftool", "map", "show"))
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network, colour=cells.QUEUE))
        with haap, Spillway(lab, "hg", settings("hg", network, colour=cells.QUEUE), before=WITHOUT_BPF) as hg:
            hg.wait_for("bonded", is_bonded)
            kinds = {host: namespaces.run(host, "tc", "filter", "show", "dev", "bond0", "egress") for host in ("hg", "haap")}
            lab.check("haap: the program chooses", "bpf" in kinds["haap"] and "police" not in kinds["haap"], kinds["haap"])
            lab.check("hg: without BPF police does", "bpf" not in kinds["hg"] and "police" in kinds["hg"], kinds["hg"])
            lab.check("hg: the log says so", "LTE takes what police refuses" in hg.log(), hg.log()[-500:])
