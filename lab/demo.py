#!/usr/bin/python3
"""Draws what a scenario recorded: lab/demo.py SAMPLES.json PICTURE.svg

SAMPLES.json holds {"title", "subtitle", "samples", "events", "limits"} as lab/picture.py describes them; all but
"samples" may be missing.
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
    recorded = json.loads(pathlib.Path(sys.argv[1]).read_text())
    plot = Plot(
        recorded.get("title", "Throughput of the legs"), recorded.get("subtitle", ""), recorded["samples"],
        [("dsl", "DSL"), ("lte", "LTE")], recorded.get("events", []),
        [(value, label) for value, label in recorded.get("limits", [])],
    )
    pathlib.Path(sys.argv[2]).write_text(plot.svg())
    print(f"wrote {sys.argv[2]}")
    return 0


sys.exit(main())
