#!/usr/bin/python3
"""Says in a table what the scenarios bond and demo reached, and draws the demo: lab/demo.py RESULTS PICTURE.svg

RESULTS is the folder given to lab/run --out.
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lab.picture import Plot  # noqa: E402


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    results = pathlib.Path(sys.argv[1])
    recorded = json.loads((results / "demo" / "demo.json").read_text())
    table(recorded, *(json.loads((results / name / "result.json").read_text())["figures"] for name in ("bond", "demo")))
    plot = Plot(**recorded)
    pathlib.Path(sys.argv[2]).write_text(plot.svg())
    print(f"picture: {sys.argv[2]}")
    return 0


def table(recorded: dict, bond: dict, demo: dict) -> None:
    limit = bond["limit_mbit"]
    rows = [
        ("both links, sum of their rates", recorded["limits"][0][0], None),
        ("what fits through them as one TCP flow (headers taken off)", limit, 1),
        ("DSL alone", bond["dsl_alone_mbit"], bond["dsl_alone_mbit"] / limit),
        ("the bond, one TCP flow down", bond["down_mbit"], bond["down_mbit"] / limit),
        ("the bond, one TCP flow up", bond["up_mbit"], bond["up_mbit"] / limit),
        ("one download while LTE, then DSL fail and return (mean)", demo["mbit"], demo["mbit"] / limit),
    ]
    print()
    for name, rate, share in rows:
        print(f"  {name:60} {rate:7.2f} Mbit/s" + ("" if share is None else f"  {share:5.0%}"))
    print()


sys.exit(main())
