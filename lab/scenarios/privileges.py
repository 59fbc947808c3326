"""The daemons keep three capabilities, started as root or as nobody in particular, and the bond lives (village)."""

import os
import pathlib
import shutil
import time

from lab import namespaces, spillway
from lab.measure import flow
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), pathlib.Path(shutil.which("setpriv") or "/usr/bin/setpriv")]
NOBODY = 65534
# bind_service, net_admin and net_raw, by their numbers in capability.h.
KEPT = 1 << 10 | 1 << 12 | 1 << 13
# As deploy/systemd/spillway.service gives them; the last two only to be given up.
GIVEN = ("net_bind_service", "net_admin", "net_raw", "bpf", "perfmon")
BOUNDS = KEPT | 1 << 38 | 1 << 39

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        for who, before in (("root", ()), ("nobody", unprivileged())):
            if who == "nobody":
                os.chown("/run/spillway", NOBODY, NOBODY)
            # The queue before both legs is a program that takes a capability to load.
            more = {"colour": {"overflow": "queue"}}
            haap = Spillway(lab, "haap", settings("haap", network, **more), before=before)
            hg = Spillway(lab, "hg", settings("hg", network, **more), before=before)
            with haap, hg:
                hg.wait_for("bonded", is_bonded)
                for daemon in (hg, haap):
                    keeps(lab, f"{who}, {daemon.host}", daemon.process.pid, NOBODY if before else 0)
                qdiscs = namespaces.run("hg", "tc", "qdisc", "show", "dev", "bond0")
                lab.check(f"{who}: the program was loaded", "qdisc fq " in qdiscs and "clsact" in qdiscs, qdiscs)
                # A leg that comes back needs new sockets, routes and elements.
                network.lte.carrier(False)
                hg.wait_for("dsl alone", lambda status: not is_bonded(status))
                network.lte.carrier(True)
                hg.wait_for("bonded again", is_bonded)
                # As root all other scenarios measure it.
                if before:
                    # What the leg carries has to be found again first.
                    got = flow.tcp("client", "server", SERVER, 2, reverse=True, omit=3)
                    lab.at_least(f"{who}: share of the sum", got.mbit / network.bond_limit_mbit("down"), 0.9)
            time.sleep(0.1)
            # What other daemons of this machine write there, they write as root without the right to do so anywhere.
            os.chown("/run/spillway", 0, 0)
            for host in ("hg", "haap"):
                left = namespaces.run(host, "nft", "list", "tables") + namespaces.run(host, "ip", "link", "show")
                lab.check(f"{who}: nothing is left at {host}", "spillway" not in left, left)


def unprivileged() -> tuple[str, ...]:
    every = ",".join(["-all", *(f"+{each}" for each in GIVEN)])
    return (
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--inh-caps={every}",
        f"--ambient-caps={every}", f"--bounding-set={every}",
    )


def keeps(lab, who: str, process: int, user: int) -> None:
    """What the kernel says of the process."""
    lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    lab.check(f"{who}: user", status["Uid"].split()[1] == str(user), status["Uid"])
    for each in ("CapPrm", "CapEff"):
        lab.check(f"{who}: {each}", int(status[each], 16) == KEPT, status[each])
    for each in ("CapInh", "CapAmb"):
        lab.check(f"{who}: {each}", int(status[each], 16) == 0, status[each])
    # Who may not change the bounding set may have what he was given in it, and no_new_privs makes that nothing.
    allowed = (KEPT,) if user == 0 else (KEPT, BOUNDS)
    lab.check(f"{who}: CapBnd", int(status["CapBnd"], 16) in allowed, status["CapBnd"])
    lab.check(f"{who}: no new privileges", status["NoNewPrivs"] == "1", status["NoNewPrivs"])
