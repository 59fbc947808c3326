"""kill -9 of either daemon or both at 24 seeded moments: set-up, renewal, reload, a leg's loss, tear-down (village)."""

import random
import time

from lab import spillway
from lab.measure.ping import Pinger, ping
from lab.measure.state import brief, difference
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import HAAP6, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
HOSTS = ("hg", "haap")
SEED = 8157
ROUNDS = 2
# Seconds until all is bonded again and as it should be: the peer's patience with Hellos (3 attempts, 1 s apart, and one
# interval more), a set-up and its repetition. The lease lives longer.
LIMIT = 20
LEASE_S = 60
LIST = [{"description": "television", "destination_port": 7100}]

prepare = spillway.prepare


def run(lab):
    chance = random.Random(SEED)
    for name, ipv6, dialect in (("IPv4", False, "rfc8157"), ("IPv6, deployed dialect", True, "deployed")):
        with Topology.load("village") as network:
            any_moment = AnyMoment(lab, network, ipv6, dialect)
            with any_moment.haap, any_moment.hg:
                any_moment.learn()
                operations = [each for each in any_moment.operations for _ in range(ROUNDS)]
                chance.shuffle(operations)
                for number, operation in enumerate(operations):
                    any_moment.kill(f"{name} {number}", operation, chance)
            label = "ipv6" if ipv6 else "ipv4"
            lab.figure(f"{label}_moments", len(operations))
            lab.figure(f"{label}_longest_s", any_moment.longest)
            lab.figure(f"{label}_sessions", len(any_moment.sessions))
            for host in HOSTS:
                left = difference(any_moment.before[host], brief(host))
                lab.check(f"{name}, {host}: an orderly end leaves nothing", not left, "; ".join(left)[:1500])


class AnyMoment:
    """Both daemons, how the kernel is with each of two settings, and what they are killed in the middle of."""

    def __init__(self, lab, network, ipv6: bool, dialect: str):
        self.lab, self.network = lab, network
        # The kernel has to finish with devices that were just set up.
        time.sleep(3)
        self.before = {host: brief(host) for host in HOSTS}
        dhcp = {"lease_time": f"{LEASE_S} s"}
        # The deployed dialect knows IPv6 access networks only.
        own = {"address": [HAAP6]} if ipv6 else {}
        self.value = {
            "haap": settings("haap", network, dhcp=dhcp, dialect=dialect, **own),
            "hg": settings("hg", network, ipv6, dialect=dialect),
        }
        self.haap = Spillway(lab, "haap", self.value["haap"])
        self.hg = Spillway(lab, "hg", self.value["hg"])
        self.wanted: dict[tuple[bool, str], list[str]] = {}
        self.listed = False
        self.sessions: set[int] = set()
        self.longest = 0.0
        self.operations = {
            "set-up": self.set_up, "renewal": self.renewal, "reload": self.reload, "a leg lost": self.leg_lost,
            "a leg back": self.leg_back, "tear-down": self.tear_down,
        }

    def learn(self):
        """How all is to be."""
        for _ in range(2):
            self.hg.wait_for("bonded", has_all)
            time.sleep(3)
            for host in HOSTS:
                self.wanted[self.listed, host] = brief(host)
            self.reload()
        self.lab.check("a reload changes what the kernel has", self.wanted[False, "hg"] != self.wanted[True, "hg"])

    # What is under way. None of these waits for its end.

    def set_up(self):
        self.hg.stop()
        self.hg.start()

    def renewal(self):
        status = self.hg.wait_for("has its lease", has_all, seconds=LIMIT)
        # Half of the lease is over then, more or less the time until the address was asked for.
        time.sleep(max(0, status["addresses"]["dhcp4"]["renews_in_s"] - 0.5))

    def reload(self):
        self.listed = not self.listed
        self.hg.configure(self.value["hg"] | ({"bypass": LIST} if self.listed else {}))
        rate = {"dsl_downstream": "6 Mbit/s"} if self.listed else {}
        self.haap.configure(self.value["haap"] | {"subscriber": [self.value["haap"]["subscriber"][0] | rate]})
        for daemon in (self.hg, self.haap):
            daemon.reload()

    def leg_lost(self):
        self.network.lte.carrier(False)

    def leg_back(self):
        self.network.dsl.carrier(False)
        time.sleep(1)
        self.network.dsl.carrier(True)

    def tear_down(self):
        self.hg.process.terminate()

    def kill(self, name: str, operation: str, chance: random.Random):
        who = chance.choice([(self.hg,), (self.haap,), (self.hg, self.haap)])
        # Most of what happens, happens soon.
        after = 1.2 * chance.random() ** 2
        gap = chance.choice([0, 0.05, 0.5, 1.5])
        hosts = " and ".join(daemon.host for daemon in who)
        name += f": {hosts} killed {after * 1e3:.0f} ms into {operation}, {gap:g} s"
        self.operations[operation]()
        load = Pinger("client", SERVER, 300, interval=0.01)
        time.sleep(after)
        for daemon in who:
            daemon.kill()
        time.sleep(gap)
        for daemon in (self.hg, self.haap):
            if not daemon.alive():
                daemon.process.wait()
                daemon.start()
        self.network.lte.carrier(True)
        self.settles(name)
        load.stop()

    def settles(self, name: str):
        """In a bounded time there is one bond, the same at both ends, and nothing that does not belong."""
        begun = time.monotonic()
        off = ["not bonded"]
        while off and time.monotonic() - begun < LIMIT:
            time.sleep(0.2)
            # A daemon that was ending in an orderly way, or ended by an error, is started as a service manager does.
            for daemon in (self.hg, self.haap):
                if not daemon.alive():
                    daemon.process.wait()
                    daemon.start()
            off = self.off()
        took = time.monotonic() - begun
        self.longest = max(self.longest, took)
        if not self.lab.check(f"{name}: all is as it should be", not off, "; ".join(off)[:1500] or f"{took:.1f} s"):
            self.lab.say("\n".join(daemon.log()[-3000:] for daemon in (self.hg, self.haap)))
        self.lab.check(f"{name}: the bond carries", ping("client", SERVER, 3).received > 0)

    def off(self) -> list[str]:
        statuses = [daemon.status() for daemon in (self.hg, self.haap)]
        if None in statuses or not has_all(statuses[0]) or not is_bonded(statuses[1]):
            return ["not bonded"]
        bonds = statuses[1]["bonds"]
        if len(bonds) != 1:
            return [f"{len(bonds)} sessions at the aggregation point"]
        session = statuses[0]["bond"]["session_id"]
        if bonds[0]["session_id"] != session:
            return [f"session {session} at the gateway, {bonds[0]['session_id']} at the aggregation point"]
        self.sessions.add(session)
        return [f"{host} {line}" for host in HOSTS
                for line in difference(self.wanted[self.listed, host], brief(host))]


def has_all(status: dict) -> bool:
    """Both legs, and what is leased."""
    return is_bonded(status) and bool(status["addresses"].get("address"))
