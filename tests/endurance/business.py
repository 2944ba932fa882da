"""What happens in the business, and what is to come of it.

Each event is known by its key. Whatever is made for it says so in words of its own (a document in
its data, a link in its message), so that Craftkit's things can be counted without our rows.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import OperationalError, transaction

from django_craftkit.failures import is_lost_race
from django_craftkit.models import Render, SignatureRequest
from django_craftkit.signing import AnchorTag, Recipient

from .models import Deal

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

#: Declared ones: an invoice (whose customer gets a link), one that is to be signed, a document in
#: bulk, and one whose data nobody can make without the end of the worker.
DEAL, CONTRACT, STATEMENT, POISON = "deal", "contract", "statement", "poison"
#: Asked for by a call: a document, one in bulk, and what is asked for with a document.
RECEIPT, BULK, LINKS, MAIL, AGREEMENT = "receipt", "bulk", "links", "mail", "agreement"

#: How many of a hundred events are of a kind.
MIX = {
    DEAL: 40,
    CONTRACT: 5,
    STATEMENT: 10,
    RECEIPT: 10,
    BULK: 10,
    LINKS: 8,
    MAIL: 12,
    AGREEMENT: 5,
}
#: Of how many events one ends its workers.
POISON_EVERY = 2000
#: Events of one transaction: single ones, and now and then a batch.
SIZES = (1, 1, 1, 1, 1, 1, 20)
#: How many transactions of ten are rolled back; after how many some objects are saved again.
ROLLED_BACK, SAVED_AGAIN = 0.1, 0.3

TO_SIGN = [AnchorTag("{{sign_here}}", "signature")]


def signer(key: str) -> Recipient:
    return Recipient("Ada", "Lovelace", f"{key}@example.com")


@dataclass(frozen=True, slots=True)
class Event:
    number: int
    kind: str

    @property
    def key(self) -> str:
        return f"event-{self.number}"

    @property
    def is_declared(self) -> bool:
        return self.kind in (DEAL, CONTRACT, STATEMENT, POISON)

    @property
    def links(self) -> list[str]:
        """The messages of its links."""
        if self.kind == LINKS:
            return [f"{self.key}/first", f"{self.key}/second"]
        return [f"{self.key}/customer"] if self.kind in (DEAL, CONTRACT) else []

    @property
    def mails(self) -> list[str]:
        """The messages of its e-mails."""
        return [f"{self.key}/mail"] if self.kind == MAIL else []

    @property
    def is_signed(self) -> bool:
        return self.kind in (CONTRACT, AGREEMENT)

    def write(self) -> None:
        """Write it, inside a transaction."""
        if self.is_declared:
            Deal.objects.create(key=self.key, kind=self.kind)
            return
        render = self._request()
        if self.kind == LINKS:
            for message in self.links:
                render.share(message=message)
        for message in self.mails:
            render.email(f"{self.key}@example.com", message=message)
        if self.is_signed:
            render.send_for_signature([signer(self.key)], anchor_tags=TO_SIGN, name=self.key)

    def write_again(self) -> None:
        """Save its object once more, or ask once more; nothing new is to come of it."""
        if self.is_declared:
            deal = Deal.objects.get(key=self.key)
            deal.revision += 1
            deal.save()
        else:
            self._request()

    def _request(self) -> Render:
        priority = "bulk" if self.kind == BULK else "single"
        data = {"event": self.key}
        return Render.objects.request("receipt", data, key=self.key, priority=priority)


class RolledBack(Exception):
    """The business has changed its mind."""


class Business:
    """Commits so many events, one transaction after another, and some transactions in vain."""

    def __init__(self, events: int, random: random.Random) -> None:
        self._count, self._random = events, random
        self._poisonous = set(random.sample(range(events), max(1, events // POISON_EVERY)))
        #: What was committed, and what was rolled back.
        self.kept: list[Event] = []
        self.undone: list[Event] = []
        #: Transactions that lost a deadlock, and were begun anew.
        self.begun_anew = 0
        self.saved_again = 0
        self._asked: set[int] = set()

    def run(self, wait: Callable[[], None]) -> None:
        """Do business; ``wait`` is called before each transaction."""
        events = self._events()
        while len(self.kept) < self._count:
            wait()
            size = min(self._random.choice(SIZES), self._count - len(self.kept))
            some = list(itertools.islice(events, size))
            is_kept = self._random.random() >= ROLLED_BACK
            self._transact([event.write for event in some], is_kept=is_kept)
            (self.kept if is_kept else self.undone).extend(some)
            if self._random.random() < SAVED_AGAIN:
                self._save_some_again()

    def ask_for_news(self) -> None:
        """Ask once about each signature request that is open, as whoever waits for it would.

        One whose webhook was lost is asked about by itself, too: within 15 minutes.
        """
        for request in SignatureRequest.objects.all().open().exclude(pk__in=self._asked):
            self._asked.add(request.pk)
            request.refresh()

    def _events(self) -> Iterator[Event]:
        kinds, weights = list(MIX), list(MIX.values())
        for number in itertools.count():
            (kind,) = self._random.choices(kinds, weights)
            yield Event(number, POISON if number in self._poisonous else kind)

    def _save_some_again(self) -> None:
        """Save some of the latest again in one transaction, in whatever order."""
        # Not those that end workers: saved again, they are taken up again.
        latest = [event for event in self.kept[-50:] if event.kind != POISON]
        some = self._random.sample(latest, min(5, len(latest)))
        is_kept = self._random.random() >= ROLLED_BACK
        self._transact([event.write_again for event in some], is_kept=is_kept)
        self.saved_again += len(some)

    def _transact(self, acts: Sequence[Callable[[], None]], *, is_kept: bool) -> None:
        while True:
            try:
                with transaction.atomic():
                    for act in acts:
                        act()
                    if not is_kept:
                        raise RolledBack
            except RolledBack:
                return
            except OperationalError as error:
                # Inside a project's transaction the package raises: the project starts over.
                if not is_lost_race(error):
                    raise
                self.begun_anew += 1
                time.sleep(0.05)
            else:
                return
