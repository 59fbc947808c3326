"""What keeps to a leg while more than DSL carries is sent, for checks of either direction."""

from lab.measure import flow
from lab.measure.frames import Wires

LOAD, ON_DSL, ON_LTE = 5302, 7400, 7300


def under_load(lab, host: str, sender: str, receiver: str, address: str, name: str, overflow: str) -> None:
    """From `sender` to `receiver` at `address`, whose ports are pinned to DSL and LTE at `host`, which has the bond."""
    wires = Wires(host, lab.out, name)
    flows = {port: flow.UDP(sender, receiver, address, 1.5, mbit=mbit, size=1000, port=port)
             for port, mbit in ((LOAD, 12), (ON_DSL, 0.4), (ON_LTE, 0.4))}
    results = {port: each.result() for port, each in flows.items()}
    wires.stop()
    for port, leg in ((ON_DSL, "dsl"), (ON_LTE, "lte")):
        where = wires.count(port)
        lab.check(f"{overflow}: pinned to {leg}, under load", where == {leg: results[port].sent}, str(where))
    where = wires.count(LOAD)
    lab.check(f"{overflow}: the load is on both legs", min(where.get("dsl", 0), where.get("lte", 0)) > 100, str(where))
