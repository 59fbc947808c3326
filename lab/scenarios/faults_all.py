"""Each netlink request of both daemons is refused, each kind with each of five errors; half an hour (village)."""

from lab import freeradius, resolver
from lab.faults import ERRORS, KINDS, SELDOM, Faults, table
from lab.lives import Granted, Named, Plain, Protected
from lab.scenarios import faults
from lab.scenarios.faults import HOSTS, LIVES, Pair
from lab.topology import Topology

VIRTUAL_TIME = True
NEEDS = [*faults.NEEDS, *freeradius.FILES, resolver.PROGRAM]


def prepare() -> None:
    faults.prepare()
    freeradius.prepare()


def run(lab):
    with Topology.load("village") as network:
        injectors = {host: Faults(lab.out, host) for host in HOSTS}
        # In these each request fails with one error, and the first of each kind with each.
        for life in (Protected(), Named(), Granted()):
            with life.servers(lab):
                pair = Pair(lab, network, life, injectors)
                pair.learn()
                for number, error in enumerate(ERRORS):
                    pair.starts(error)
                    pair.live(number % LIVES + 1, error, fresh=True)
            shown(lab, injectors)
            lab.figure(f"{life.name}_longest_s", pair.longest)
        # In these each request with each error.
        pair = Pair(lab, network, Plain(), injectors)
        pair.learn()
        for error in ERRORS:
            for number in range(LIVES):
                pair.live(number + 1, error)
        faults.rest(lab, pair)
        faults.refused(lab, pair)
        faults.counted(lab, pair)
        shown(lab, injectors)
        complete(lab, injectors)


def shown(lab, injectors):
    """How often each kind of request was made to fail with each error."""
    lab.say(f"{'':32}" + "".join(f"{error:>8}" for error in ERRORS))
    for kind, counts in table(list(injectors.values())).items():
        lab.say(f"{kind:32}" + "".join(f"{counts[error]:8}" for error in ERRORS))


def complete(lab, injectors):
    counts = table(list(injectors.values()))
    for kind in sorted(KINDS - SELDOM):
        missing = [error for error in ERRORS if not counts[kind][error]]
        lab.check(f"{kind} has failed with each error", not missing, ", ".join(missing))
    unknown = sorted(set(counts) - KINDS)
    lab.check("no other kind was sent", not unknown, ", ".join(unknown))
