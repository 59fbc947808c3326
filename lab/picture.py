"""Something over time as an SVG, events marked: stacked areas, lines or dots. Readable in light and dark."""

import dataclasses
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 960, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 108, 52

# Plain rules and a dark set, no variables: not every program that shows SVG knows those. The hues keep their distance
# for colour-blind eyes on both surfaces.
LIGHT = {
    "surface": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "grid": "#e3e6ea", "s0": "#2a78d6", "s1": "#e08a3c",
    "s2": "#0f8f6a", "s3": "#a04ec2",
}
DARK = {
    "surface": "#14171a", "ink": "#eceff2", "soft": "#9aa4ae", "grid": "#2c3238", "s0": "#3f85d9", "s1": "#d07a2c",
    "s2": "#2ba583", "s3": "#b873d6",
}
RULES = """
  .surface { fill: %(surface)s; } text { fill: %(ink)s; } .soft { fill: %(soft)s; }
  .grid { stroke: %(grid)s; } .axis, .limit { stroke: %(soft)s; } .event { stroke: %(ink)s; }
  .s0 { fill: %(s0)s; } .s1 { fill: %(s1)s; } .s2 { fill: %(s2)s; } .s3 { fill: %(s3)s; }
  .l0 { stroke: %(s0)s; } .l1 { stroke: %(s1)s; } .l2 { stroke: %(s2)s; } .l3 { stroke: %(s3)s; }
  .edge, .halo { stroke: %(surface)s; }
"""
COLOURS = 4
STYLE = f"""
  text {{ font: 13px system-ui, sans-serif; }} .title {{ font-size: 17px; font-weight: 600; }}
  .edge, .line {{ fill: none; stroke-width: 1.5; }} .halo {{ paint-order: stroke; stroke-width: 4; }}
  .event {{ stroke-dasharray: 4 3; }} .limit {{ stroke-dasharray: 1 3; }}
  {RULES % LIGHT}
  @media (prefers-color-scheme: dark) {{ {RULES % DARK} }}
"""


@dataclasses.dataclass
class Plot:
    """samples: {"t": s, NAME: value in `unit`, …}; series: (name, label), four at most, the lowest first; events:
    {"t": s, "label": …}; limits: (value, label), drawn as dotted lines. form: `areas`, stacked, for which each sample
    has each series; `lines`, or `dots`, so that what is missing shows. seconds: where the axis ends, if not where all
    that is shown does."""

    title: str
    subtitle: str
    samples: list[dict]
    series: list[tuple[str, str]]
    events: list[dict] = dataclasses.field(default_factory=list)
    limits: list[tuple[float, str]] = dataclasses.field(default_factory=list)
    unit: str = "Mbit/s"
    form: str = "areas"
    seconds: float = 0

    def svg(self) -> str:
        self._end = max([entry["t"] for entry in [*self.samples, *self.events]] + [self.seconds, 1e-9])
        values = [[sample[name] for name, _ in self.series if name in sample] for sample in self.samples]
        totals = [sum(each) if self.form == "areas" else max(each, default=0) for each in values]
        step = _step(max([*totals, *[value for value, _ in self.limits], 1e-9]))
        self._top = step * math.ceil(max([*totals, *[value for value, _ in self.limits], step]) * 1.04 / step)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(self.title)}">',
            f"<style>{STYLE}</style>",
            f'<rect class="surface" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text class="title" x="{LEFT}" y="28">{escape(self.title)}</text>',
            f'<text class="soft" x="{LEFT}" y="47">{escape(self.subtitle)}</text>',
            *self._legend(), *self._axes(step), *getattr(self, f"_{self.form}")(), self._base(), *self._limits(),
            *self._events(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _x(self, seconds: float) -> float:
        return round(LEFT + seconds / self._end * (WIDTH - LEFT - RIGHT), 1)

    def _y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value / self._top * (HEIGHT - TOP - BOTTOM), 1)

    def _legend(self) -> list[str]:
        parts, x = [], LEFT
        for number, (_, label) in enumerate(self.series):
            parts.append(f'<rect class="s{number}" x="{x}" y="57" width="12" height="12" rx="2"/>')
            parts.append(f'<text x="{x + 18}" y="67">{escape(label)}</text>')
            x += 40 + 7.2 * len(label)
        return parts

    def _axes(self, step: float) -> list[str]:
        parts = []
        for number in range(round(self._top / step) + 1):
            y = self._y(number * step)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text class="soft" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{number * step:g}</text>')
        parts.append(f'<text class="soft" x="{LEFT - 8}" y="{TOP - 12}" text-anchor="end">{escape(self.unit)}</text>')
        every = _step(self._end)
        for number in range(int(self._end / every) + 1):
            x = self._x(number * every)
            parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}"/>')
            parts.append(
                f'<text class="soft" x="{x}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{number * every:g}</text>'
            )
        parts.append(
            f'<text class="soft" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">seconds</text>'
        )
        return parts

    def _base(self) -> str:
        # After the areas, whose edge would cover it.
        y = self._y(0)
        return f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'

    def _areas(self) -> list[str]:
        parts = []
        below = [0.0] * len(self.samples)
        for number, (name, _) in enumerate(self.series):
            above = [base + sample[name] for base, sample in zip(below, self.samples)]
            times = [sample["t"] for sample in self.samples]
            upper = [f"{self._x(t)},{self._y(v)}" for t, v in zip(times, above)]
            lower = [f"{self._x(t)},{self._y(v)}" for t, v in zip(times, below)]
            parts.append(f'<polygon class="s{number}" points="{" ".join([*upper, *reversed(lower)])}"/>')
            # A line of the surface's colour keeps the areas apart without relying on hue.
            parts.append(f'<polyline class="edge" points="{" ".join(upper)}"/>')
            below = above
        return parts

    def _points(self):
        """Of each series that is no area: its number, and its points in the order of time."""
        for number, (name, _) in enumerate(self.series):
            known = sorted((sample["t"], sample[name]) for sample in self.samples if name in sample)
            yield number, [(self._x(t), self._y(value)) for t, value in known]

    def _lines(self) -> list[str]:
        return [
            f'<polyline class="line l{number}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'
            for number, points in self._points()
        ]

    def _dots(self) -> list[str]:
        return [
            f'<circle class="s{number}" cx="{x}" cy="{y}" r="2"/>'
            for number, points in self._points() for x, y in points
        ]

    def _limits(self) -> list[str]:
        parts = []
        for value, label in self.limits:
            y = self._y(value)
            parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text class="halo" x="{WIDTH - RIGHT}" y="{y - 5}" text-anchor="end">{escape(label)}</text>')
        return parts

    def _events(self) -> list[str]:
        parts, ends = [], [-1e9, -1e9]
        for event in sorted(self.events, key=lambda event: event["t"]):
            x, label = self._x(event["t"]), str(event["label"])
            length = 6.6 * len(label)
            left = min(x, WIDTH - RIGHT - length)
            # Two rows, so that labels of events in quick succession don't cover each other.
            row = 0 if left > ends[0] else 1
            ends[row] = left + length + 8
            y = TOP - 8 - 15 * (1 - row) if row == 0 else TOP - 6
            parts.append(f'<line class="event" x1="{x}" x2="{x}" y1="{y + 4}" y2="{HEIGHT - BOTTOM}"/>')
            at = left + (4 if left == x else 0)
            parts.append(f'<text class="halo" x="{at}" y="{y}" font-size="12">{escape(label)}</text>')
        return parts


def _step(greatest: float) -> float:
    """A round distance of marks (1, 2 or 5 times a power of ten) that gives about six of them."""
    raw = greatest / 6
    power = 10 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
