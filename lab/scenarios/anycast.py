"""Two aggregators share an anycast address by FRR: one is drained, hung, silent, killed, the other takes over (village)."""

import contextlib
import json
import signal
import socket
import threading
import time
import tomllib

from lab import freeradius, frr, namespaces, spillway
from lab.bench import Bench
from lab.freeradius import FreeRADIUS
from lab.frr import FRR
from lab.measure import capture
from lab.measure.capture import Capture
from lab.scenario import REPOSITORY
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import LAN, LAN6, SERVER, SERVER6

VIRTUAL_TIME = True
# What an operator is given is what runs here.
EXAMPLES = REPOSITORY / "deploy" / "examples" / "scale-out"
NEEDS = [spillway.binary(), *freeradius.FILES, *frr.FILES, EXAMPLES]
CIN, INNER = "gateway-1", "100.64.0.2"
G, H = "10.9.0.53", {"haap1": "10.9.0.1", "haap2": "10.9.0.2"}
LINK = {"haap1": "10.9.11.2", "haap2": "10.9.12.2"}
# Hello tolerance: three attempts, a second each; and what is allowed beside it.
LIMIT_S = 3 + 5


def prepare() -> None:
    spillway.prepare()
    freeradius.prepare()
    frr.prepare()


def run(lab):
    with Bench.load("village") as network, contextlib.ExitStack() as stack:
        radius = FreeRADIUS(lab, "radius", SERVER, "10.9.0.0/24", (EXAMPLES / "users").read_text())
        radius.start()
        stack.callback(radius.kill)
        stack.enter_context(FRR(lab, "core", (EXAMPLES / "router.conf").read_text()))
        for host in H:
            stack.enter_context(FRR(lab, host, of(host, (EXAMPLES / "haap.conf").read_text())))
        between = {host: stack.enter_context(between_machines(lab, host)) for host in H}
        machines = {host: Spillway(lab, host, machine(host)) for host in H}
        hg = Spillway(lab, "hg", settings("hg", network, cin=CIN) | {"haap": G})
        for host, each in machines.items():
            # Servers that cannot be reached at a start are left alone for a while.
            lab.wait(f"{host} has a way to the servers", lambda: "via" in namespaces.run(
                host, "ip", "route", "get", SERVER, check=False), 60, 0.5)
            stack.enter_context(each)
        lab.wait("both announce G", lambda: leads_to(G) == set(H), 60, 0.5)
        stack.enter_context(hg)
        hg.wait_for("bonded", is_bonded)
        echoes = stack.enter_context(Echoes())
        talks = [stack.enter_context(Talk(SERVER)), stack.enter_context(Talk(SERVER6))]
        bench = Machines(lab, network, machines, hg, echoes, talks)
        bench.passes("at first")
        drained(bench)
        hung(bench)
        silent(bench)
        accounted(lab, bench, radius)
        killed(bench)
        strangers(lab, between)


def of(host: str, text: str) -> str:
    """A file of the first machine as it is on another one."""
    number = host[-1]
    for own in ("10.9.0.{}", "10.9.1{}.", "2001:db8:f::{}", "haap-{}"):
        # 10.9.0.1 is no part of any other address in these files.
        text = text.replace(own.format(1), own.format(number))
    return text


def machine(host: str, **more) -> dict:
    """Settings of an aggregation point: the example, and where the lab has its files."""
    value = tomllib.loads(of(host, (EXAMPLES / "haap.toml").read_text()))
    value["radius"]["server"][0]["secret"] = freeradius.SECRET
    value["session"]["no_traffic_monitored_interval"] = "30 s"
    value |= {
        "control": {"socket": f"/run/spillway/{host}.sock"}, "state": {"directory": f"/run/spillway/{host}"},
        "log": {"level": "debug"},
    }
    return value | more


def routes(host: str, *words) -> list[dict]:
    return json.loads(namespaces.run(host, "ip", "-j", *words) or "[]")


def leads_to(destination: str) -> set[str]:
    """To which machines the router's kernel sends what is for an address or prefix."""
    family = "-6" if ":" in destination else "-4"
    found = set()
    for route in routes("core", family, "route", "show", destination):
        found |= {hop.get("dev") for hop in route.get("nexthops", [route])}
    return {f"haap{device[-1]}" for device in found if device in ("h1", "h2")}


def chosen(source: str) -> str:
    """Which machine the router's kernel chooses for a Setup Request to G from an address."""
    return "haap" + routes("core", "route", "get", G, "from", source, "iif", "cl")[0]["dev"][-1]


def bonded_at(status: dict, address: str) -> bool:
    return is_bonded(status) and status["bond"]["aggregator"] == address


class Machines:
    """The bench: who has the gateway, and what is asked of it again and again."""

    def __init__(self, lab, network, machines, hg, echoes, talks):
        self.lab, self.network, self.machines, self.hg = lab, network, machines, hg
        self.echoes, self.talks = echoes, talks
        self.order = [self.has_it()]

    def has_it(self) -> str:
        h = self.hg.status()["bond"].get("aggregator", "")
        return next((host for host, address in H.items() if address == h), "")

    def other(self) -> str:
        return next(host for host in H if host != self.order[-1])

    def passes(self, what: str) -> None:
        """The same connections, both families; and the router leads to the machine that has the bond, no other."""
        for talk in self.talks:
            self.lab.check(f"{what}: the TCP connection to {talk.address} goes on", talk.answers())
        who = self.order[-1]
        for prefix in (f"{INNER}", LAN, LAN6):
            self.lab.check(f"{what}: {prefix} leads there", leads_to(prefix) == {who}, f"{who}: {leads_to(prefix)}")

    def takes_over(self, what: str, event) -> None:
        """The time from an event until the gateway is bonded at the other machine and its traffic passes."""
        lab, hg, other = self.lab, self.hg, self.other()
        lab.event(what)
        begun = time.monotonic()
        event()
        lab.wait(f"{what}: bonded at {other}", lambda: bonded_at(hg.status(), H[other]), 60, 0.1)
        bonded = time.monotonic()
        lab.wait("an echo", lambda: self.echoes.answered_since(bonded))
        away, back = self.echoes.gap(begun)
        lab.figure(f"{what}_bonded_s", bonded - begun)
        lab.figure(f"{what}_without_echoes_s", away)
        lab.at_most(f"{what}: bonded at the other and traffic passes, s", max(bonded, back) - begun, LIMIT_S)
        self.order.append(other)
        self.passes(what)

    def comes_back(self, what: str) -> None:
        """The former machine announces G again: whoever has a bond keeps it."""
        lab, hg = self.lab, self.hg
        former, before = self.order[-2], hg.status()["bond"]
        lab.wait(f"{what}: both announce G again", lambda: leads_to(G) == set(H), 60, 0.5)
        since = time.monotonic()
        time.sleep(3)
        after = hg.status()["bond"]
        same = all(before[key] == after[key] for key in ("session_id", "aggregator"))
        lab.check(f"{what}: back, and the bond stays where it is", same and is_bonded(hg.status()), str(after)[:300])
        away, _ = self.echoes.gap(since)
        lab.at_most(f"{what}: back, longest time without an echo, s", away, 0.5)
        left = [each for each in routes(former, "route", "show", "proto", "157")
                if each.get("dev", "").startswith("bond")]
        lab.check(f"{what}: back, and it routes nothing to a bond", not left, str(left))
        self.passes(f"{what}: back")


def drained(bench):
    lab, first = bench.lab, bench.machines[bench.order[-1]]

    def drain():
        done = spillway.command("drain", first)
        lab.check("spillway drain", done.returncode == 0, done.stdout + done.stderr)

    bench.takes_over("drained", drain)
    lab.check("drained: G leads to the other only", leads_to(G) == {bench.order[-1]}, str(leads_to(G)))
    lab.check("drained: H is still there", leads_to(H[bench.order[-2]]) == {bench.order[-2]})
    lab.check("it has no bond", not first.status()["bonds"])
    first.stop()
    first.start()
    bench.comes_back("drained")
    # Routing would have this gateway at the former one; its bond is at an address of the other's own.
    g = chosen(bench.network.lte.hg_address)
    lab.check("G leads the gateway to the former one again", g == bench.order[-2], g)
    session = bench.hg.status()["bond"]["session_id"]
    bench.network.lte.carrier(False)
    bench.hg.wait_for("uses only dsl", uses_only("dsl"))
    bench.network.lte.carrier(True)
    status = bench.hg.wait_for("LTE is back", is_bonded)
    lab.check("a leg that is lost comes back to the same bond", status["bond"]["session_id"] == session
              and bench.has_it() == bench.order[-1])


def hung(bench):
    """The daemon stands still, and goes on later as if nothing had been. The bond is idle: by Hellos it would last for
    hours."""
    lab, first = bench.lab, bench.machines[bench.order[-1]]
    bench.echoes.are_sent = False
    lab.wait("the bond is idle", lambda: bench.hg.status()["bond"]["hello_state"] == "idle", 90, 1)
    first.process.send_signal(signal.SIGSTOP)
    lab.wait("hung: G leads to the other", lambda: leads_to(G) == {bench.other()}, 10, 0.5)
    left_behind(bench, "hung", first)

    def traffic():
        bench.echoes.are_sent = True

    bench.takes_over("hung", traffic)
    first.process.send_signal(signal.SIGCONT)
    bench.comes_back("hung")


def left_behind(bench, what: str, first):
    """The daemon does nothing, but the machine lives: its kernel has all that it had, but no G and no H."""
    left = [each["dst"] for each in routes(first.host, "route", "show", "proto", "157") if each.get("dev") == "bond0"]
    bench.lab.check(f"{what}: its kernel still has the routes", {INNER, LAN} <= set(left), str(left))
    held = [each["local"] for each in routes(first.host, "address", "show", "dev", "spillway0")[0]["addr_info"]]
    bench.lab.check(f"{what}: and neither G nor H", not {G, H[first.host]} & set(held), str(held))


def silent(bench):
    """Nothing passes the machine's link; it does not know, and its daemon goes on."""
    first = bench.order[-1]
    bench.takes_over("silent", lambda: bench.network.silence(first))
    lone = bench.machines[first]
    lone.wait_for("silent: it has given the bond up", lambda status: not status["bonds"])
    bench.network.speak(first)
    bench.comes_back("silent")


def accounted(lab, bench, radius):
    """Each machine tells the servers of its own bonds: who had the gateway, in order."""
    told = [each["NAS-Identifier"].replace("-", "") for each in radius.records("Start")]
    lab.check("accounting tells who had the gateway", told == bench.order, f"{told}, {bench.order}")


def killed(bench):
    """Without RADIUS servers a daemon goes on with what the run before has left; not with what another has taken."""
    lab, hg = bench.lab, bench.hg
    rates = {"dsl_upstream": "20 Mbit/s", "dsl_downstream": "20 Mbit/s", "lte_downstream": "30 Mbit/s"}
    subscriber = {"cin": CIN, "address": INNER, "prefix": LAN6, "routes": [LAN], **rates}
    hg.stop()
    for host, each in bench.machines.items():
        each.stop()
        value = machine(host, subscriber=[subscriber])
        del value["radius"]
        each.configure(value)
        each.start()
    lab.wait("listed: both announce G", lambda: leads_to(G) == set(H), 60, 0.5)
    hg.start()
    hg.wait_for("listed: bonded", is_bonded)
    bench.order.append(bench.has_it())
    first = bench.machines[bench.order[-1]]
    session = hg.status()["bond"]["session_id"]
    first.kill()
    time.sleep(1)
    first.start()
    first.wait_for("listed: goes on at once", lambda status: status["bonds"])
    hg.wait_for("listed: bonded as before", is_bonded)
    lab.check("listed: away for a second, the bond goes on", hg.status()["bond"]["session_id"] == session)
    bench.takes_over("killed", first.kill)
    left_behind(bench, "killed", first)
    first.start()
    bench.comes_back("killed")


def between_machines(lab, host: str) -> Capture:
    """What passes a machine's link from or to the other one."""
    other = next(each for each in H if each != host)
    theirs = " or ".join(f"host {each}" for each in (H[other], LINK[other], f"2001:db8:f::{other[-1]}"))
    return Capture(host, "core", lab.out / f"{host}-{other}.pcap", filter=theirs)


def strangers(lab, between):
    """The machines share nothing. That the captures would have it is seen by an echo in the end."""
    asked = time.time()
    namespaces.run("haap1", "ping", "-c", "1", "-I", LINK["haap1"], LINK["haap2"])
    for host, wire in between.items():
        seen = [each.time for each in capture.packets(wire.stop())]
        early = sum(each < asked for each in seen)
        lab.check(f"{host}: nothing went between the machines", not early and len(seen) == 2, f"{early} of {len(seen)}")


class Echoes:
    """A datagram every 250 ms from the client to a server that sends it back."""

    PORT, PAUSE_S = 5307, 0.25

    def __enter__(self) -> "Echoes":
        with namespaces.inside("server"):
            self._server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._server.bind((SERVER, self.PORT))
        with namespaces.inside("client"):
            self._client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._client.connect((SERVER, self.PORT))
        self._ended = False
        self.are_sent = True
        # When one was sent, and when it was back.
        self._answers: list[tuple[float, float]] = []
        self._threads = [threading.Thread(target=each) for each in (self._serve, self._send, self._receive)]
        for each in (self._server, self._client):
            each.settimeout(0.5)
        for each in self._threads:
            each.start()
        return self

    def _serve(self) -> None:
        while not self._ended:
            with contextlib.suppress(OSError):
                self._server.sendto(*self._server.recvfrom(100))

    def _send(self) -> None:
        while not self._ended:
            with contextlib.suppress(OSError):
                if self.are_sent:
                    self._client.send(str(time.monotonic()).encode())
            time.sleep(self.PAUSE_S)

    def _receive(self) -> None:
        while not self._ended:
            with contextlib.suppress(OSError):
                self._answers.append((float(self._client.recv(100)), time.monotonic()))

    def answered_since(self, moment: float) -> bool:
        return any(sent > moment for sent, _ in self._answers[-50:])

    def gap(self, since: float) -> tuple[float, float]:
        """The longest time without an answer from a moment on, in s, and when it was over."""
        times = [since, *(back for _, back in self._answers if back > since)]
        return max(((b - a, b) for a, b in zip(times, times[1:])), default=(time.monotonic() - since, time.monotonic()))

    def __exit__(self, *exception) -> None:
        self._ended = True
        for each in self._threads:
            each.join()
        self._server.close()
        self._client.close()


class Talk:
    """One TCP connection from the client to the server, which sends back what it is told."""

    PORT = 5308

    def __init__(self, address: str):
        self.address = address
        self._count = 0

    def __enter__(self) -> "Talk":
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with namespaces.inside("server"):
            listener = socket.create_server((self.address, self.PORT), family=family)
        with namespaces.inside("client"):
            self._client = socket.socket(family, socket.SOCK_STREAM)
        self._client.settimeout(30)
        self._client.connect((self.address, self.PORT))
        self._server, _ = listener.accept()
        listener.close()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while piece := self._server.recv(100):
                self._server.sendall(piece)

    def answers(self) -> bool:
        self._count += 1
        text = f"{self._count:08}\n".encode()
        got = b""
        with contextlib.suppress(OSError):
            self._client.sendall(text)
            while len(got) < len(text) and (piece := self._client.recv(100)):
                got += piece
        return got == text

    def __exit__(self, *exception) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()
        self._client.close()
