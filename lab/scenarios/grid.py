"""One flow over two unlike links, beside what people use instead: each leg alone, GRE with overflow, bonding, MPTCP."""

import contextlib
import dataclasses
import json
import os
import time

from lab import both_legs, namespaces, peers, spillway
from lab.measure import compared, flow
from lab.measure.counters import tcp_counters
from lab.measure.ping import Pinger, ping
from lab.scenario import Failed
from lab.scenarios.cost import idle
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), *both_legs.MPTCPIZE]
# Which of it is measured: CELLS[:LOADS[:WAYS]] one after the other with commas, as in DEFAULT, or `all`.
CHOICE = os.environ.get("SPILLWAY_CELLS", "")
LOADS = [f"{kind}-{way}" for way in ("down", "up") for kind in ("cubic", "cubic-8", "bbr", "bbr-8", "udp")]
WAYS = ("dsl", "lte", "bond", "police", "gre", "bonding", "mptcp")
DEFAULT = (
    "16+50@25:cubic-down,"
    "16+50@25:udp-down:dsl|lte|bond|gre|bonding,"
    "16+50@25/0.1:cubic-down:dsl|lte|bond|gre|bonding|mptcp,"
    "50+100@25:cubic-down:dsl|lte|bond|gre|bonding|mptcp,"
    "16+50@25:cubic-8-down:dsl|lte|bond|gre|bonding|mptcp,"
    "16+50@25:cubic-up:lte|bond|gre|mptcp,"
    "16+50@60:cubic-down:lte|bond|gre|mptcp,"
    "16+50@25:bbr-down:lte|bond|gre|mptcp"
)
ALL = [f"{dsl}+{lte}@{delay}/{loss}" for dsl in (16, 50, 100) for lte in (50, 100) for delay in (25, 60)
       for loss in (0, 0.01, 0.1)]
# A leg alone is soon at its rate.
SECONDS, ALONE_SECONDS, ALONE_OMIT = 4, 3, 3
# There are few losses in four seconds.
LOSSY_SECONDS = 8
# Payload of a datagram: 1400 bytes of IP, which all tunnels carry whole.
DATAGRAM = 1372
SPARSE = 50
# Guards against getting worse, for the aims in lab/measure/compared.py; with losses chance has its part.
GUARDS = {"share": 0.85, "better": 0.95, "first": 0.9, "peer": 0.95, "added_ms": 20}
# A window that has to be half as long again takes longer to grow.
FAR_GUARDS = GUARDS | {"first": 0.6}
LOSSY_GUARDS = GUARDS | {"better": 0.95, "first": 0.65, "peer": 0.5}
# There the bond may do without LTE.
FAR_LOSSY_GUARDS = GUARDS | {"better": 0.9, "first": 0.25, "peer": 0.6}


def prepare() -> None:
    spillway.prepare()
    both_legs.install()


@dataclasses.dataclass(frozen=True)
class Cell:
    """Rates of both links in Mbit/s, the same up and down; LTE's delay in ms one way and its loss in percent."""

    dsl: float
    lte: float
    delay: float
    loss: float

    @classmethod
    def parse(cls, text: str) -> "Cell":
        links, _, rest = text.partition("@")
        delay, _, loss = rest.partition("/")
        return cls(*map(float, links.split("+")), float(delay), float(loss or 0))

    @property
    def growth(self) -> int:
        """Seconds that a flow over both legs needs to find what they carry: its window grows by round trips."""
        return (10 if self.dsl + self.lte < 100 else 16) + (4 if self.delay > 25 else 0)

    @property
    def datagrams_limit_mbit(self) -> float:
        """Payload of datagrams through the bond: a frame is their packet and 46 bytes long (lab/topology.py)."""
        return (self.dsl + self.lte) * DATAGRAM / (DATAGRAM + 28 + 46)

    def __str__(self) -> str:
        return f"{self.dsl:g}+{self.lte:g}@{self.delay:g}/{self.loss:g}"


def chosen(text: str):
    """Cell, load and way of each measurement, in order."""
    if text == "all":
        text = ",".join(ALL)
    for part in (text or DEFAULT).split(","):
        cell, _, rest = part.partition(":")
        loads, _, ways = rest.partition(":")
        for load in loads.split("|") if loads else LOADS:
            for way in ways.split("|") if ways else WAYS:
                if way != "mptcp" or not load.startswith("udp"):
                    yield Cell.parse(cell), load, way


def run(lab):
    namespaces.run(None, "modprobe", "-qa", "tcp_bbr", check=False)
    namespaces.run(None, "sysctl", "-qw", "net.core.rmem_max=4194304", "net.core.wmem_max=4194304")
    rows, quiet, before = [], 0.0, None
    with Topology.load("city") as network:
        for cell, load, way in chosen(CHOICE):
            if cell != before:
                network.dsl.change(mbit=cell.dsl, delay_ms=10)
                network.lte.change(mbit=cell.lte, delay_ms=cell.delay, loss_percent=cell.loss)
                with peers.plain(network):
                    quiet = ping("client", SERVER, 10).rtt_ms["p50"]
                before = cell
            row = {"cell": str(cell), "load": load, "way": way, "idle_ms": quiet}
            try:
                row |= measured(lab, network, cell, load, way)
            except (RuntimeError, namespaces.CommandError, Failed) as error:
                lab.check(f"{cell}, {load}, {way}: measured", False, str(error))
                continue
            row |= {f"added_{each}_ms": round(row[f"ping_{each}_ms"] - quiet, 1) for each in ("p50", "p99")}
            rows.append(row)
            lab.say(json.dumps(row))
            lab.save_now("grid.json", json.dumps(rows, indent=1) + "\n")
            lab.save_now("grid.md", compared.markdown(rows, judged(rows)))
    found = judged(rows)
    # What a busy processor may have kept from it is in the table only.
    for name, aim in [(name, aim) for name, aim in found if not aim.doubtful or aim.holds(aim.aim)]:
        (lab.at_most if aim.most else lab.at_least)(f"{name}: {aim.name}", aim.value, aim.guard)
    lab.figure("aims_judged", len(found))
    lab.figure("aims_missed", sum(not aim.holds(aim.aim) for _, aim in found))
    lab.save_now("grid.svg", compared.picture(rows))


def judged(rows) -> list[tuple[str, compared.Aim]]:
    """Every aim of the bond in what was measured, with the case's name."""
    found = []
    for (cell, load), case in compared.cases(rows).items():
        links = Cell.parse(cell)
        near, far = (LOSSY_GUARDS, FAR_LOSSY_GUARDS) if links.loss else (GUARDS, FAR_GUARDS)
        guards = far if links.delay > 25 else near
        for aim in compared.aims(case, links.loss > 0, guards):
            found.append((f"{compared.described(cell)}, {compared.traffic(load)}", aim))
    return found


@contextlib.contextmanager
def bond(lab, network, overflow):
    told = {host: settings(host, network, colour={"overflow": overflow}) for host in ("hg", "haap")}
    with Spillway(lab, "haap", told["haap"]), Spillway(lab, "hg", told["hg"]) as hg:
        hg.wait_for("bonded", is_bonded)
        time.sleep(3)
        yield


def measured(lab, network, cell, load, way) -> dict:
    """One row: what the load got by this way in the cell, and what a sparse flow beside it met."""
    ways = {
        "dsl": lambda: peers.plain(network, "dsl"), "lte": lambda: peers.plain(network, "lte"),
        "bond": lambda: bond(lab, network, "queue"), "police": lambda: bond(lab, network, "police"),
        "gre": lambda: both_legs.gre_overflow(network), "bonding": lambda: both_legs.bonding(network),
        "mptcp": lambda: both_legs.mptcp(network),
    }
    seconds, omit = LOSSY_SECONDS if cell.loss else SECONDS, cell.growth
    if way in ("dsl", "lte"):
        seconds, omit = max(seconds - 1, ALONE_SECONDS), ALONE_OMIT + (3 if cell.delay > 25 and way == "lte" else 0)
    # MPTCP needs an end that has both addresses.
    near, address = ("hg", network.dsl.hg_address) if way == "mptcp" else ("client", CLIENT)
    down = load.endswith("-down")
    sender, receiver, to = ("server", near, address) if down else (near, "server", SERVER)
    with ways[way]():
        lab.wait(f"{way}: passes", lambda: ping(near, SERVER, 1).received == 1)
        if load.startswith("udp"):
            asked, limit = SERVER if down else CLIENT, cell.datagrams_limit_mbit
            bulk = flow.Offer(sender, receiver, asked, seconds, mbit=cell.dsl + cell.lte, size=DATAGRAM, omit=omit)
        else:
            limit = network.bond_limit_mbit("down" if down else "up")
            bulk = flow.TCP(
                near, "server", SERVER, seconds, reverse=down, omit=omit, streams=8 if "-8-" in load else 1,
                congestion=load.split("-")[0], before=("mptcpize", "run") if way == "mptcp" else ())
        try:
            time.sleep(omit + 0.3)
            window = seconds - 0.5
            beside, counted = sparse(near, sender, receiver, to, window)
            got = bulk.result()
        finally:
            bulk.stop()
    row = {"mbit": round(got.mbit, 2), "limit_mbit": round(limit, 2), "share": round(got.mbit / limit, 3)} | beside
    if load.startswith("udp"):
        return row | {
            "out_of_order": got.out_of_order, "out_of_order_share": round(got.out_of_order / max(1, got.received), 4),
            "lost_share": round(got.lost_share, 4)}
    # About that many segments came while these counted.
    segments = got.mbit * 1e6 * window / 8 / 1388
    return row | {
        "out_of_order": counted["TcpExtTCPOFOQueue"], "retransmits": counted["TcpRetransSegs"],
        "out_of_order_share": round(counted["TcpExtTCPOFOQueue"] / segments, 4),
        # What MPTCP puts in order above its flows, each of which is in order.
        "mptcp_out_of_order": counted["MPTcpExtOFOQueue"],
        "each_half_second": [round(each["sum"]["bits_per_second"] / 1e6, 1) for each in got.raw["intervals"]],
    }


def sparse(near, sender, receiver, to, seconds) -> tuple[dict, dict]:
    """What 50 echoes and 50 datagrams a second meet, and how busy the processor was; and what TCP counted meanwhile:
    what was sent again by its sender, the rest by its receiver."""
    begun, spare = time.monotonic(), idle()
    counted = {host: tcp_counters(host) for host in (sender, receiver)}
    echoes = Pinger(near, SERVER, round(seconds * SPARSE), interval=1 / SPARSE)
    datagrams = flow.UDP(sender, receiver, to, seconds, mbit=SPARSE * 200 * 8 / 1e6, size=200)
    time.sleep(seconds - 0.1)
    busy = 1 - (idle() - spare) / (time.monotonic() - begun)
    after = {host: tcp_counters(host) for host in (sender, receiver)}
    echo, late = echoes.result(), datagrams.result()
    if not echo.received or not late.received:
        raise RuntimeError("nothing of the sparse flow has come")
    names = {"TcpRetransSegs": sender, "TcpExtTCPOFOQueue": receiver, "MPTcpExtOFOQueue": receiver}
    return {
        "busy": round(busy, 3), "ping_p50_ms": echo.rtt_ms["p50"], "ping_p95_ms": echo.rtt_ms["p95"],
        "ping_p99_ms": echo.rtt_ms["p99"], "ping_lost": echo.sent - echo.received,
        "one_way_p95_ms": late.delay_ms["p95"], "sparse_lost": late.lost,
    }, {name: after[host][name] - counted[host][name] for name, host in names.items()}
