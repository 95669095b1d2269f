"""The loss curve as a small SVG: no plotting library, readable in any browser, light or dark."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 640, 280, 44
MAX_POINTS = 300


def draw_curve(losses: Sequence[float]) -> str:
    """An SVG of the training loss (nats per token) by step, averaged over short windows."""
    points = _smoothed(losses)
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    path = " ".join(
        f"{MARGIN + index * (WIDTH - 2 * MARGIN) / max(1, len(points) - 1):.1f},"
        f"{HEIGHT - MARGIN - (value - low) / span * (HEIGHT - 2 * MARGIN):.1f}"
        for index, value in enumerate(points)
    )
    bottom, right = HEIGHT - MARGIN, WIDTH - MARGIN
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>Training loss from {points[0]:.2f} to {points[-1]:.2f} nats per token over {len(losses)} steps</title>
<g fill="none" stroke="#888"><path d="M{MARGIN},{MARGIN} V{bottom} H{right}"/></g>
<polyline fill="none" stroke="#2a7de1" stroke-width="1.5" points="{path}"/>
<g fill="#888" font-family="sans-serif" font-size="12">
<text x="{MARGIN - 6}" y="{MARGIN + 4}" text-anchor="end">{high:.1f}</text>
<text x="{MARGIN - 6}" y="{bottom + 4}" text-anchor="end">{low:.1f}</text>
<text x="{MARGIN}" y="{bottom + 18}">0</text>
<text x="{right}" y="{bottom + 18}" text-anchor="end">{len(losses)} steps</text>
<text x="{WIDTH // 2}" y="{MARGIN - 16}" text-anchor="middle">training loss, nats per token</text>
</g></svg>
"""


def _smoothed(losses: Sequence[float]) -> list[float]:
    window = max(1, len(losses) // MAX_POINTS)
    parts = [losses[start : start + window] for start in range(0, len(losses), window)]
    return [sum(part) / len(part) for part in parts]
