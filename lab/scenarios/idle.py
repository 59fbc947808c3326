"""What a bond costs that carries nothing: memory, threads and wake-ups of both daemons; and one that does (village)."""

import time

from lab import spillway
from lab.measure import flow, sizes
from lab.measure.tables import table
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
# Seconds without traffic: some Hellos of each leg, which each daemon has a wake-up for.
QUIET_S = 40
BUSY_S = 4

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        # As it is in the field, where it is not set.
        haap = Spillway(lab, "haap", settings("haap", network, session={"active_hello_interval": "10 s"}))
        hg = Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            # Some Hellos on each leg, so that everything that is allocated once has been.
            time.sleep(12)
            waked(lab, (hg, haap), "idle", lambda: time.sleep(QUIET_S))
            for daemon in (hg, haap):
                values = sizes.status(daemon.process.pid)
                lab.figure(f"{daemon.host}_rss_kb", sizes.resident(daemon.process.pid))
                lab.figure(f"{daemon.host}_threads", int(values["Threads"]))
                lab.at_most(f"{daemon.host}: threads", int(values["Threads"]), 2)
                lab.at_most(f"{daemon.host}: wake-ups in a second, idle", lab.figures[f"{daemon.host}_idle_wakeups_per_s"], 15)
            waked(lab, (hg, haap), "busy", lambda: busy(lab))
        lab.save_now("idle.md", markdown(lab.figures))


def waked(lab, daemons, name: str, meanwhile) -> None:
    """How often each of them went to sleep, so was woken, and how much of the processor it took."""
    def counts():
        processes = [each.process.pid for each in daemons]
        return [(int(sizes.status(each)["voluntary_ctxt_switches"]), sizes.worked(each)) for each in processes]

    before, begun = counts(), time.monotonic()
    meanwhile()
    lapse = time.monotonic() - begun
    for daemon, (woken, worked), now in zip(daemons, before, counts()):
        lab.figure(f"{daemon.host}_{name}_wakeups_per_s", round((now[0] - woken) / lapse, 1))
        lab.figure(f"{daemon.host}_{name}_processor_percent", round((now[1] - worked) / lapse * 100, 2))


def busy(lab) -> None:
    """One flow down, by both legs: the gateway puts its packets in order."""
    got = flow.tcp("client", "server", SERVER, BUSY_S, reverse=True)
    lab.figure("busy_mbit", got.mbit)
    lab.figure("busy_packets_per_s", round(got.mbit * 1e6 / 8 / 1388))


def markdown(figures) -> str:
    flow = f"one flow down by both legs ({figures['busy_mbit']:.1f} Mbit/s, {figures['busy_packets_per_s']} packets a second)"
    lines = {
        "threads": lambda each: f"{each('threads')}",
        "resident, one bond, MB": lambda each: f"{each('rss_kb') / 1024:.1f}",
        "wake-ups a second without traffic": lambda each: f"{each('idle_wakeups_per_s'):.1f}",
        "share of the processor": lambda each: f"{each('idle_processor_percent'):.2f} %",
        f"wake-ups a second, {flow}": lambda each: f"{each('busy_wakeups_per_s'):.0f}",
        "share of the processor meanwhile": lambda each: f"{each('busy_processor_percent'):.2f} %",
    }
    rows = [[words, *(text(lambda name: figures[f"{host}_{name}"]) for host in ("hg", "haap"))] for words, text in lines.items()]
    return table(["", "gateway", "aggregation point"], rows) + "\n"
