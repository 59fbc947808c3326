"""A download while LTE and then DSL fail and come back, as a picture (village)."""

import threading
import time

from lab import spillway
from lab.measure import flow
from lab.measure.counters import Counters
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
SECONDS = 30

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        with Spillway(lab, "haap", settings("haap", network)), Spillway(lab, "hg", settings("hg", network)) as hg:
            hg.wait_for("bonded", is_bonded)
            steps = (
                (6, "LTE goes silent", lambda: network.lte.blackhole(True)),
                (12, "LTE is back", lambda: network.lte.blackhole(False)),
                (18, "DSL loses carrier", lambda: network.dsl.carrier(False)),
                (24, "DSL is back", lambda: network.dsl.carrier(True)),
            )
            with Counters({"dsl": ("hg", "dsl", "rx"), "lte": ("hg", "lte", "rx")}) as counters:
                begun = time.monotonic()
                events = []

                def happen():
                    for at, label, action in steps:
                        time.sleep(max(0, begun + at - time.monotonic()))
                        events.append({"t": time.monotonic() - begun, "label": label})
                        lab.event(label)
                        action()

                trouble = threading.Thread(target=happen)
                trouble.start()
                got = flow.tcp("client", "server", SERVER, SECONDS, reverse=True, omit=0)
                trouble.join()
        both = network.dsl.down.mbit + network.lte.down.mbit
        lab.save("demo.json", lab.plot(
            f"One download over DSL {network.dsl.down.mbit:g} and LTE {network.lte.down.mbit:g} Mbit/s",
            "What reaches the gateway on each leg; one TCP connection from beginning to end",
            counters.samples, [("dsl", "DSL"), ("lte", "LTE")], events=events,
            limits=[(both, "both links"), (network.dsl.down.mbit, "DSL alone")]))
        lab.figure("mbit", got.mbit)
        lab.check("the download lived through it all", got.intervals[-1][1] > 1, f"{got.intervals[-1][1]:.1f} Mbit/s")
        # The figure of a DSL line alone is what a customer without bonding has, in good times.
        lab.at_least("mean rate against DSL alone", got.mbit / network.leg_limit_mbit("dsl", "down"), 1)
