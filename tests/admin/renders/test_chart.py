"""The picture of engagement, by itself: what is drawn, and what is said of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.admin.renders.chart import DAYS, KINDS, ceiling, chart, legend, short
from django_craftkit.models import EngagementEvent
from tests.admin.conftest import make_event, make_render

TODAY = date(2026, 7, 30)


def drawn(rows) -> ET.Element:
    return ET.fromstring(str(chart(rows, TODAY)))


def bars(svg: ET.Element) -> list[tuple[str, float, float, float, float]]:
    return [
        (
            bar.attrib["class"].rpartition("--")[2],
            *(float(bar.attrib[name]) for name in ("x", "y", "width", "height")),
        )
        for bar in svg.iter("rect")
    ]


def said(svg: ET.Element) -> str:
    return svg.findtext("desc") or ""


def test_of_nothing_is_an_empty_frame_that_says_so():
    svg = drawn([])
    assert bars(svg) == []
    assert said(svg) == "Nothing happened."
    assert [text.text for text in svg.iter("text")] == ["0", "1", "2", "1 Jul", "16 Jul", "30 Jul"]


def test_of_one_day_is_one_stack():
    svg = drawn([(TODAY, "viewed", 3), (TODAY, "downloaded", 1)])
    (first, x, top, width, height), (second, other_x, other_top, _, other_height) = bars(svg)
    assert (first, second) == ("viewed", "downloaded")
    assert x == other_x
    assert x + width <= 360
    # One on the other, three times as high.
    assert other_top + other_height == pytest.approx(top, abs=0.02)
    assert height == pytest.approx(3 * other_height, abs=0.05)
    assert said(svg) == "opened: 3 times; downloaded: 1 time; most on July 30: 4 times."
    assert [g.findtext("title") for g in svg.iter("g") if g.find("title") is not None] == [
        "July 30, 2026. opened: 3 times; downloaded: 1 time"
    ]


def test_of_huge_numbers_stays_in_its_frame():
    many = 2**31 - 1
    svg = drawn([(TODAY, "viewed", many), (TODAY, "printed", 1), (TODAY - timedelta(1), "x", 9)])
    assert "3G" in [text.text for text in svg.iter("text")] or "4G" in [
        text.text for text in svg.iter("text")
    ]
    assert all(top >= 0 and height >= 1.5 for _kind, _x, top, _width, height in bars(svg))
    assert "2,147,483,647 times" in said(svg)


def test_leaves_out_what_it_has_no_place_for():
    svg = drawn(
        [
            (TODAY - timedelta(days=DAYS), "viewed", 5),
            (TODAY + timedelta(days=1), "viewed", 5),
            (TODAY, "forwarded", 5),
            (TODAY, "viewed", 0),
            (TODAY, "viewed", -1),
        ]
    )
    assert bars(svg) == []


def test_has_a_place_for_its_first_day_and_its_last():
    first, last = bars(
        drawn([(TODAY - timedelta(days=DAYS - 1), "viewed", 1), (TODAY, "viewed", 1)])
    )
    assert first[1] >= 34
    assert last[1] + last[3] <= 356


def test_runs_no_script_and_brings_no_style():
    html = str(chart([(TODAY, kind, 2) for kind in KINDS], TODAY))
    assert not re.search(r"<script|<style|style=|\bon\w+=|href|fill=|stroke=", html)


def test_is_named_and_described_for_who_cannot_see_it():
    svg = drawn([(TODAY, "viewed", 1)])
    assert svg.attrib["role"] == "img"
    ids = svg.attrib["aria-labelledby"].split()
    assert ids == [svg.find(name).attrib["id"] for name in ("title", "desc")]


def test_has_its_numbers_as_svg_has_them_in_every_language():
    with translation.override("de"):
        svg = drawn([(TODAY, "viewed", 7), (TODAY, "printed", 5)])
    assert bars(svg)


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 2), (1, 2), (2, 2), (3, 4), (5, 6), (7, 10), (11, 20), (41, 60), (99, 100), (101, 200)],
)
def test_ends_its_axis_at_a_number_that_reads_well(most, top):
    assert ceiling(most) == top


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (1000, "1k"), (1500, "1.5k"), (20_000, "20k"), (3_000_000, "3M")],
)
def test_has_room_for_every_number_of_its_axis(number, shown):
    assert short(number) == shown


@given(
    st.lists(
        st.tuples(
            st.dates(TODAY - timedelta(days=40), TODAY + timedelta(days=2)),
            st.sampled_from([*KINDS, "forwarded"]),
            st.integers(0, 2**31),
        ),
        max_size=200,
    )
)
def test_draws_whatever_there_is(rows):
    svg = drawn(rows)
    for _kind, x, y, width, height in bars(svg):
        assert 0 <= x <= x + width <= 360
        # A sliver may stand a little out of its stack, and never out of the picture.
        assert -6 <= y <= y + height <= 150


@pytest.mark.parametrize("totals", [{}, {"viewed": 1234567}, {"viewed": None}, {"viewed": "x"}])
def test_tells_how_often_in_all(totals):
    html = str(legend(totals))
    assert html.count("<li>") == 4
    assert ("1,234,567" in html) == (totals.get("viewed") == 1234567)


@pytest.mark.parametrize("zone", ["Europe/Athens", "Asia/Kolkata", "America/New_York", "UTC"])
def test_an_event_is_counted_on_the_day_that_the_reader_had(zone, db):
    """Also while summer time ends, in zones of half an hour, and without the database's help."""
    render = make_render("succeeded")
    today, here = date(2026, 11, 3), ZoneInfo(zone)
    moments = {
        datetime(2026, 10, 25, 0, 0, tzinfo=here): date(2026, 10, 25),
        datetime(2026, 10, 25, 23, 59, 59, tzinfo=here): date(2026, 10, 25),
        datetime(2026, 11, 1, 0, 0, tzinfo=here): date(2026, 11, 1),
        datetime(2026, 11, 1, 23, 59, 59, tzinfo=here): date(2026, 11, 1),
        datetime(2026, 11, 3, 12, 0, tzinfo=here): today,
        datetime(2026, 10, 4, 23, 59, 59, tzinfo=here): None,
    }
    with timezone.override(here):
        for moment in moments:
            make_event(render, occurred_at=moment)
        rows = EngagementEvent.objects.filter(render=render).per_day(today, 30)
    expected = Counter(day for day in moments.values() if day)
    assert {day: number for day, _, number in rows} == expected
    assert {kind for _, kind, _ in rows} == {"viewed"}
