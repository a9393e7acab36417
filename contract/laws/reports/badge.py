"""A record as a badge: an SVG that a README shows."""

from html import escape

from contract.laws.reports.record import Record

__all__ = ["as_badge"]

CHARACTER_WIDTH = 6.6
"""Pixels, at 11 px of the usual fonts; `textLength` makes up for other ones."""
PADDING = 6
GREEN, AMBER, RED = "#1a7f37", "#9a6700", "#c62828"
"""Ours: white text on each has a contrast of 4.5 or more. Source: WCAG 2.2, 1.4.3."""


def as_badge(record: Record) -> str:
    """Green where all that was tried holds, amber where the rest is known, red where the run failed."""
    noun = "laws" if record.kind == "server" else "scenarios"
    label, value = f"tinker {noun}", f"{record.counts['holds']} of {record.tried}"
    colour = RED if not record.passed else AMBER if record.counts["known"] else GREEN
    left, right = (round(len(text) * CHARACTER_WIDTH) + 2 * PADDING for text in (label, value))
    told = escape(f"{label}: {record.headline}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{told}"><title>{told}</title>'
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#444c56"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_text(label, PADDING, left)}{_text(value, left + PADDING, right)}</g></svg>\n"
    )


def _text(text: str, x: int, width: int) -> str:
    return f'<text x="{x}" y="14" textLength="{width - 2 * PADDING}">{escape(text)}</text>'
