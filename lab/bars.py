"""Groups of bars as an SVG, in the colours of lab/picture.py: a share for each way of each case."""

import dataclasses
from xml.sax.saxutils import escape

from lab.picture import HEIGHT, STYLE, WIDTH

LEFT, RIGHT, TOP, BOTTOM = 64, 24, 100, 76
# What is compared with has no hue.
PLAIN = "soft-bar"
OWN = """<style>.soft-bar { fill: #9aa4ae; }
  @media (prefers-color-scheme: dark) { .soft-bar { fill: #68727c; } }</style>"""


@dataclasses.dataclass
class Bars:
    """groups: label (its lines by a line feed), and values by a series' name, of which some may be missing. series:
    (name, label, class), the class `s0` to `s3` of lab/picture.py or PLAIN. Values end at `top`, with a mark at 1.
    `marks`: heights and what is written there, instead of percent."""

    title: str
    subtitle: str
    groups: list[tuple[str, dict[str, float]]]
    series: list[tuple[str, str, str]]
    top: float = 1.1
    marks: list[tuple[float, str]] | None = None

    def svg(self) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(self.title)}">',
            f"<style>{STYLE}</style>", OWN, f'<rect class="surface" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text class="title" x="{LEFT}" y="28">{escape(self.title)}</text>',
            f'<text class="soft" x="{LEFT}" y="47">{escape(self.subtitle)}</text>',
            *self._legend(), *self._axis(), *self._bars(), "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - min(value, self.top) / self.top * (HEIGHT - TOP - BOTTOM), 1)

    def _legend(self) -> list[str]:
        parts, x = [], float(LEFT)
        for _, label, hue in self.series:
            parts.append(f'<rect class="{hue}" x="{x:.0f}" y="60" width="12" height="12" rx="2"/>')
            parts.append(f'<text x="{x + 18:.0f}" y="70">{escape(label)}</text>')
            x += 40 + 7.2 * len(label)
        return parts

    def _axis(self) -> list[str]:
        parts = []
        percents = [(percent / 100, f"{percent} %") for percent in range(0, round(self.top * 100) + 1, 20)]
        for value, text in self.marks or percents:
            y = self._y(value)
            kind = "limit" if value == 1 else "grid"
            parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text class="soft" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(text)}</text>')
        return parts

    def _bars(self) -> list[str]:
        parts = []
        room = (WIDTH - LEFT - RIGHT) / max(1, len(self.groups))
        wide = min(22.0, (room - 14) / len(self.series))
        for number, (label, values) in enumerate(self.groups):
            middle = LEFT + room * (number + 0.5)
            known = [each for each in self.series if each[0] in values]
            x = middle - wide * len(known) / 2
            for name, _, hue in known:
                y = self._y(values[name])
                size = f'width="{wide - 2:.1f}" height="{max(0.5, HEIGHT - BOTTOM - y):.1f}"'
                parts.append(f'<rect class="{hue}" x="{x + 1:.1f}" y="{y}" {size}/>')
                x += wide
            for line, text in enumerate(label.split("\n")):
                y = HEIGHT - BOTTOM + 20 + 17 * line
                parts.append(f'<text class="soft" x="{middle:.1f}" y="{y}" text-anchor="middle">{escape(text)}</text>')
        return [*parts, f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self._y(0)}" y2="{self._y(0)}"/>']
