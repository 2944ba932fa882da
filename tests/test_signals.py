"""Receivers, one by one: found under names that stay, called whatever they are made of."""

from __future__ import annotations

import functools
import gc

import pytest

from django_craftkit.models import Render, Share
from django_craftkit.signals import SIGNALS, MirrorSignal

HERE = __name__


@pytest.fixture
def signal():
    return MirrorSignal("spoken")


def a_function(**kwargs):
    return "a function"


async def a_coroutine(**kwargs):
    return f"a coroutine with {kwargs['instance']}"


class Listener:
    def __init__(self, word: str = "a method") -> None:
        self.word = word

    def hear(self, **kwargs):
        return self.word

    def __call__(self, **kwargs):
        return "an instance"

    async def hear_later(self, **kwargs):
        return "an async method"

    @staticmethod
    def overhear(**kwargs):
        return "a static method"

    @classmethod
    def listen(cls, **kwargs):
        return "a class method"


def called(signal: MirrorSignal, sender: type = Render) -> dict[str, object]:
    return {
        name: receiver(signal=signal, sender=sender, instance="it")
        for name, receiver in signal.receivers_of(sender).items()
    }


def test_a_function_goes_by_its_dotted_name(signal):
    signal.connect(a_function)
    assert signal.receivers_of(Render) == {f"{HERE}.a_function": a_function}


def test_methods_and_instances_go_by_their_class(signal):
    listener = Listener()
    for receiver in (listener.hear, listener, Listener.overhear, Listener.listen):
        signal.connect(receiver)
    assert called(signal) == {
        f"{HERE}.Listener.hear": "a method",
        f"{HERE}.Listener": "an instance",
        f"{HERE}.Listener.overhear": "a static method",
        f"{HERE}.Listener.listen": "a class method",
    }


def test_async_receivers_are_called_as_any_other(signal):
    listener = Listener()
    signal.connect(a_coroutine)
    signal.connect(listener.hear_later)
    assert called(signal) == {
        f"{HERE}.a_coroutine": "a coroutine with it",
        f"{HERE}.Listener.hear_later": "an async method",
    }


def test_an_instance_whose_call_is_a_coroutine_is_called(signal):
    class Later:
        async def __call__(self, **kwargs):
            return "later"

    later = Later()
    signal.connect(later)
    assert list(called(signal).values()) == ["later"]


def test_a_receiver_without_a_name_goes_by_what_it_is(signal):
    signal.connect(functools.partial(a_function, extra=1), weak=False)
    assert called(signal) == {"functools.partial": "a function"}


def test_two_of_the_same_name_are_two(signal):
    one, other = Listener("one"), Listener("other")
    signal.connect(one.hear)
    signal.connect(other.hear)
    assert called(signal) == {f"{HERE}.Listener.hear": "one", f"{HERE}.Listener.hear'": "other"}


def test_a_receiver_that_is_gone_is_not_called(signal):
    listener = Listener()
    signal.connect(listener.hear)
    signal.connect(a_function)
    del listener
    gc.collect()
    assert list(signal.receivers_of(Render)) == [f"{HERE}.a_function"]


def test_a_receiver_that_was_disconnected_is_not_called(signal):
    signal.connect(a_function, dispatch_uid="mine")
    signal.disconnect(dispatch_uid="mine")
    assert signal.receivers_of(Render) == {}


def test_a_receiver_hears_of_its_sender_alone(signal):
    signal.connect(a_function, sender=Share)
    assert signal.receivers_of(Render) == {}
    assert list(signal.receivers_of(Share)) == [f"{HERE}.a_function"]


def test_the_order_is_that_of_connecting(signal):
    listeners = [Listener(str(number)) for number in range(3)]
    for listener in listeners:
        signal.connect(listener.hear)
    assert list(called(signal).values()) == ["0", "1", "2"]


def test_a_receiver_that_equals_everything_is_itself(signal):
    class Same:
        def __eq__(self, other):
            return True

        __hash__ = object.__hash__

        def __call__(self, **kwargs):
            return "the same"

    same = Same()
    signal.connect(a_coroutine)
    signal.connect(same)
    assert "the same" in called(signal).values()


def test_every_signal_is_found_by_its_name():
    from django_craftkit import signals

    for name, signal in SIGNALS.items():
        assert signal.name == name
        assert getattr(signals, name) is signal


@pytest.mark.parametrize("statuses", ["renders", "links", "mails"])
def test_every_signal_that_is_written_down_is_one_of_them(statuses):
    from django_craftkit.reconcile.renders import states as renders
    from django_craftkit.reconcile.shares import states as shares

    announced = {
        "renders": renders.SIGNAL,
        "links": shares.LINK_SIGNAL,
        "mails": shares.MAIL_SIGNAL,
    }[statuses]
    assert set(announced.values()) <= set(SIGNALS)
