"""The curves of a run as one small SVG: no plotting library, readable in any browser, light or dark.

Left the training loss, right the bits per byte on held-out text, a line for each kind, over the tokens seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN = 460, 300, 46  # of a panel
MAX_POINTS = 300
COLOURS = ("#2a7de1", "#e0822a", "#3a9e5f", "#b04fc4", "#c9455a")  # readable on white and on black
Points = Sequence[tuple[float, float]]


def draw_curves(losses: Points, held_out: Mapping[str, Points]) -> str:
    """`losses`: (tokens, nats per token) of every step; `held_out`: kind -> (tokens, bits per byte)."""
    panels = [_Panel("training loss, nats per token", {"": _smoothed(losses)}, 0)]
    if any(held_out.values()):
        panels.append(_Panel("held out, bits per byte", held_out, WIDTH))
    first, last = panels[0].lines[""][0][1], panels[0].lines[""][-1][1]
    drawn = "\n".join(panel.draw() for panel in panels)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(panels)} {HEIGHT}" role="img">
<title>Training loss from {first:.2f} to {last:.2f} nats per token over {len(losses)} steps</title>
<style>text {{ font: 12px sans-serif; fill: #777 }} polyline {{ fill: none; stroke-width: 1.5 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #aaa }} }}</style>
{drawn}
</svg>
"""


@dataclass(frozen=True, slots=True)
class _Panel:
    """One pair of axes, `left` pixels from the left, with a line for each name."""

    title: str
    lines: Mapping[str, Points]
    left: int

    def draw(self) -> str:
        points = [point for line in self.lines.values() for point in line]
        low, high = min(y for _, y in points), max(y for _, y in points)
        most = max(x for x, _ in points)
        left, right, bottom = self.left + MARGIN, self.left + WIDTH - MARGIN, HEIGHT - MARGIN
        parts = [
            f'<path d="M{left},{MARGIN} V{bottom} H{right}" fill="none" stroke="#888"/>',
            _text(self.left + WIDTH / 2, MARGIN - 18, "middle", self.title),
            _text(left - 6, MARGIN + 4, "end", f"{high:.2f}"),
            _text(left - 6, bottom + 4, "end", f"{low:.2f}"),
            _text(right, bottom + 18, "end", f"{most / 1e6:.3g} M tokens"),
        ]
        for index, (name, line) in enumerate(self.lines.items()):
            colour = COLOURS[index % len(COLOURS)]
            places = " ".join(
                f"{left + x / most * (right - left):.1f},"
                f"{bottom - (y - low) / ((high - low) or 1.0) * (bottom - MARGIN):.1f}"
                for x, y in line
            )
            parts.append(f'<polyline stroke="{colour}" points="{places}"/>')
            parts.append(_text(right - 4, MARGIN + 14 * index, "end", name, colour))
        return "\n".join(parts)


def _text(x: float, y: float, anchor: str, text: str, colour: str | None = None) -> str:
    style = f' style="fill: {colour}"' if colour else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _smoothed(points: Points) -> Points:
    """At most `MAX_POINTS`, each the mean of a short window."""
    window = -(-len(points) // MAX_POINTS)
    parts = [points[start : start + window] for start in range(0, len(points), window)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]
