"""Each netlink request of both daemons is refused with each of five errors; half an hour (village)."""

from lab.faults import ERRORS
from lab.scenarios import faults
from lab.topology import Topology

VIRTUAL_TIME = True
NEEDS = faults.NEEDS

prepare = faults.prepare


def run(lab):
    with Topology.load("village") as network:
        pair = faults.Pair(lab, network)
        pair.learn()
        for error in ERRORS:
            for number in range(faults.LIVES):
                pair.live(number + 1, error)
        faults.rest(lab, pair)
        faults.refused(lab, pair)
        faults.counted(lab, pair)
