"""City rates over IPv6 access networks: 50 + 100 Mbit/s, one TCP flow."""

from lab import spillway
from lab.scenarios import bond

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]

prepare = spillway.prepare


def run(lab):
    bond.run(lab, ipv6=True, topology="city", seconds=4, omit=12)
