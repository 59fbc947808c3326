"""What the measurements of the scenario `grid` come to: tables, a picture, how far the bond is from its aims."""

import dataclasses

from lab.bars import PLAIN, Bars
from lab.measure.tables import table

NAMES = {
    "dsl": "DSL alone", "lte": "LTE alone", "bond": "the bond", "police": "the bond, `police`", "gre": "GRE, overflow",
    "bonding": "bonding, balance-rr", "mptcp": "MPTCP",
}
# All of these carry any IP, as the bond does; MPTCP only TCP between two ends that speak it.
ALL_IP = ("gre", "bonding")
# The lab's one processor had next to no time left: what is missed there may be its limit, and is not judged.
BUSY = 0.95
# At most so much more than DSL's idle round trip, 95 of 100 echoes, in ms.
ADDED_MS = 10


@dataclasses.dataclass
class Aim:
    """One aim in one case. `value` has to be at least `aim`, or at most where `most`; `guard` is what must not be lost
    of what is reached. `doubtful`: there was no processor for more, so that a miss may be the lab's."""

    name: str
    value: float
    aim: float
    guard: float
    most: bool = False
    doubtful: bool = False

    def holds(self, wanted: float) -> bool:
        return self.value <= wanted if self.most else self.value >= wanted


def cases(rows: list[dict]) -> dict[tuple[str, str], dict[str, dict]]:
    """Rows by cell and load, then by way, in the order of measurement."""
    found: dict[tuple[str, str], dict[str, dict]] = {}
    for row in rows:
        found.setdefault((row["cell"], row["load"]), {})[row["way"]] = row
    return found


def aims(case: dict[str, dict], lossy: bool, guards: dict[str, float]) -> list[Aim]:
    """What the bond aims at in a case."""
    bond = case.get("bond")
    if bond is None:
        return []
    found, busy = [], bond["busy"] > BUSY
    if not lossy:
        found.append(Aim("share of the ceiling", bond["share"], 0.97, guards["share"], doubtful=busy))
    alone = [case[way]["mbit"] for way in ("dsl", "lte") if way in case]
    if alone:
        found.append(Aim("of the better leg", bond["mbit"] / max(alone), 1, guards["better"], doubtful=busy))
    first = [begun(case[way]) for way in ("dsl", "lte") if way in case and "each_half_second" in case[way]]
    if first and "each_half_second" in bond:
        found.append(Aim("of the better leg in the first 5 s", begun(bond) / max(first), 1, guards["first"]))
    peers = [case[way]["mbit"] for way in ALL_IP if way in case and case[way]["busy"] <= BUSY]
    if peers:
        found.append(Aim("of the best peer for all IP", bond["mbit"] / max(peers), 1, guards["peer"], doubtful=busy))
    added = max(bond["ping_p95_ms"] - bond["idle_ms"], bond["one_way_p95_ms"] - bond["idle_ms"] / 2)
    found.append(Aim("added to a sparse flow, 95 of 100, ms", added, ADDED_MS, guards["added_ms"], most=True))
    return found


def markdown(rows: list[dict], judged: list[tuple[str, Aim]]) -> str:
    """Three tables with a line for each case and a column for each way; then the aims that are missed."""
    missed = [(name, each) for name, each in judged if not each.holds(each.aim)]
    parts = [
        "Share of the ceiling:", "", _table(rows, lambda row: f"{row['share']:.2f}" + "*" * (row["busy"] > BUSY)), "",
        "Added to an echo beside it, median and 99 of 100, ms:", "",
        _table(rows, lambda row: f"{_zero(row['added_p50_ms'])}, {_zero(row['added_p99_ms'])}"), "",
        "Out of order at the receiver; what TCP sent again, or of UDP was lost:", "", _table(rows, _order), "",
        "TCP's first five seconds, Mbit/s; seconds until one with 90 % of the ceiling is over:", "",
        _table([row for row in rows if "each_half_second" in row], _grown), "",
        f"Of {len(judged)} aims in these cases the bond missed {len(missed)}:", "",
    ]
    lines = [[name, each.name, f"{each.value:.3f}{'*' * each.doubtful}", f"{each.aim:g}"] for name, each in missed]
    return "\n".join([*parts, table(["case", "aim", "is", "wanted"], lines)]) + "\n"


def _zero(value: float) -> str:
    return f"{max(0, value):.0f}"


def _order(row: dict) -> str:
    again = f"{row['retransmits']}" if "retransmits" in row else f"{row['lost_share'] * 100:.0f} %"
    return f"{row['out_of_order_share'] * 100:.1f} %, {again}"


def begun(row: dict) -> float:
    """What a TCP flow carried in its first five seconds, in Mbit/s."""
    return sum(row["each_half_second"][:10]) / 10


def _grown(row: dict) -> str:
    rates = row["each_half_second"]
    # In pairs: what waited for a packet that was lost comes at once, and is no rate.
    found = [at for at, pair in enumerate(zip(rates, rates[1:]), 2) if sum(pair) / 2 >= 0.9 * row["limit_mbit"]]
    return f"{begun(row):.0f}" + (f", {found[0] / 2:.1f}" if found else "")


def _table(rows: list[dict], text) -> str:
    ways = [way for way in NAMES if any(row["way"] == way for row in rows)]
    lines = [[described(cell), traffic(load), *(text(case[way]) if way in case else "" for way in ways)]
             for (cell, load), case in cases(rows).items()]
    return table(["links, LTE's delay and loss", "load", *(NAMES[way] for way in ways)], lines)


def described(cell: str) -> str:
    """`16+50@25/0.1` as words."""
    links, _, rest = cell.partition("@")
    delay, _, loss = rest.partition("/")
    return f"{links.replace('+', ' + ')}, {delay} ms" + (f", {loss} %" if float(loss) else "")


def traffic(load: str) -> str:
    """`cubic-8-down` as words."""
    kind, *streams, way = load.split("-")
    return f"{streams[0] if streams else '1'} {kind.upper()} {way}".replace("1 UDP", "UDP")


def picture(rows: list[dict]) -> str:
    groups = []
    for (cell, load), case in cases(rows).items():
        values = {way: row["share"] for way, row in case.items()}
        values["alone"] = max([values.get("dsl", 0), values.get("lte", 0)])
        groups.append((described(cell).replace(", ", "\n", 1) + f"\n{traffic(load)}", values))
    series = [("bond", "the bond", "s0"), ("alone", "the better leg alone", PLAIN), ("gre", "two GRE devices", "s1"),
              ("bonding", "bonding driver", "s2"), ("mptcp", "MPTCP", "s3")]
    subtitle = "Share of the sum of both rates, less the headers of the bond"
    return Bars("What flows get of two unlike links", subtitle, groups, series).svg()
