"""Modules, addresses and queues that are not to be had; access links that come back with another index (village)."""

import contextlib
import os
import pathlib
import signal
import socket
import time

from lab import namespaces, spillway
from lab.measure.ping import ping
from lab.measure.state import brief, difference, settle
from lab.scenarios.faults import has_all
from lab.spillway import Spillway, is_bonded, leg_states, settings, uses_only
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
LOADER = pathlib.Path("/proc/sys/kernel/modprobe")
# Seconds from the moment the kernel has what it lacked.
LIMIT = 3
# Module, what the kernel asks its loader for, which daemon ends without it, what that says.
AT_ONCE = (
    ("nfnetlink_queue", "nfnetlink-subsys-3", "hg", "nfnetlink_queue"),
    ("dummy", "rtnl-link-dummy", "haap", "spillway0"),
)
LATER = (
    ("dummy", "rtnl-link-dummy", "spillway0"),
    ("ip_gre", "rtnl-link-gre", "bond0"),
    ("nft_queue", "nft-expr-", "NFTA_RULE_EXPRESSIONS.queue"),
)

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network, Loader(lab) as loader:
        settle(lab, "hg", "haap")
        without = {host: brief(host) for host in ("hg", "haap")}
        daemons = {host: Spillway(lab, host, settings(host, network)) for host in ("hg", "haap")}
        for module, asked, host, said in AT_ONCE:
            refuses(lab, loader, daemons[host], module, asked, said, without[host])
        for module, asked, said in LATER:
            recovers(lab, network, loader, daemons, module, asked, said)
        stands_in(lab, loader, daemons)
        elsewhere(lab, network, daemons["haap"])
        with daemons["haap"], daemons["hg"]:
            daemons["hg"].wait_for("bonded", has_all)
            for daemon in daemons.values():
                doubled(lab, network, daemon)
            replaced(lab, network, daemons["hg"])


class Loader:
    """What the kernel asks for modules: a script that denies some of them."""

    def __init__(self, lab):
        self.lab = lab
        self.script, self.denied = lab.out / "loader", lab.out / "denied"
        self.script.write_text(f"""#!/bin/sh
for word in $(cat {self.denied}); do case "$*" in *"$word"*) exit 1 ;; esac; done
exec {LOADER.read_text().strip()} "$@"
""")
        self.script.chmod(0o755)

    def __enter__(self):
        self.denied.write_text("")
        self.before = LOADER.read_text()
        LOADER.write_text(str(self.script))
        return self

    def __exit__(self, *exception):
        LOADER.write_text(self.before)

    @contextlib.contextmanager
    def without(self, module: str, asked: str):
        """As if the kernel had been built without this module."""
        with contextlib.suppress(namespaces.CommandError):
            namespaces.run(None, "modprobe", "-r", module)
        loaded = any(line.split()[0] == module for line in pathlib.Path("/proc/modules").read_text().splitlines())
        self.lab.check(f"{module} is not there", not loaded, required=True)
        self.denied.write_text(asked)
        try:
            yield
        finally:
            self.denied.write_text("")


def refuses(lab, loader: Loader, daemon: Spillway, module: str, asked: str, said: str, without: list[str]):
    """What nothing works without: an end with status 1 and a line that says what is missing; nothing is left."""
    with loader.without(module, asked):
        written = len(daemon.log())
        daemon.start()
        lab.wait(f"without {module} {daemon.host} ends", lambda: not daemon.alive(), seconds=10)
        code, log = daemon.stop(), daemon.log()[written:]
        lines = [line for line in log.splitlines() if "level=error" in line or "level=critical" in line]
        lab.check(f"without {module} {daemon.host} says so, status 1", code == 1 and said in "".join(lines),
                  f"{code}: {lines}")
        off = difference(without, brief(daemon.host))
        lab.check("and leaves nothing", not off, "; ".join(off)[:800])


def recovers(lab, network, loader: Loader, daemons, module: str, asked: str, said: str):
    """What the gateway goes on without until it is there."""
    hg, haap = daemons["hg"], daemons["haap"]
    with loader.without(module, asked):
        written = len(hg.log())
        if module == "ip_gre":
            # It is asked for when there is a bond.
            haap.start()
        hg.start()
        time.sleep(3)
        lines = [line for line in hg.log()[written:].splitlines() if "reason=kernel-refused" in line]
        lab.check(f"without {module} the gateway says what it cannot have", any(said in line for line in lines),
                  f"{lines[:2]}")
        lab.check("and lives", hg.alive(), hg.log()[-500:], required=True)
    if haap.process is None:
        haap.start()
    hg.wait_for(f"bonded with {module}", has_all, seconds=60)
    time.sleep(LIMIT)
    lab.check(f"{module} is there now: the bond carries", ping("client", SERVER, 2).received == 2)
    lab.check("in order", (hg.stop(), haap.stop()) == (0, 0))


def stands_in(lab, loader: Loader, daemons):
    """Without `fq` there is no queue before both legs: `police` it is, which is said."""
    hg, haap = daemons["hg"], daemons["haap"]
    with loader.without("sch_fq", "sch_fq"):
        written = len(hg.log())
        haap.start()
        hg.start()
        hg.wait_for("bonded without fq", has_all)
        time.sleep(1)
        filters = namespaces.run("hg", "tc", "filter", "show", "dev", "bond0", "egress")
        lab.check("without sch_fq: police stands in", "police" in filters, filters[:300])
        lab.check("and it is said", "LTE takes what police refuses" in hg.log()[written:])
        lab.check("the bond carries", ping("client", SERVER, 2).received == 2)
        lab.check("in order once more", (hg.stop(), haap.stop()) == (0, 0))


def elsewhere(lab, network, haap: Spillway):
    """An aggregation point whose address is not on its host runs, as the address may come, and says so."""
    own, written = haap.value, len(haap.log())
    lab.check("nothing is said of addresses that are there", "address-missing" not in haap.log())
    haap.configure(settings("haap", network, address=["192.0.2.99"], anycast=[HAAP]))
    haap.start()
    haap.wait_for("runs without its address", lambda status: True)
    said = [line for line in haap.log()[written:].splitlines() if "reason=address-missing" in line]
    lab.check("it says which address is missing", len(said) == 1 and "address=192.0.2.99" in said[0]
              and "level=warning" in said[0], str(said))
    lab.check("and ends in order", haap.stop() == 0)
    haap.configure(own)


def doubled(lab, network, first: Spillway):
    """A second daemon on a host says what is wrong, and does nothing to the first one's objects."""
    host, name, own = first.host, f"second-{first.host}", first.value
    other = {"control": {"socket": f"/run/spillway/{name}.sock"}, "state": {"directory": f"/run/spillway/{name}"}}
    before = brief(host)
    second = Spillway(lab, host, settings(host, network, **other))
    second.log_file = lab.out / f"{name}.log"
    second.start()
    lab.wait(f"a second daemon in {host} ends", lambda: not second.alive(), seconds=10)
    code, log = second.stop(), second.log()
    said = "bind queue 5300: EPERM: another daemon or program on this host has the queue"
    lab.check(f"a second daemon in {host} says why, status 1", code == 1 and said in log, f"{code}: {log[-500:]}")
    off = difference(before, brief(host))
    lab.check("the first one's objects are as they were", not off, "; ".join(off)[:800])
    # Both have one file.
    first.configure(own)


def replaced(lab, network, hg: Spillway):
    """A device vanishes and another one has its name: seen one after the other, or both at once."""
    hg.wait_for("bonded", has_all)
    time.sleep(3)
    before = brief("hg")
    for leg, other in ((network.dsl, network.lte), (network.lte, network.dsl)):
        for at_once in (False, True):
            how = f"{leg.name} is replaced, {'seen at once' if at_once else 'one after the other'}"
            old = device(leg.name)
            if at_once:
                os.kill(hg.process.pid, signal.SIGSTOP)
            leg.vanish()
            if not at_once:
                hg.wait_for(f"uses only {other.name}", uses_only(other.name))
            leg.reappear()
            if at_once:
                os.kill(hg.process.pid, signal.SIGCONT)
            lab.check(f"{how}: another index", device(leg.name) != old, f"{old} then {device(leg.name)}")
            begun = time.monotonic()
            hg.wait_for("bonded", is_bonded, seconds=60)
            lab.wait(f"{how}: all is on the new device", lambda: not difference(before, brief("hg")), seconds=10)
            lab.figure(f"{leg.name}_{'at_once' if at_once else 'later'}_s", time.monotonic() - begun)
            other.carrier(False)
            hg.wait_for(f"uses only {leg.name}", uses_only(leg.name))
            got = ping("client", SERVER, 3)
            lab.check(f"{how}: it carries", got.received == 3, f"{got.received}; {leg_states(hg.status())}")
            time.sleep(8)
            alone = leg_states(hg.status())
            lab.check(f"{how}: its Hellos are answered", alone[leg.name] == "up", str(alone))
            other.carrier(True)
            hg.wait_for("bonded again", is_bonded, seconds=120)


def device(name: str) -> int:
    with namespaces.inside("hg"):
        return socket.if_nametoindex(name)
