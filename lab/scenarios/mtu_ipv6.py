"""The same as mtu, over IPv6 access networks (village)."""

from lab import spillway
from lab.scenarios import mtu

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]

prepare = spillway.prepare


def run(lab):
    mtu.run(lab, ipv6=True)
