"""Each netlink request of both daemons is refused once: the kernel is soon as it should be, nothing leaks (village)."""

import time

from lab import faults, namespaces, spillway
from lab.faults import ERRORS, Faults
from lab.lives import FLOW, Plain
from lab.measure.ping import ping
from lab.measure.state import brief, difference, settle, told
from lab.spillway import Spillway, is_bonded, uses_only
from lab.topology import SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), faults.PROGRAM]
# Requests are dealt out to so many lives of both daemons: in each life one in five fails, and each fails in one life.
LIVES = 5
# Seconds after which all must be as it is without faults: what is refused is asked for again after 0.1 s and then each
# second, and may be refused again. A queue that was refused so often that `police` stands in is tried 5, 15 and 35 s later.
LIMIT = 60
# After which packets pass.
PASSES = 15
# How often a service manager starts again what one refusal ended.
STARTS = 60
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

    def __init__(self, lab, network, life: Plain | None = None, injectors: dict[str, Faults] | None = None):
        self.lab, self.network = lab, network
        self.what = life or Plain()
        self.faults = injectors or {host: Faults(lab.out, host) for host in HOSTS}
        self.value = self.what.settings(network)
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
        settle(self.lab, *HOSTS)
        for host in HOSTS:
            self.wanted[host, "before"] = brief(host)
        seen = {host: self.faults[host].seen for host in HOSTS}
        self.life(self._remember)
        for host in HOSTS:
            # Numbers begin anew with each file of faults: of this life are those behind what there was.
            requests = self.faults[host].requests()[seen[host]:]
            self.kinds[host] = {each.kind: each for each in reversed(requests)}
            self.lab.figure(f"{self.what.name}_{host}_requests", len(requests))

    def _remember(self, moment: str, *hosts: str):
        time.sleep(3)
        for host in hosts:
            self.wanted[host, moment] = brief(host)

    def live(self, part: int, error: str, only: dict | None = None, fresh: bool = False):
        """A life in which the requests of one part fail, of both daemons; or the first of a kind, of hosts in `only`.
        With `fresh` the first of each kind that has not failed with this error fails besides."""
        if only is None:
            self.name = f"{error}, {part} of {LIVES}, {self.what.name}"
        before = {host: self.faults[host].injected for host in HOSTS}

        def arm(host):
            if only is None:
                self.faults[host].arm(part, error, LIVES, fresh=fresh)
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
        lines = [line for line in self.daemons[host].log().splitlines() if "component=kernel" in line][-12:]
        detail = f"{told(off)[:3000]}; log: {lines}" if off else f"{took:.1f} s"
        return self.lab.check(f"{self.name}: {host} is as it should be ({moment})", not off, detail)

    def life(self, at, arm=lambda host: None):
        """Start, set-up of the session, a leg lost and back, a filter list by reload, tear-down; `at` looks."""
        hg, haap = self.hg, self.haap
        for daemon in (hg, haap):
            daemon.configure(self.value[daemon.host])
        forget(haap)
        haap.start()
        haap.wait_for("answers", lambda status: True)
        # One refusal may end a start: those of the aggregation point are looked at one by one.
        self.start_requests.setdefault("haap", self.faults["haap"].seen)
        arm("haap")
        arm("hg")
        self.started(hg, self.has_all)
        self.network.lte.carrier(False)
        hg.wait_for("DSL alone", uses_only("dsl"))
        self.network.lte.carrier(True)
        hg.wait_for("bonded again", is_bonded, seconds=120)
        at("bonded", *HOSTS)
        self.carries("the bond carries")
        if self.what.is_whole:
            self.killed()
            at("bonded", *HOSTS)
        for daemon in (hg, haap):
            value = self.what.reloaded(daemon.host, self.value[daemon.host])
            if value != daemon.value:
                daemon.configure(value)
                daemon.reload()
        at("with a list", *(HOSTS if self.what.is_whole else ("hg",)))
        if self.what.is_whole:
            self.further()
            at("with a list", *HOSTS)
        status = hg.stop()
        at("before", "hg")
        at("idle", "haap")
        self.lab.check(f"{self.name}: both end in order", (status, haap.stop()) == (0, 0))
        at("before", "haap")

    def killed(self):
        """`kill -9` of both: the next runs go on with what there is, or begin anew."""
        for daemon in (self.haap, self.hg):
            daemon.kill()
        self.started(self.haap, lambda status: True, is_adopting=True)
        self.started(self.hg, self.has_all, is_adopting=True)
        self.hg.wait_for("goes on", self.has_all, seconds=120)

    def further(self):
        """DSL, which flows of the list take past the bond, is lost; packets wait for their turn; each is asked."""
        self.network.dsl.carrier(False)
        self.hg.wait_for("LTE alone", uses_only("lte"))
        self.network.dsl.carrier(True)
        self.hg.wait_for("bonded once more", self.has_all, seconds=120)
        self.carries("echoes pass")
        for daemon in (self.hg, self.haap):
            # An answer takes a dozen requests, and the first that is refused ends it.
            answered = any(daemon.explain(*FLOW) for _ in range(60))
            self.lab.check(f"{self.name}: {daemon.host} answers a question", answered)
        time.sleep(2)
        for host in HOSTS:
            waiting = queued(host)
            self.lab.check(f"{self.name}: {host}: no packet waits for ever", not waiting, str(waiting))

    def carries(self, what: str):
        """In a bounded time."""
        begun = time.monotonic()
        while not (received := ping("client", SERVER, 4, interval=0.1).received):
            if time.monotonic() - begun > PASSES:
                break
        self.lab.check(f"{self.name}: {what}", received > 0, f"{time.monotonic() - begun:.1f} s")

    def has_all(self, status: dict) -> bool:
        return has_all(status) and self.what.is_ready(status)

    def starts(self, error: str):
        """The aggregation point's start, which one refusal may end: the first of each kind that did not fail yet."""
        self.name = f"{error}, starts, {self.what.name}"
        forget(self.haap)
        # As it is when it is looked at idle.
        self.haap.configure(self.what.reloaded("haap", self.value["haap"]))
        self.faults["haap"].arm(0, error, fresh=True)
        self.started(self.haap, lambda status: True)
        self.faults["haap"].arm(0)
        self.same("haap", "idle")
        self.lab.check(f"{self.name}: it ends in order", self.haap.stop() == 0)
        self.same("haap", "before")

    def started(self, daemon: Spillway, condition, is_adopting: bool = False):
        """A start that is refused ends with status 1 and what the kernel said, and leaves nothing but what a run before
        has left for the next one; then the next one, as a service manager has it."""
        status = None
        for _ in range(STARTS):
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
            self.ended(daemon, daemon.log()[written:], leaves=is_adopting)
        self.lab.check(f"{self.name}: {daemon.host} comes up", False, f"{status} {daemon.log()[-1500:]}", required=True)

    def ended(self, daemon: Spillway, said: str, leaves: bool = False):
        code = daemon.stop()
        last = said.strip().splitlines()[-1:] or [""]
        error = self.name.split(",")[0].split()[0]
        self.lab.check(f"{self.name}: {daemon.host} says why it does not start, status 1", code == 1 and error in said
                       and "level=critical" in last[0], f"{code}: {last[0][:300]}")
        if leaves:
            return
        off = difference(self.wanted[daemon.host, "before"], brief(daemon.host))
        self.lab.check(f"{self.name}: and leaves nothing", not off, told(off)[:1500])


def has_all(status: dict) -> bool:
    """Both legs, and what is leased."""
    return is_bonded(status) and bool(status["addresses"].get("address"))


def forget(daemon: Spillway):
    """What a run before may have left for this one is not there: it begins anew."""
    if daemon.process is None:
        daemon.forget()


def queued(host: str) -> list[str]:
    """Queues with packets that wait: number and how many."""
    text = namespaces.run(host, "cat", "/proc/net/netfilter/nfnetlink_queue")
    return [" ".join(line.split()[:3:2]) for line in text.splitlines() if line.split()[2] != "0"]


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
    pair.started(pair.hg, pair.has_all)
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
    lab.save("kinds.json", faults.table(list(pair.faults.values())))
    for host in HOSTS:
        requests = pair.faults[host].requests()
        failed = {each.kind for each in requests if each.error}
        lab.figure(f"{host}_requests_failed", pair.faults[host].injected)
        lab.figure(f"{host}_kinds", len(failed))
        missed = sorted(set(pair.kinds[host]) - failed)
        lab.check(f"{host}: each kind of request has failed", not missed, ", ".join(missed))
        injected, answered = pair.faults[host].injected, pair.faults[host].answered
        # But what was under way when it was ended, and verdicts after the last packet.
        lab.check(f"{host}: it heard of all", answered >= injected * 0.95 - 5, f"{answered} of {injected}")
    lab.figure("longest_s", pair.longest)
