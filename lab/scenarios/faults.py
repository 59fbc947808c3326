"""Each netlink request of both daemons is refused once: the kernel is soon as it should be, nothing leaks (village)."""

import time

from lab import faults, spillway
from lab.faults import ERRORS, Faults
from lab.measure.ping import ping
from lab.measure.state import brief, difference
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), faults.PROGRAM]
# Requests are dealt out to so many lives of both daemons: in each life one in five fails, and each fails in one life.
LIVES = 5
# Seconds after which all must be as it is without faults: what is refused is asked for again after 0.1 s and then each
# second, and may be refused again.
LIMIT = 15
LIST = [{"description": "television", "destination_port": 7100}]
HOSTS = ("hg", "haap")


def prepare():
    spillway.prepare()
    faults.prepare()


def run(lab):
    with Topology.load("village") as network:
        pair = Pair(lab, network)
        pair.learn()
        for number in range(LIVES):
            pair.live(number + 1, ERRORS[number % len(ERRORS)])
        rest(lab, pair)
        refused(lab, pair)
        counted(lab, pair)


class Pair:
    """Both daemons under the injector, and how the kernel is at each point of their life without faults."""

    def __init__(self, lab, network):
        self.lab, self.network = lab, network
        self.faults = {host: Faults(lab.out, host) for host in HOSTS}
        self.value = {host: settings(host, network) for host in HOSTS}
        self.daemons = {host: Spillway(lab, host, self.value[host], before=self.faults[host].command) for host in HOSTS}
        self.hg, self.haap = self.daemons["hg"], self.daemons["haap"]
        self.wanted: dict[tuple[str, str], list[str]] = {}
        # What each asks for without faults.
        self.kinds: dict[str, dict] = {}
        # How many requests are a start's, which one refusal may end.
        self.start_requests: dict[str, int] = {"hg": 20}
        self.longest = 0.0
        self.name = "no fault"

    def learn(self):
        """A life without faults: how everything is to be."""
        for host in HOSTS:
            self.wanted[host, "before"] = brief(host)
        self.life(self._remember)
        for host in HOSTS:
            self.kinds[host] = {each.kind: each for each in reversed(self.faults[host].requests())}
            self.lab.figure(f"{host}_requests", self.faults[host].seen)

    def _remember(self, moment: str, *hosts: str):
        time.sleep(3)
        for host in hosts:
            self.wanted[host, moment] = brief(host)

    def live(self, part: int, error: str, only: dict | None = None):
        """A life in which the requests of one part fail, of both daemons; or the first of a kind, of hosts in `only`."""
        if only is None:
            self.name = f"{error}, {part} of {LIVES}"
        before = {host: self.faults[host].injected for host in HOSTS}

        def arm(host):
            if only is None:
                self.faults[host].arm(part, error, LIVES)
            elif host in only:
                self.faults[host].arm(1, error, **only[host])

        self.life(self._compare, arm)
        for host in HOSTS:
            self.faults[host].arm(0)
        more = {host: self.faults[host].injected - before[host] for host in HOSTS}
        self.lab.check(f"{self.name}: requests failed", any(more.values()), str(more))

    def _compare(self, moment: str, *hosts: str):
        for host in hosts:
            self.same(host, moment)

    def same(self, host: str, moment: str) -> bool:
        """In a bounded time all is as it is without faults."""
        begun = time.monotonic()
        time.sleep(0.5 if moment == "before" else 1.5)
        while True:
            off = difference(self.wanted[host, moment], brief(host))
            took = time.monotonic() - begun
            if not off or took > LIMIT:
                break
            time.sleep(1)
        self.longest = max(self.longest, took)
        detail = "; ".join(off)[:1200] or f"{took:.1f} s"
        return self.lab.check(f"{self.name}: {host} is as it should be ({moment})", not off, detail)

    def life(self, at, arm=lambda host: None):
        """Start, set-up of the session, a leg lost and back, a filter list by reload, tear-down; `at` looks."""
        hg, haap = self.hg, self.haap
        for daemon in (hg, haap):
            daemon.configure(self.value[daemon.host])
        haap.start()
        haap.wait_for("answers", lambda status: True)
        # One refusal may end a start: those of the aggregation point are looked at one by one.
        self.start_requests.setdefault("haap", self.faults["haap"].seen)
        arm("haap")
        arm("hg")
        self.started(hg, has_all)
        self.network.lte.carrier(False)
        hg.wait_for("DSL alone", uses_only("dsl"))
        self.network.lte.carrier(True)
        hg.wait_for("bonded again", is_bonded, seconds=120)
        at("bonded", *HOSTS)
        self.lab.check(f"{self.name}: the bond carries", ping("client", SERVER, 2).received > 0)
        hg.configure(self.value["hg"] | {"bypass": LIST})
        hg.reload()
        at("with a list", "hg")
        status = hg.stop()
        at("before", "hg")
        at("idle", "haap")
        self.lab.check(f"{self.name}: both end in order", (status, haap.stop()) == (0, 0))
        at("before", "haap")

    def started(self, daemon: Spillway, condition):
        """A start that is refused ends with status 1 and what the kernel said, and leaves nothing; then the next one,
        as a service manager has it."""
        status = None
        for _ in range(12):
            written = len(daemon.log())
            daemon.start()
            deadline = time.monotonic() + 60
            while daemon.alive() and time.monotonic() < deadline:
                status = daemon.status()
                if status is not None and condition(status):
                    return
                time.sleep(0.05)
            if daemon.alive():
                break
            self.ended(daemon, daemon.log()[written:])
        self.lab.check(f"{self.name}: {daemon.host} comes up", False, f"{status} {daemon.log()[-1500:]}", required=True)

    def ended(self, daemon: Spillway, said: str):
        code = daemon.stop()
        last = said.strip().splitlines()[-1:] or [""]
        error = self.name.split(",")[0].split()[0]
        self.lab.check(f"{self.name}: {daemon.host} says why it does not start, status 1", code == 1 and error in said
                       and "level=critical" in last[0], f"{code}: {last[0][:300]}")
        off = difference(self.wanted[daemon.host, "before"], brief(daemon.host))
        self.lab.check(f"{self.name}: and leaves nothing", not off, "; ".join(off)[:800])


def has_all(status: dict) -> bool:
    """Both legs, and what is leased."""
    return is_bonded(status) and bool(status["addresses"].get("address"))


def rest(lab, pair: Pair):
    """The first request of a kind fails, of each kind that has not failed so far: in a start, of what a start asks for,
    else in a whole life."""
    for host, daemon in pair.daemons.items():
        failed = {each.kind for each in pair.faults[host].requests() if each.error}
        for number, kind in enumerate(sorted(set(pair.kinds[host]) - failed)):
            one = pair.kinds[host][kind]
            error = ERRORS[number % len(ERRORS)]
            pair.name = f"{error}, the first {kind} of {host}"
            only = {"protocol": one.protocol, "kind": one.type, "dumps": one.is_dump}
            if one.number <= pair.start_requests[host]:
                start(lab, pair, daemon, error, only)
            else:
                pair.live(1, error, {host: only})


def start(lab, pair: Pair, daemon: Spillway, error: str, only: dict):
    host = daemon.host
    daemon.configure(pair.value[host])
    pair.faults[host].arm(1, error, **only)
    pair.started(daemon, lambda status: True)
    pair.faults[host].arm(0)
    if host == "haap":
        pair.same(host, "idle")
    lab.check(f"{pair.name}: it ends in order", daemon.stop() == 0)
    pair.same(host, "before")


def refused(lab, pair: Pair):
    """EPERM for everything: at the start an end with a clear error; of a daemon that runs, nothing but errors."""
    pair.name = "EPERM for everything"
    for host, daemon in pair.daemons.items():
        daemon.configure(pair.value[host])
        pair.faults[host].arm(0, "EPERM", always=True)
        written = len(daemon.log())
        daemon.start()
        lab.wait(f"{host} ends", lambda: not daemon.alive(), seconds=30)
        pair.ended(daemon, daemon.log()[written:])
        pair.faults[host].arm(0)
    pair.haap.start()
    pair.started(pair.hg, has_all)
    for host in HOSTS:
        pair.faults[host].arm(0, "EPERM", always=True)
    pair.network.lte.carrier(False)
    time.sleep(4)
    pair.network.lte.carrier(True)
    time.sleep(4)
    for host, daemon in pair.daemons.items():
        lab.check(f"{pair.name} while {host} runs: it goes on", daemon.alive(), daemon.log()[-500:])
        pair.faults[host].arm(0)
    pair.name = "EPERM for everything, and no more"
    pair.hg.wait_for("bonded again", is_bonded, seconds=120)
    for host in HOSTS:
        pair.same(host, "bonded")
    codes = [daemon.stop() for daemon in (pair.hg, pair.haap)]
    lab.check(f"{pair.name}: both end in order", codes == [0, 0], str(codes))
    for host in HOSTS:
        pair.same(host, "before")


def counted(lab, pair: Pair):
    """Each kind of request that there is without faults was made to fail, and the daemon read that it had."""
    for host in HOSTS:
        requests = pair.faults[host].requests()
        failed = {each.kind for each in requests if each.error}
        lab.figure(f"{host}_requests_failed", pair.faults[host].injected)
        lab.figure(f"{host}_kinds", len(failed))
        missed = sorted(set(pair.kinds[host]) - failed)
        lab.check(f"{host}: each kind of request has failed", not missed, ", ".join(missed))
        injected, answered = pair.faults[host].injected, pair.faults[host].answered
        lab.check(f"{host}: it heard of all", answered >= injected * 0.95, f"{answered} of {injected}")
    lab.figure("longest_s", pair.longest)
