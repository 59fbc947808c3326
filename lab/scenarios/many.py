"""Ten thousand bonds at one aggregation point: their set-up, what status, metrics and page cost; half an hour."""

import contextlib
import json
import os
import subprocess
import time

from lab import spillway
from lab.scenarios import blast
from lab.scenarios.metrics import get, resident, values
from lab.spillway import Spillway, settings
from lab.topology import HAAP, Topology

VIRTUAL_TIME = True
NEEDS = blast.NEEDS
BONDS = int(os.environ.get("SPILLWAY_BONDS", "10000"))

prepare = blast.prepare


def run(lab):
    line = {"up_mbit": 1000, "down_mbit": 1000}
    with Topology.load("village", dsl=line, lte=line) as network:
        blast.lines(network)
        subscribers = [{"cin": f"gateway-{number}", "dsl_downstream": "50 Mbit/s"} for number in range(BONDS)]
        value = settings("haap", network, subscriber=subscribers, http={"listen": 9157}, log={"level": "notice"},
                         session={"active_hello_interval": "10 s"})
        haap = Spillway(lab, "haap", value)
        with haap:
            haap.wait_for("answers", lambda status: status["summary"]["configured"] == BONDS, seconds=60)
            empty = resident(haap)
            begun = time.monotonic()
            with gateways(lab, BONDS):
                haap.wait_for("all are up", lambda status: status["summary"]["up"] == BONDS, seconds=600, every=1)
                lab.figure("bonds", BONDS)
                lab.figure("set_up_s", time.monotonic() - begun)
                time.sleep(12)
                asked(lab, haap)
                lab.figure("resident_kb", resident(haap))
                lab.figure("resident_kb_per_bond", (resident(haap) - empty) / BONDS)


@contextlib.contextmanager
def gateways(lab, bonds):
    """All of them, by both legs, for as long as this lasts; what they have seen becomes figures."""
    words = ["ip", "netns", "exec", "hg", str(blast.BLAST), HAAP, "--dsl", blast.DSL, "--lte", blast.LTE, "--json",
             "--gateways", str(bonds), "--rate", "400", "--seconds", "100000"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=600)
        seen = json.loads(output.splitlines()[-1])
        for name in ("set_ups_per_s", "set_up_ms_p50", "set_up_ms_p99", "hello_ms_p50", "hello_ms_p99"):
            lab.figure(name, seen[name])
        lab.check("no gateway lost a leg or a Hello", not seen["lost_legs"] and seen["up"] == bonds, str(seen))


def asked(lab, haap):
    """On the virtual clock an instruction is a nanosecond, whatever the machine: these times are comparable."""
    cases = {
        "scrape": lambda: get("haap", "/metrics"), "page": lambda: get("haap", "/"), "top": lambda: get("haap", "/facts.json"),
        "status": lambda: json.loads(spillway.command("status", haap, "--json").stdout),
        "status_one": lambda: json.loads(spillway.command("status", haap, f"gateway-{BONDS - 1}", "--json").stdout),
        "status_all": lambda: spillway.command("status", haap, "--all", "--json"),
        "status_worst": lambda: spillway.command("status", haap, "--sort", "health", "--filter", "unhealthy", "--json"),
        "version_alone": lambda: subprocess.run([str(spillway.binary()), "--version"], capture_output=True),
    }
    for name, ask in cases.items():
        took = []
        for _ in range(5):
            used, begun = processor(haap), time.monotonic()
            answer = ask()
            took.append((processor(haap) - used, (time.monotonic() - begun) * 1e3))
        lab.figure(f"{name}_daemon_ms", min(each[0] for each in took))
        lab.figure(f"{name}_ms", min(each[1] for each in took))
        if name == "scrape":
            lab.figure("scrape_bytes", len(answer[2]))
            lab.at_most("a scrape, ms", min(each[1] for each in took), 50)
        if name == "status_all":
            lab.figure("status_all_bytes", len(answer.stdout))
            lab.check("all of them", len(json.loads(answer.stdout)["bonds"]) == BONDS)
        if name == "status_one":
            lab.check("the one", [bond["client"] for bond in answer["bonds"]] == [f"gateway-{BONDS - 1}"], str(answer)[:300])
        if name == "status":
            lab.check("a hundred of them", len(answer["bonds"]) == min(100, BONDS))
    lab.check("metrics", values("haap")["spillway_bonds_up"] == BONDS)
    used, begun = processor(haap), time.monotonic()
    time.sleep(30)
    lab.figure("samples_percent_of_a_processor", (processor(haap) - used) / (time.monotonic() - begun) / 10)


def processor(haap) -> float:
    """Milliseconds that the daemon has worked so far."""
    return int(open(f"/proc/{haap.process.pid}/schedstat").read().split()[0]) / 1e6
