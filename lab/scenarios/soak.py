"""Two hundred bonds flap for half an hour: nothing grows, nothing is left; not in CI, hours (village)."""

import json
import os
import random
import time

from lab import spillway
from lab.crowd import Crowd
from lab.measure import mallocs, sizes, state
from lab.measure.ping import Pinger
from lab.played import HELLO_S, LEASE_S
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import SERVER
from lab.town import Town

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), mallocs.PROGRAM]
# Seconds of flapping, and bonds: SPILLWAY_SOAK_SECONDS=180 for a short form.
SECONDS = int(os.environ.get("SPILLWAY_SOAK_SECONDS", "1800"))
BONDS = int(os.environ.get("SPILLWAY_SOAK_BONDS", "200"))
# Each ends with all bonds up on both legs, so that what there is can be compared; the first tenth is two of them.
ROUNDS, FIRST = 20, 2
SAMPLE_S = 10
# Seconds until all are as they are to be, once nothing is done to them any more.
SETTLES_S = 60
# What may be more than at the end of the first tenth. The kernel's objects may not.
HEAP_KB, RSS_KB, SLAB_KB, DESCRIPTORS, CONNTRACK = 64, 1024, 2048, 2, 20
# Subscribers that are no longer listed for half a round.
UNLISTED = 5
# Each round has another one, as long as the one before.
LISTS = [[{"description": f"list {number}", "destination_port": 7000 + 50 * number + each} for each in range(40)]
         for number in range(3)]


def prepare():
    spillway.prepare()
    mallocs.prepare()


def run(lab):
    with Town.load("village") as town, Crowd(BONDS - len(town.gateways)) as crowd:
        soak = Soak(lab, town, crowd)
        hosts = [soak.haap.host, *(each.host for each in town.gateways)]
        before = {host: state.settled(lab, host) for host in hosts}
        with soak.haap:
            soak.haap.wait_for("answers", lambda status: True)
            empty = state.settled(lab, "haap")
            soak.begin()
            for number in range(ROUNDS):
                soak.flap(number)
                soak.compare(number)
            soak.grown()
            soak.end(empty)
        for host in hosts:
            left = state.difference(before[host], state.settled(lab, host))
            lab.check(f"{host}: nothing is left after an orderly end", not left, "; ".join(left)[:1500])


class Soak:
    def __init__(self, lab, town, crowd):
        self.lab, self.town, self.crowd = lab, town, crowd
        self.chance = random.Random(8157)
        self.listed = [each.name for each in crowd.gateways]
        self.value = self._aggregator(self.listed, 0)
        self.haap = Spillway(lab, "haap", self.value)
        self.gateways = {
            each: Spillway(lab, each.host, self._gateway(each)) for each in town.gateways
        }
        for daemon in (self.haap, *self.gateways.values()):
            # What a daemon has and has not given back says more than what is resident: how much memory the allocator
            # keeps goes by the most that was needed at once.
            mallocs.count(daemon)
        # By who and what: the value when two rounds were over, and the greatest since.
        self.first: dict[tuple[str, str], int] = {}
        self.greatest: dict[tuple[str, str], int] = {}
        self.rows: list[dict] = []
        self.slowest = 0.0

    def _aggregator(self, listed: list[str], number: int) -> dict:
        rates = {"dsl_upstream": "8 Mbit/s", "dsl_downstream": "8 Mbit/s", "lte_downstream": "16 Mbit/s"}
        town = [{"cin": each.cin, "routes": [f"{each.lan}.0/24"]} for each in self.town.gateways]
        return settings(
            "haap", self.town, subscriber=[*({"cin": name} for name in listed), *town],
            defaults=rates | {"pool": "homes", "filter_list": "all"},
            pool=[{"name": "homes", "addresses": ["100.64.0.0/22"], "prefixes": ["2001:db8:4000::/44"]}],
            filter_list=[{"name": "all", "item": LISTS[number % len(LISTS)]}],
            dhcp={"lease_time": f"{LEASE_S} s", "preferred_time": f"{LEASE_S // 2} s"}, log={"level": "info"},
            session={"active_hello_interval": f"{HELLO_S} s", "rtt_difference_threshold": "100 ms", "rtt_violation": 1,
                     "rtt_compliance": 1, "no_traffic_monitored_interval": "30 s", "idle_hello_interval": "100 s"},
        )

    def _gateway(self, gateway, number: int = 0) -> dict:
        value = settings("hg", self.town, cin=gateway.cin, log={"level": "info"}, bypass=LISTS[number % len(LISTS)])
        value["control"] = {"socket": f"/run/spillway/{gateway.host}.sock"}
        value["state"] = {"directory": f"/run/spillway/{gateway.host}"}
        return value

    def begin(self):
        self.begun = time.monotonic()
        for daemon in self.gateways.values():
            daemon.start()
        self.crowd.start()
        self.pingers = [
            Pinger(each.client, SERVER, 100_000, interval=10) for each in self.town.gateways
        ]
        for daemon in self.gateways.values():
            daemon.wait_for("bonded", is_bonded)

    # Flapping

    def flap(self, number: int):
        """A round: the played gateways do what they like, to the others it is done; all comes to rest at the end."""
        length = SECONDS / ROUNDS
        self.crowd.calm(False)
        begun = time.monotonic()
        actions = sorted(self.actions(number, length), key=lambda each: each[0])
        sampled = begun
        while time.monotonic() < begun + length:
            now = time.monotonic()
            while actions and begun + actions[0][0] <= now:
                actions.pop(0)[1]()
            if now - sampled >= SAMPLE_S:
                sampled = now
                self.sample()
            time.sleep(0.5)
        for _, action in actions:
            action()
        self.settle(number)

    def actions(self, number: int, length: float):
        """(seconds from the start of the round, what to do): what is broken is whole again before its end."""
        gone = self.chance.sample(self.listed, min(UNLISTED, len(self.listed)))
        yield length * 0.2, lambda: self.reload([each for each in self.listed if each not in gone], number)
        yield length * 0.6, lambda: self.reload(self.listed, number)
        yield length * 0.3, lambda: self.town.lte.change(up_delay_ms=200)
        yield length * 0.7, lambda: self.town.lte.change(up_delay_ms=25)
        for gateway, daemon in self.gateways.items():
            start = length * self.chance.uniform(0.05, 0.4)
            away = length * self.chance.uniform(0.1, 0.4)
            leg = self.chance.choice(["dsl", "lte"])
            legs = ["dsl", "lte"] if self.chance.random() < 0.25 else [leg]
            for each in legs:
                yield start, lambda gateway=gateway, each=each: gateway.carrier(each, False)
                yield start + away, lambda gateway=gateway, each=each: gateway.carrier(each, True)
            moves, to = self.chance.choice(["dsl", "lte"]), self.chance.randrange(3, 250)
            yield length * 0.85, lambda gateway=gateway, moves=moves, to=to: gateway.renumber(moves, to)
            yield length * 0.5, lambda gateway=gateway, daemon=daemon: self.reload_gateway(gateway, daemon, number)

    def reload(self, listed: list[str], number: int):
        self.haap.configure(self._aggregator(listed, number))
        self.haap.reload()

    def reload_gateway(self, gateway, daemon, number: int):
        daemon.configure(self._gateway(gateway, number))
        daemon.reload()

    def settle(self, number: int):
        """All bonds are up on both legs, with a lease; in a bounded time."""
        begun = time.monotonic()
        self.crowd.calm(True)

        def all_up():
            if self.crowd.error is not None:
                raise self.crowd.error
            if self.crowd.settled < len(self.crowd.gateways):
                return False
            return all(whole(each.status()) for each in self.gateways.values()) and self.up() == BONDS

        seconds = SETTLES_S + 5
        self.lab.wait(f"round {number}: all are up again", lambda: all_up() or self.stuck(begun), seconds, interval=1)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        # What the last flap left for a moment: strays of filter lists, routes of leases that were just given back.
        time.sleep(5)

    def stuck(self, begun: float) -> bool:
        """Says who is not up, when that takes too long."""
        if time.monotonic() - begun < SETTLES_S:
            return False
        others = [vars(each) for each in self.crowd.gateways if not each.is_settled][:3]
        detail = f"{self.crowd.settled} settled, {self.up()} up; {others}"[:1500]
        self.lab.check("all are up again", False, detail, required=True)

    def up(self) -> int:
        summary = (self.haap.status() or {}).get("summary", {})
        return summary.get("up", 0)

    # Measuring

    def sample(self):
        """What is cheap, while they flap."""
        for who, process in self.processes():
            self.note(who, sizes.daemon(process))
        self.note("kernel", sizes.slab())

    def processes(self):
        for daemon in (self.haap, *self.gateways.values()):
            self.lab.check(f"{daemon.host} lives", daemon.alive(), required=True) if not daemon.alive() else None
            yield daemon.host, daemon.process.pid

    def note(self, who: str, found: dict[str, int]):
        self.rows.append({"t": round(time.monotonic() - self.lab.started, 1), "of": who} | found)
        for what, value in found.items():
            self.greatest[who, what] = max(self.greatest.get((who, what), 0), value)

    def compare(self, number: int):
        """All that there is, while all bonds are up."""
        self.sample()
        self.note("kernel", sizes.bpf())
        for daemon in (self.haap, *self.gateways.values()):
            self.note(daemon.host, sizes.kernel(daemon.host) | {"heap_kb": mallocs.counted(self.lab, daemon.host)[1] // 1024})
        if number < FIRST:
            # What counts is the value when the first tenth is over, not the greatest before.
            self.first, self.greatest = {}, {}
            for row in self.rows:
                self.first |= {(row["of"], what): value for what, value in row.items() if what not in ("t", "of")}
        self.lab.save("sizes.json", self.rows)
        haap = {what: value for (who, what), value in self.greatest.items() if who == "haap"}
        self.lab.say(f"round {number}: {json.dumps(haap)}")

    def grown(self):
        """The greatest of the last nine tenths against the end of the first one."""
        allowed = {"rss_kb": RSS_KB, "heap_kb": HEAP_KB, "slab_kb": SLAB_KB, "sunreclaim_kb": SLAB_KB,
                   "descriptors": DESCRIPTORS, "conntrack": CONNTRACK}
        for (who, what), value in sorted(self.first.items()):
            most = self.greatest[who, what]
            self.lab.figure(f"{who}_{what}_first", value)
            self.lab.figure(f"{who}_{what}_most", most)
            self.lab.at_most(f"{who}: {what} does not grow", most, value + allowed.get(what, 0))
        self.lab.figure("settles_s", self.slowest)
        lapse = time.monotonic() - self.begun
        self.lab.figure("seconds", lapse)
        for daemon in (self.haap, *self.gateways.values()):
            self.lab.figure(f"{daemon.host}_processor_percent", sizes.worked(daemon.process.pid) / lapse * 100)
        for what, count in sorted(self.crowd.counts.items(), key=str):
            self.lab.figure(f"played_{what}", count)
        for each, pinger in zip(self.town.gateways, self.pingers):
            echo = pinger.stop()
            self.lab.figure(f"{each.host}_echoes", f"{echo.received} of {echo.sent}")
            self.lab.at_least(f"{each.host}: share of echoes", echo.received / max(echo.sent, 1), 0.6)

    def end(self, empty: list[str]):
        """All bonds are torn down: the aggregation point is as before the first one."""
        for gateway, daemon in self.gateways.items():
            self.lab.check(f"{gateway.host} ends in order", daemon.stop() == 0)
            for leg in ("dsl", "lte"):
                # As it was at the start.
                gateway.renumber(leg, 2)
        self.crowd.leave()
        self.haap.wait_for("has no bond", lambda status: not status["bonds"] and status["summary"]["up"] == 0)
        leases = lambda status: sum(status["addresses"][each]["leases"] for each in ("dhcp4", "dhcp6"))
        self.haap.wait_for("has no lease", lambda status: leases(status) == 0, seconds=LEASE_S * 2)
        left = state.difference(empty, state.settled(self.lab, "haap"))
        self.lab.check("haap: with the last bond all is as before the first", not left, "; ".join(left)[:1500])


def whole(status: dict | None) -> bool:
    return status is not None and is_bonded(status) and bool(status["addresses"].get("address"))
