"""Receivers that are coroutines: after the others, one after another, each by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from django_craftkit.models import Change, Render, Share
from django_craftkit.signals import render_succeeded
from tests.helpers import connected, pass_time

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard() -> list[str]:
    return []


def coroutine(name: str, heard: list[str], *, fails: int = 0) -> Any:
    left = [fails]

    async def receiver(**kwargs: Any) -> None:
        heard.append(f"{name} begins")
        await asyncio.sleep(0)  # others would have their turn
        if left[0]:
            left[0] -= 1
            raise LookupError("not now")
        heard.append(f"{name} ends")

    receiver.__qualname__ = name
    return receiver


def plain(name: str, heard: list[str]) -> Any:
    def receiver(**kwargs: Any) -> None:
        heard.append(name)

    receiver.__qualname__ = name
    return receiver


@pytest.mark.parametrize("is_awaited", [False, True], ids=["worker", "coroutine"])
def test_the_order_is_the_same_with_every_django(craftkit, heard, is_awaited):
    """Django's own ``asend`` calls coroutines at once, and until 6.1 beside the others."""
    Render.objects.request("invoice", {}, key="i-1")
    receivers = [
        coroutine("first", heard),
        plain("second", heard),
        coroutine("third", heard),
        plain("fourth", heard),
    ]
    run = async_to_sync(sync_to_async(craftkit.run)) if is_awaited else craftkit.run
    with (
        connected(receivers[0], render_succeeded),
        connected(receivers[1], render_succeeded),
        connected(receivers[2], render_succeeded),
        connected(receivers[3], render_succeeded),
    ):
        run()
    coroutines = ["first begins", "first ends", "third begins", "third ends"]
    assert heard == ["second", "fourth", *coroutines]


def test_one_that_raises_is_called_again_alone(craftkit, heard):
    Render.objects.request("invoice", {}, key="i-1")
    with (
        connected(coroutine("one", heard, fails=1), render_succeeded),
        connected(coroutine("other", heard), render_succeeded),
    ):
        craftkit.run()
        assert heard == ["one begins", "other begins", "other ends"]
        pass_time(craftkit)
        craftkit.run()
    assert heard[3:] == ["one begins", "one ends"]
    change = Change.objects.get(signal="render_succeeded")
    assert (change.announcement, change.receivers) == (Change.Announcement.DONE, {})


def test_it_awaits_what_it_likes(craftkit):
    async def share(instance: Render, **kwargs: Any) -> None:
        await instance.ashare(key="customer")
        assert [one.key async for one in Share.objects.all()] == ["customer"]

    Render.objects.request("invoice", {}, key="i-1")
    with connected(share, render_succeeded):
        craftkit.run()
    assert Share.objects.get().status == "active"
