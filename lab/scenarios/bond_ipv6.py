"""The bond over IPv6 access networks, in the deployed dialect: the sum of both legs, in order (village)."""

from lab import spillway
from lab.scenarios import bond

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]

prepare = spillway.prepare


def run(lab):
    bond.run(lab, ipv6=True, dialect="deployed")
