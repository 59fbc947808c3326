"""How quickly traffic is back: tables and the picture of rows that lab/scenarios/quick.py measures."""

import math
import textwrap

from lab.bars import PLAIN, Bars
from lab.failures import CAUSES
from lab.measure.tables import table

NAMES = {
    "bond": "the bond", "hello": "Hellos alone", "arp": "bonding, `arp_interval`", "miimon": "bonding, `miimon`",
    "mptcp": "MPTCP",
}
# What makes no sense: what has no daemon, or no notion of a round trip; and MPTCP has TCP only.
LEFT_OUT = {(way, "restart") for way in NAMES if way != "bond"} | {("arp", "slow"), ("miimon", "slow")}
FLOWS = ("voice_down", "voice_up", "probe")
# The picture's axis.
LEAST_MS, MOST_MS = 10, 100_000


def markdown(rows: list[dict]) -> str:
    parts = [
        "Until the last packet that is lost, late or out of order, ms:", "", _table(rows, _back), "",
        "Packets lost: of the voice call, both ways; of the probe:", "", _table(rows, _lost), "",
        "The voice call's longest time without a packet, ms:", "",
        _table(rows, lambda row: f"{max(row[name]['gap_ms'] for name in FLOWS[:2])}" if "probe" in row else ""), "",
        "TCP's longest time without anything new, ms:", "", _table(rows, _stall),
    ]
    return "\n".join(parts) + "\n"


def _back(row: dict) -> str:
    if "probe" not in row:
        return ""
    return f"{row['back_ms']}" if row["well"] else f"not within {row['waited_s']:.0f} s"


def _lost(row: dict) -> str:
    if "probe" not in row:
        return ""
    lost = [row[name]["lost"] for name in FLOWS]
    return f"{lost[0] + lost[1]}, {lost[2]}" + ("" if row["well"] else " and more")


def _stall(row: dict) -> str:
    return f"{row['stall_ms']}" if row["goes_on"] else f"not within {row['waited_s']:.0f} s"


def _table(rows: list[dict], text) -> str:
    ways = [way for way in NAMES if any(row["way"] == way and text(row) for row in rows)]
    by = {(row["cause"], row["way"]): row for row in rows}
    lines = [[cause.words, *(text(by[cause.name, way]) if (cause.name, way) in by else "" for way in ways)]
             for cause in CAUSES if any(row["cause"] == cause.name for row in rows)]
    return table(["", *(NAMES[way] for way in ways)], lines)


def picture(rows: list[dict]) -> str:
    """Of TCP, as all ways carry that."""
    height = math.log10(MOST_MS / LEAST_MS)
    groups = []
    for cause in CAUSES:
        values = {row["way"]: math.log10(max(LEAST_MS, stalled(row)) / LEAST_MS) / height
                  for row in rows if row["cause"] == cause.name}
        if values:
            groups.append(("\n".join(textwrap.wrap(cause.words, 14)), values))
    series = [("bond", "the bond", "s0"), ("hello", "Hellos alone", "s1"), ("arp", "bonding, arp_interval", "s2"),
              ("miimon", "bonding, miimon", PLAIN), ("mptcp", "MPTCP", "s3")]
    marks = [(step / height, text) for step, text in enumerate(("10 ms", "100 ms", "1 s", "10 s", "away"))]
    subtitle = "How long one TCP connection brings nothing new when something fails; each line is ten times the last"
    return Bars("How quickly traffic is back", subtitle, groups, series, top=1.05, marks=marks).svg()


def stalled(row: dict) -> float:
    return row["stall_ms"] if row["goes_on"] else MOST_MS
