"""What scenarios have found, as one page of HTML with their pictures; it loads nothing from elsewhere."""

import json
import pathlib
from html import escape

from lab import picture

STYLE = """
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; width: 100%; }
  th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
  td.number { font-variant-numeric: tabular-nums; }
  td.detail { overflow-wrap: anywhere; }
  .pass { color: #0f7a4a; } .fail { color: #c0362c; font-weight: 600; }
  svg { width: 100%; height: auto; margin: 0.5rem 0; }
  @media (prefers-color-scheme: dark) {
    body { background: #14171a; color: #eceff2; } .pass { color: #4cc38a; } .fail { color: #ff7b6e; }
    a { color: #7ab4ff; }
  }
"""
# What a check tells is shown so far.
DETAIL = 300


def html(results: list[dict], out: pathlib.Path) -> str:
    """`out`: the folder with each scenario's files."""
    failed = sum(not result["pass"] for result in results)
    outcome = f"{failed} failed" if failed else "all passed"
    title = f"Spillway's lab: {len(results)} scenario{'s' * (len(results) != 1)}, {outcome}"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>",
    ]
    if len(results) > 1:
        links = (f'<a href="#{each["scenario"]}">{each["scenario"]}</a>' for each in results)
        parts += ["<ul>", *(f"<li>{_verdict(each['pass'])} {link}" for each, link in zip(results, links)), "</ul>"]
    for result in results:
        parts += _scenario(result, out / result["scenario"])
    return "\n".join(parts) + "\n"


def _verdict(passed: bool) -> str:
    return '<span class="pass">pass</span>' if passed else '<span class="fail">FAIL</span>'


def _scenario(result: dict, folder: pathlib.Path) -> list[str]:
    parts = [f'<h2 id="{result["scenario"]}">{escape(result["scenario"])}: {_verdict(result["pass"])}</h2>']
    plots = folder / "plots.json"
    for each in json.loads(plots.read_text()) if plots.exists() else []:
        parts.append(picture.Plot(**each).svg())
    if result["figures"]:
        figures = result["figures"].items()
        rows = (f'<tr><td>{escape(name)}<td class="number">{escape(str(value))}' for name, value in figures)
        parts += ["<table><tr><th>figure<th>value", *rows, "</table>"]
    rows = (
        f'<tr><td>{_verdict(each["pass"])}<td>{escape(each["name"])}<td class="detail">{escape(each["detail"][:DETAIL])}'
        for each in result["checks"]
    )
    return [*parts, "<table><tr><th><th>check<th>detail", *rows, "</table>"]
