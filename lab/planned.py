"""Runs what lab/plan.py has read: both daemons, the flows and the events, figures, expectations and pictures of it."""

import threading
import time

from lab.measure import flow
from lab.measure.counters import Counters
from lab.measure.ping import Pinger
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, CLIENT6, SERVER, SERVER6, Topology

ACTIONS = {
    "silent": lambda leg: leg.blackhole(True), "heard": lambda leg: leg.blackhole(False),
    "unplugged": lambda leg: leg.carrier(False), "plugged": lambda leg: leg.carrier(True),
    "vanishes": lambda leg: leg.vanish(), "reappears": lambda leg: leg.reappear(),
}
ADDRESSES = {("client", False): CLIENT, ("client", True): CLIENT6, ("server", False): SERVER, ("server", True): SERVER6}
LEGS = [("dsl", "DSL"), ("lte", "LTE")]
# Dots of a picture: more would only cost.
DOTS = 1500


def run(lab, plan) -> None:
    with Topology.load(plan.topology, **plan.links) as network:
        daemons = {host: Spillway(lab, host, settings(host, network, **plan.settings[host])) for host in ("haap", "hg")}
        with daemons["haap"], daemons["hg"]:
            daemons["hg"].wait_for("bonded", is_bonded)
            sides = {"down": "rx", "up": "tx"}
            devices = {f"{leg}_{way}": ("hg", leg, side) for leg, _ in LEGS for way, side in sides.items()}
            with Counters(devices) as counters:
                begun = time.monotonic()
                flows = [Running(lab, each, number, begun) for number, each in enumerate(plan.flows)]
                happened = _events(lab, plan, network, daemons, begun)
                for each in flows:
                    each.join()
    for each in flows:
        each.judge()
    _expectations(lab, plan)
    _pictures(lab, plan, network, counters.samples, happened, flows)


def _events(lab, plan, network, daemons, begun: float) -> list[dict]:
    """All of them, each at its time; returns when they were."""
    happened = []
    for event in plan.events:
        time.sleep(max(0.0, begun + event.at - time.monotonic()))
        happened.append({"t": time.monotonic() - begun, "label": event.label})
        lab.event(event.label)
        if event.restart:
            daemons[event.restart].stop()
            daemons[event.restart].start()
        elif event.kill:
            daemons[event.kill].kill()
            time.sleep(1)
            daemons[event.kill].start()
        elif isinstance(event.change, str):
            ACTIONS[event.change](network.leg(event.leg))
        else:
            network.leg(event.leg).change(**event.change)
    return happened


class Running(threading.Thread):
    """One flow of a plan, with what became of it: `rates` and `delays` are pairs of seconds and Mbit/s or ms."""

    def __init__(self, lab, plan, number: int, begun: float):
        super().__init__()
        self.plan = plan
        self.rates: list[tuple[float, float]] = []
        self.delays: list[tuple[float, float]] = []
        self._lab, self._begun, self._number = lab, begun, number
        self._figures: dict[str, float] = {}
        self._why = "it did not end"
        self.start()

    def run(self) -> None:
        time.sleep(max(0.0, self._begun + self.plan.at - time.monotonic()))
        try:
            getattr(self, f"_{self.plan.kind}")(time.monotonic() - self._begun)
            self._why = ""
        except Exception as error:  # Judged when all flows have ended.
            self._why = f"{type(error).__name__}: {error}"

    def judge(self) -> None:
        for name, value in self._figures.items():
            self._lab.figure(f"{self.plan.name}_{name}", value)
        self._lab.check(f"{self.plan.name}: something arrived", not self._why, self._why)

    def _tcp(self, at: float) -> None:
        down = self.plan.sender == "server"
        got = flow.tcp(
            "client", "server", ADDRESSES["server", self.plan.ipv6], self.plan.seconds, reverse=down, omit=0,
            port=flow.PORT + self._number, **self.plan.options)
        self.rates = [(at + end, mbit) for end, mbit in got.intervals]
        self._figures = {"mbit": got.mbit, "retransmits": got.retransmits or 0}
        self._arrived(got.mbit)

    def _udp(self, at: float) -> None:
        receiver = "client" if self.plan.sender == "server" else "server"
        size = self.plan.options.get("size", 1200)
        got = flow.udp(
            self.plan.sender, receiver, ADDRESSES[receiver, self.plan.ipv6], self.plan.seconds,
            port=5300 + self._number, **self.plan.options)
        step = 0.5
        counts = [0] * (int(self.plan.seconds / step) + 1)
        for moment, _ in got.arrivals:
            place = int((moment - self._begun - at) / step)
            if 0 <= place < len(counts):
                counts[place] += 1
        self.rates = [(at + (n + 1) * step, count * size * 8 / step / 1e6) for n, count in enumerate(counts[:-1])]
        self.delays = [(moment - self._begun, ms) for moment, ms in got.delays]
        self._figures = {
            "mbit": (got.received - got.duplicates) * size * 8 / self.plan.seconds / 1e6, "lost": got.lost,
            "out_of_order": got.out_of_order, "longest_gap_ms": got.longest_gap_ms,
        } | {f"delay_ms_{name}": value for name, value in got.delay_ms.items()}
        self._arrived(got.received)

    def _ping(self, at: float) -> None:
        receiver = "client" if self.plan.sender == "server" else "server"
        pause = self.plan.options.get("interval_ms", 200) / 1e3
        count = max(1, int(self.plan.seconds / pause))
        got = Pinger(self.plan.sender, ADDRESSES[receiver, self.plan.ipv6], count, interval=pause).result()
        self.delays = [(at + (number - 1) * pause, ms) for number, ms in got.replies]
        self._figures = {"lost": got.sent - got.received} | {f"rtt_ms_{name}": ms for name, ms in got.rtt_ms.items()}
        self._arrived(got.received)

    @staticmethod
    def _arrived(amount: float) -> None:
        if amount <= 0:
            raise RuntimeError("nothing arrived")


def _expectations(lab, plan) -> None:
    for figure, (least, most) in plan.expect.items():
        value = lab.figures.get(figure)
        if value is None:
            lab.check(figure, False, f"there is no such figure; there are: {', '.join(lab.figures)}")
        if value is not None and least is not None:
            lab.at_least(figure, value, least)
        if value is not None and most is not None:
            lab.at_most(figure, value, most)


def _pictures(lab, plan, network, samples, events, flows) -> None:
    titles = {"down": "Down: what reaches the gateway on each leg", "up": "Up: what the gateway sends on each leg"}
    for way, title in titles.items():
        rates = [getattr(leg, way).mbit for leg in network.legs]
        lab.plot(
            title, "", [{"t": each["t"]} | {leg: each[f"{leg}_{way}"] for leg, _ in LEGS} for each in samples], LEGS,
            events=events, limits=[(sum(rates), "both links, at the end")], seconds=plan.seconds)
    for kind, form, unit, title in (
        ("rates", "lines", "Mbit/s", "Each flow: payload that arrives"),
        ("delays", "dots", "ms", "Delay: of datagrams one way, of echoes both"),
    ):
        shown = [each for each in flows if getattr(each, kind)][:4]
        points = [{"t": t, each.plan.name: value} for each in shown for t, value in _thinned(getattr(each, kind))]
        series = [(each.plan.name, each.plan.name) for each in shown]
        if shown:
            lab.plot(title, "", points, series, events=events, unit=unit, form=form, seconds=plan.seconds)


def _thinned(points: list) -> list:
    return points[:: max(1, len(points) // DOTS)]
