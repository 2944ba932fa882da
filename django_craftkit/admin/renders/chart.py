"""Who opened a document when, as a chart: stacked bars, one for each day. No script, no style."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import count
from typing import TYPE_CHECKING

from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.translation import get_language_bidi, gettext_lazy, ngettext, pgettext_lazy
from django.utils.translation import gettext as _

from django_craftkit.words import grouped, inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.utils.safestring import SafeString

DAYS = 30
#: The kinds that are drawn, from the bottom of a bar to its top.
KINDS = {
    "viewed": pgettext_lazy("of a document", "opened"),
    "downloaded": gettext_lazy("downloaded"),
    "printed": gettext_lazy("printed"),
    "email_opened": gettext_lazy("e-mail opened"),
}

# Of the drawing; the stylesheet scales it, and the size of its letters with it.
_WIDTH, _HEIGHT = 360.0, 150.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 4.0, 8.0, 22.0

Counts = dict[date, Counter[str]]


def chart(rows: Iterable[tuple[date, str, int]], today: date) -> SafeString:
    """Return the SVG of the last ``DAYS`` days; ``rows`` are (day, kind, number)."""
    days = [today - timedelta(days=DAYS - 1 - n) for n in range(DAYS)]
    counts = _counted(rows, days)
    top = ceiling(max((kinds.total() for kinds in counts.values()), default=0))
    return format_html(
        # What "start" and "end" mean must not follow the direction of the page around it.
        '<svg class="craftkit-picture" viewBox="0 0 {} {}" direction="ltr" role="img" '
        'aria-labelledby="craftkit-picture-title craftkit-picture-desc" focusable="false">'
        '<title id="craftkit-picture-title">{}</title>'
        '<desc id="craftkit-picture-desc">{}</desc>{}{}{}</svg>',
        _number(_WIDTH),
        _number(_HEIGHT),
        _("The last %d days") % DAYS,
        described(counts),
        _axis(top),
        _bars(days, counts, top),
        _dates(days),
    )


def legend(totals: Mapping[str, int]) -> SafeString:
    """Return what the colours mean, and how often each happened in all."""
    rows = [(kind, grouped(_whole(totals.get(kind))), label) for kind, label in KINDS.items()]
    return format_html(
        '<ul class="craftkit-legend">{}</ul>',
        format_html_join(
            "",
            '<li><span class="craftkit-swatch craftkit-swatch--{}" aria-hidden="true"></span>'
            "<strong>{}</strong> {}</li>",
            rows,
        ),
    )


def described(counts: Counts) -> str:
    """Return the chart in words, for who can't see it."""
    if not counts:
        return _("Nothing happened.")
    busiest = max(counts, key=lambda day: counts[day].total())
    most = _("most on %(day)s: %(number)s") % {
        "day": inside(formats.date_format, busiest, "MONTH_DAY_FORMAT"),
        "number": _times(counts[busiest].total()),
    }
    return f"{_said(sum(counts.values(), Counter()))}; {most}."


def ceiling(most: int) -> int:
    """Return where the axis ends: the next even number that reads well, and halves well."""
    ceilings: Iterator[int] = (factor * 10**power for power in count() for factor in (2, 4, 6, 10))
    return next(number for number in ceilings if most <= number)


def short(number: int) -> str:
    """Return a number for the axis, which has room for four characters."""
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= limit:
            value = number / limit
            places = 0 if value >= 10 or value == int(value) else 1
            return f"{formats.number_format(value, places)}{unit}"
    return str(number)


def _counted(rows: Iterable[tuple[date, str, int]], days: list[date]) -> Counts:
    counts: Counts = defaultdict(Counter)
    for day, kind, number in rows:
        if days[0] <= day <= days[-1] and kind in KINDS and number > 0:
            counts[day][kind] += number
    return counts


def _axis(top: int) -> SafeString:
    lines = [(_y(value, top), short(value)) for value in (0, top // 2, top)]
    return format_html(
        '<g class="craftkit-picture__axis" aria-hidden="true">{}</g>',
        format_html_join(
            "",
            '<path d="M{} {}H{}"/><text x="{}" y="{}" dy="0.32em" text-anchor="end">{}</text>',
            [
                (_number(_LEFT), y, _number(_WIDTH - _RIGHT), _number(_LEFT - 5), y, words)
                for y, words in lines
            ],
        ),
    )


def _bars(days: list[date], counts: Counts, top: int) -> SafeString:
    slot = (_WIDTH - _LEFT - _RIGHT) / len(days)
    bars = []
    for index, day in enumerate(days):
        if day in counts:
            parts = _stack(counts[day], _LEFT + (index + 0.14) * slot, slot * 0.72, top)
            title = f"{inside(formats.date_format, day, 'DATE_FORMAT')}. {_said(counts[day])}"
            bars.append((title, parts))
    return format_html_join("", "<g><title>{}</title>{}</g>", bars)


def _stack(kinds: Counter[str], x: float, width: float, top: int) -> SafeString:
    parts, below = [], 0
    for kind in KINDS:
        if number := kinds[kind]:
            y, foot = float(_y(below + number, top)), float(_y(below, top))
            # One among thousands is seen all the same.
            height = max(foot - y, 1.5)
            parts.append((kind, *map(_number, (x, foot - height, width, height))))
            below += number
    return format_html_join(
        "",
        '<rect class="craftkit-bar craftkit-bar--{}" x="{}" y="{}" width="{}" height="{}"/>',
        parts,
    )


def _dates(days: list[date]) -> SafeString:
    slot = (_WIDTH - _LEFT - _RIGHT) / len(days)
    # Words keep their own direction in a drawing that has another.
    isolated = "\u2067{}\u2069" if get_language_bidi() else "{}"
    shown = [(0, 0, "start"), (len(days) // 2, 0.5, "middle"), (len(days) - 1, 1, "end")]
    labels = [
        (
            _number(_LEFT + (index + part) * slot),
            _number(_HEIGHT - 6),
            anchor,
            isolated.format(formats.date_format(days[index], "j M")),
        )
        for index, part, anchor in shown
    ]
    return format_html(
        '<g class="craftkit-picture__axis" aria-hidden="true">{}</g>',
        format_html_join("", '<text x="{}" y="{}" text-anchor="{}">{}</text>', labels),
    )


def _said(kinds: Counter[str]) -> str:
    said = (f"{label}: {_times(kinds[kind])}" for kind, label in KINDS.items() if kinds[kind])
    return "; ".join(said)


def _times(number: int) -> str:
    shown = grouped(number)
    return ngettext("%s time", "%s times", number) % shown


def _y(value: float, top: int) -> str:
    return _number(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top))


def _number(value: float) -> str:
    """Return a number as SVG has it, whatever the reader's language does with its point."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
