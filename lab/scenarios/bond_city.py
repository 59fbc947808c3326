"""One TCP flow over DSL 50 and LTE 100 Mbit/s: the rates of the product's promise; takes ten minutes (city)."""

from lab import spillway
from lab.scenarios import bond

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]

prepare = spillway.prepare


def run(lab):
    bond.run(lab, topology="city", seconds=4, omit=12)
