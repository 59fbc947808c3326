"""A thousand and ten thousand bonds at one aggregation point: what set-up, packets, questions and a restart cost; an hour."""

import contextlib
import json
import os
import signal
import subprocess
import time

from lab import namespaces, programs, spillway
from lab.measure import sizes
from lab.measure.tables import table
from lab.scenarios import blast, cost
from lab.scenarios.metrics import get, values
from lab.spillway import Spillway, settings, uses_only
from lab.topology import HAAP
from lab.town import Town

VIRTUAL_TIME = True
NEEDS = [*blast.NEEDS, cost.PROGRAM]
# One after the other, each with daemons of its own.
BONDS = [int(number) for number in os.environ.get("SPILLWAY_BONDS", "1000 10000").split()]
# Set-ups begun in a second. All at once at a new aggregation point is one thing, subscribers that come by and by another.
RATE = int(os.environ.get("SPILLWAY_BONDS_RATE", "400"))
# What a packet may cost more with all bonds there than with one.
DEARER = 1.15
# The gateways, who asks and the aggregation point share one processor. Of more bonds than these the gateways fall so far
# behind in the 16 seconds that a status of all takes that their Hellos come all at once: it is not asked for. And their
# gateways do nothing while the aggregation point starts again.
TOO_MANY = 4000


def prepare():
    blast.prepare()
    programs.compile("pingpong")


class Numbered:
    """The lab, for one number of bonds: its figures begin with that number."""

    def __init__(self, lab, bonds: int):
        self._lab, self.bonds = lab, bonds
        self.figures: dict[str, float] = {}

    def __getattr__(self, name):
        return getattr(self._lab, name)

    def figure(self, name: str, value) -> None:
        self.figures[name] = value
        self._lab.figure(f"{self.bonds}_{name}", value)


def run(lab):
    columns = []
    for bonds in BONDS:
        columns.append(Numbered(lab, bonds))
        measured(columns[-1])
        lab.save_now("many.md", markdown(columns))


def measured(lab: Numbered):
    line = {"up_mbit": 1000, "down_mbit": 1000}
    with Town.load("village", dsl=line, lte=line) as town:
        blast.lines(town)
        # The one whose packets are counted; the others are played where the first one of the town lives.
        real = town.gateways[1]
        played = [{"cin": f"gateway-{number}", "dsl_downstream": "50 Mbit/s"} for number in range(lab.bonds)]
        own = {"cin": real.cin, "routes": [f"{real.lan}.0/24"], "address": "100.64.0.2", "dsl_downstream": "50 Mbit/s"}
        value = settings("haap", town, subscriber=[own, *played], http={"listen": 9157}, log={"level": "notice"},
                         session={"active_hello_interval": "10 s"}, state={"directory": f"/run/spillway/haap-{lab.bonds}"})
        haap = Spillway(lab, "haap", value)
        # The processor is for what is measured.
        haap.watched = False
        value = settings("hg", town, cin=real.cin, log={"level": "notice"})
        with haap, Spillway(lab, real.host, value) as gateway:
            haap.wait_for("answers", lambda status: status["summary"]["configured"] == lab.bonds + 1, seconds=60)
            gateway.wait_for("bonded", spillway.is_bonded)
            real.carrier("lte", False)
            gateway.wait_for("DSL alone", uses_only("dsl"))
            alone = packet(lab, town, real, "one bond", haap, gateway)
            empty, slab = sizes.resident(haap.process.pid), kernel()
            begun = time.monotonic()
            with gateways(lab, lab.bonds) as process:
                haap.wait_for("all are up", all_up(lab.bonds), seconds=1800, every=2)
                lab.figure("set_up_s", time.monotonic() - begun)
                time.sleep(12)
                lab.figure("kernel_kb_per_bond", (kernel() - slab) / lab.bonds)
                asked(lab, haap)
                lab.figure("resident_kb", sizes.resident(haap.process.pid))
                lab.figure("resident_kb_per_bond", (sizes.resident(haap.process.pid) - empty) / lab.bonds)
                with stopped(process):
                    among = packet(lab, town, real, "all bonds", haap, gateway)
                for size in cost.SIZES:
                    dearer = among[size] / alone[size]
                    lab.figure(f"packet_{size}_dearer", round(dearer, 3))
                    lab.at_most(f"a packet of {size} bytes: with {lab.bonds} bonds to one", dearer, DEARER)
                with stopped(process) if lab.bonds > TOO_MANY else contextlib.nullcontext():
                    restarted(lab, haap)
                ends = time.monotonic()
            # A question to that many costs them a third of a second.
            pause = 2 if lab.bonds > TOO_MANY else 0.1
            haap.wait_for("all are given back", lambda status: status["summary"]["up"] == 1, seconds=300, every=pause)
            lab.figure("tear_down_s", time.monotonic() - ends)


def all_up(bonds: int):
    """A condition: those that are played, and the real one."""
    return lambda status: status["summary"]["up"] == bonds + 1


def kernel() -> int:
    """kB that the kernel has for itself, what each processor has of its own included."""
    values = sizes.memory()
    return sum(int(values[name].split()[0]) for name in ("Slab", "Percpu", "PageTables", "KernelStack"))


@contextlib.contextmanager
def stopped(*processes):
    """They do nothing for as long as this lasts, which is shorter than any patience with Hellos."""
    for each in processes:
        each.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in processes:
            each.send_signal(signal.SIGCONT)


def packet(lab, town, real, name: str, *daemons) -> dict[int, float]:
    """Microseconds for a packet from the client's sending to the server's receiving, while nobody does anything else: all
    of that is the kernel's on one leg."""
    receiver = namespaces.start("server", cost.PROGRAM, cost.PORT)
    try:
        with stopped(*(each.process for each in daemons)):
            # Nobody waits for the line.
            namespaces.run("dsl", "tc", "qdisc", "del", "dev", town.dsl.far, "root")
            took = {size: cost.cost(lab, f"{name}, {size} bytes", size, real.client) for size in cost.SIZES}
    finally:
        town.dsl.shape()
        receiver.terminate()
        receiver.wait()
    for size, value in took.items():
        lab.figure(f"packet_{size}_us_{name.replace(' ', '_')}", round(value, 2))
    return took


def restarted(lab, haap):
    """kill -9, and a start: all bonds are taken over from what the kernel has."""
    # What had to wait for its turn while the processor was another's is over.
    time.sleep(12)
    before = len(haap.log())
    haap.kill()
    devices = sizes.devices("haap")
    begun = time.monotonic()
    haap.start()
    haap.wait_for("answers for all", all_up(lab.bonds), seconds=600, every=0.2)
    lab.figure("restart_answers_s", time.monotonic() - begun)
    lab.wait("all is taken over", lambda: "reason=adopted" in haap.log()[before:], seconds=600)
    lab.figure("restart_adopted_s", time.monotonic() - begun)
    # Three Hellos of each gateway, where they say any.
    if lab.bonds <= TOO_MANY:
        time.sleep(30)
    lab.check("restarted: the same bonds", all_up(lab.bonds)(haap.status()) and sizes.devices("haap") == devices)


@contextlib.contextmanager
def gateways(lab, bonds):
    """All of them, by both legs, for as long as this lasts; what they have seen becomes figures."""
    words = ["ip", "netns", "exec", "hg", str(blast.BLAST), HAAP, "--dsl", blast.DSL, "--lte", blast.LTE, "--json",
             "--gateways", str(bonds), "--rate", str(RATE), "--seconds", "100000"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=600)
        seen = json.loads(output.splitlines()[-1])
        for name in ("set_ups_per_s", "set_up_ms_p50", "set_up_ms_p99", "hello_ms_p50", "hello_ms_p99"):
            lab.figure(name, seen[name])
        lab.figure("lost_legs", sum(seen["lost_legs"].values()))
        lab.check("no gateway lost a leg or a Hello", not seen["lost_legs"] and seen["up"] == bonds, str(seen))


def asked(lab, haap):
    """On the virtual clock an instruction is a nanosecond, whatever the machine: these times are comparable."""
    cases = {
        "scrape": lambda: get("haap", "/metrics"), "page": lambda: get("haap", "/"), "top": lambda: get("haap", "/facts.json"),
        "status": lambda: json.loads(spillway.command("status", haap, "--json").stdout),
        "status_one": lambda: json.loads(spillway.command("status", haap, f"gateway-{lab.bonds - 1}", "--json").stdout),
        "status_all": lambda: spillway.command("status", haap, "--all", "--json"),
        "status_worst": lambda: spillway.command("status", haap, "--sort", "health", "--filter", "unhealthy", "--json"),
        "version_alone": lambda: subprocess.run([str(spillway.binary()), "--version"], capture_output=True),
    }
    if lab.bonds > TOO_MANY:
        del cases["status_all"]
    for name, ask in cases.items():
        took = []
        # All of thousands take seconds: what is done once in that time is nothing beside them.
        for _ in range(1 if name == "status_all" else 5):
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
            lab.check("all of them", len(json.loads(answer.stdout)["bonds"]) == lab.bonds + 1)
        if name == "status_one":
            lab.check("the one", [bond["client"] for bond in answer["bonds"]] == [f"gateway-{lab.bonds - 1}"], str(answer)[:300])
        if name == "status":
            lab.check("a hundred of them", len(answer["bonds"]) == min(100, lab.bonds))
    lab.check("metrics", values("haap")["spillway_bonds_up"] == lab.bonds + 1)
    used, begun = processor(haap), time.monotonic()
    time.sleep(30)
    lab.figure("samples_percent_of_a_processor", (processor(haap) - used) / (time.monotonic() - begun) / 10)


def processor(haap) -> float:
    """Milliseconds that the daemon has worked so far."""
    return sizes.worked(haap.process.pid) * 1e3


def markdown(columns: list[Numbered]) -> str:
    def ms(*names):
        def text(of: dict[str, float]) -> str:
            took = [of[f"{name}_ms"] for name in names if f"{name}_ms" in of]
            return "; ".join(f"{each:.1f}" if each < 10 else f"{each:.0f}" for each in took)

        return text

    lines = {
        "all come at once: until the last is up, s": lambda of: f"{of['set_up_s']:.1f}",
        "kernel's memory for each bond, kB": lambda of: f"{of['kernel_kb_per_bond']:.1f}",
        "the daemon's memory for each bond, kB": lambda of: f"{of['resident_kb_per_bond']:.1f}",
        "at rest, with Hellos each 10 s by both legs, counters read and plans compared: share of the processor":
            lambda of: f"{of['samples_percent_of_a_processor']:.1f} %",
        "a scrape of the metrics, ms": ms("scrape"),
        "the page; `spillway top`, ms": ms("page", "top"),
        "`spillway status` of the first hundred; of one; of the unhealthiest; of all, ms":
            ms("status", "status_one", "status_worst", "status_all"),
        "of these the program's start": ms("version_alone"),
        "a packet of 64; of 1300 bytes by one leg of the real one: beside the same with no other bond":
            lambda of: "; ".join(f"{of[f'packet_{size}_dearer']:.2f}" for size in cost.SIZES),
        "a Hello is answered: median; 99 of 100, ms": lambda of: f"{of['hello_ms_p50']:.0f}; {of['hello_ms_p99']:.0f}",
        "`kill -9` and a start: until a question is answered, s": lambda of: f"{of['restart_answers_s']:.1f}",
        "until all is compared with the kernel, s": lambda of: f"{of['restart_adopted_s']:.1f}",
        "legs lost by that": lambda of: f"{of['lost_legs']}",
        "all end at once: until the last is gone, s": lambda of: f"{of['tear_down_s']:.1f}",
    }
    rows = [[words, *(text(each.figures) for each in columns)] for words, text in lines.items()]
    return table(["bonds", *(f"{each.bonds}" for each in columns)], rows) + "\n"
