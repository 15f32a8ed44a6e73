"""The figures as a picture: one bar for each goal, as a share of it. Plain SVG, so that it can be read in a review."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

from tests.bench.figures import Figure

ROW, BAR, LEFT, RIGHT, TOP = 26, 12, 430, 90, 56
WIDTH = 960
MOST = 2.0
"""Times the goal at which a bar ends, with an arrow: what is far beyond it makes the others no shorter."""
GOOD, MISSED, INK, SOFT, PAPER = "#1d6b4f", "#b4471f", "#1e1c19", "#8a8478", "#fbfaf7"


def reached(figure: Figure) -> float | None:
    """How far a figure came towards its goal: 1 is the goal itself, more is better. None where nothing was promised."""
    measured = figure.ratio if figure.floor is not None else figure.value
    if not figure.goal or not measured or measured != measured:  # noqa: PLR0124 - not a number is not itself
        return None
    return measured / figure.goal if figure.way == "at least" else figure.goal / measured


def drawn(figures: Iterable[Figure]) -> str:
    """The picture."""
    rows = [(one, share) for one in figures if (share := reached(one)) is not None]
    height, scale = TOP + ROW * len(rows) + 30, (WIDTH - LEFT - RIGHT) / MOST
    goal = LEFT + scale
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" '
        f'font-size="13" fill="{INK}"><rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>'
    )
    parts = [
        head,
        f'<text x="{LEFT - 12}" y="28" text-anchor="end" font-size="17" font-weight="600">How far each goal was reached</text>',
        f'<text x="{goal}" y="28" text-anchor="middle" fill="{SOFT}">the goal</text>',
        f'<line x1="{goal}" y1="38" x2="{goal}" y2="{height - 16}" stroke="{SOFT}" stroke-dasharray="3 3"/>',
    ]
    for number, (figure, share) in enumerate(rows):
        middle, colour = TOP + ROW * number + ROW / 2, GOOD if figure.good else MISSED
        length, beyond = max(2.0, min(share, MOST) * scale), " →" if share > MOST else ""
        name = figure.what if len(figure.what) <= 62 else f"{figure.what[:61]}…"
        parts += [
            f'<text x="{LEFT - 12}" y="{middle + 4:.0f}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{middle - BAR / 2:.0f}" width="{length:.0f}" height="{BAR}" rx="2" fill="{colour}"/>',
            f'<text x="{LEFT + length + 8:.0f}" y="{middle + 4:.0f}" fill="{colour}">{share:.2f}{beyond}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
