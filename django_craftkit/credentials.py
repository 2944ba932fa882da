"""What is known of a Craftkit project: its entry in ``CRAFTKIT_PROJECTS``, or a resolver's.

``CRAFTKIT["PROJECT_RESOLVER"]`` names a class that knows the projects which the settings don't.
What it says is kept for a minute, so that a thousand documents ask once. It is asked where a call
is planned or a request is made, never by the threads that call Craftkit.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from . import conf, resolver, tenants
from .log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = get_logger(__name__)

#: Seconds for which is kept what a resolver says of a project, that it has none of this alias, and
#: that it could not tell.
KEPT, KEPT_MISSING, KEPT_FAILED = 60.0, 2.0, 5.0
#: How many projects are kept at most, and how many aliases that are none.
MOST, MOST_MISSING = 4096, 1024
#: Seconds after which a resolver is slow: workers wait for it meanwhile, and so do visitors.
SLOW = 1.0
#: Seconds after which it is asked anew for a key that it has just been asked for in vain.
IN_VAIN = 1.0
#: Seconds between two log lines about a resolver that say the same.
INTERVAL = 60.0


class ProjectUnavailable(Exception):
    """The resolver could not say what belongs to a project: it may soon, so it decides nothing."""

    is_outage = True


@dataclass(frozen=True, slots=True)
class _Said:
    """What a resolver said of one alias, once."""

    #: ``None``: it knows no such project, or ``failure`` says why nobody can tell.
    entry: object = field(repr=False)
    asked_at: float
    until: float
    #: The type of what it raised. Its text may hold secrets.
    failure: str = ""
    #: What was asked before then is not to be relied on: Craftkit has refused the key since.
    refused_at: float = 0.0
    #: It was asked for a key that Craftkit refused, and has no other.
    is_in_vain: bool = False


#: A resolver's dotted path, a tenant, an alias.
_Place = tuple[str, str, str]


class _Question:
    """Whoever holds its lock asks for one place; the others wait, or go on with what is kept."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.began = time.monotonic()


class _Cache:
    """What resolvers said lately. What strangers ask for in vain drives out no project."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[_Place, _Said] = OrderedDict()
        self._others: OrderedDict[_Place, _Said] = OrderedDict()
        #: Those that somebody asks, or waits for.
        self._questions: WeakValueDictionary[_Place, _Question] = WeakValueDictionary()
        self._warned: dict[tuple[str, str], float] = {}
        #: How often something was forgotten: what was asked before that is not kept.
        self.number = 0
        #: Until when a resolver is not asked for a tenant: it took long, and failed.
        self.down_until: dict[tuple[str, str], float] = {}

    def get(self, place: _Place) -> _Said | None:
        """Return what was said last, however old it is."""
        with self._lock:
            return self._find(place)

    def put(self, place: _Place, said: _Said, number: int) -> _Said:
        """Keep what was said; return what holds.

        An answer that comes late undoes none that was asked for after it. Where the resolver could
        not tell, what it has said by now holds: a store that is away for a moment stops nothing.
        """
        with self._lock:
            before = self._find(place)
            if before is not None:
                if said.asked_at < before.asked_at and not before.failure:
                    return before
                if said.failure and before.entry is not None:
                    said = replace(said, entry=before.entry, failure="")
                if said.asked_at < before.refused_at:
                    said = replace(said, until=0.0, refused_at=before.refused_at)
                elif before.refused_at:
                    said = replace(said, is_in_vain=said.entry == before.entry)
            if number == self.number:
                self._keep(place, said)
            return said

    def refuse(self, place: _Place, since: float) -> None:
        """Have a place asked anew, unless it has been since then, or in vain a moment ago."""
        with self._lock:
            said = self._find(place)
            if said is None or said.asked_at > since:
                return
            if said.is_in_vain and time.monotonic() - said.asked_at < IN_VAIN:
                return
            since = max(since, said.refused_at)
            self._keep(place, replace(said, until=0.0, refused_at=since))
            question = self._questions.get(place)
            if question is not None and question.began <= since:
                del self._questions[place]  # its answer may be too old, too

    def question(self, place: _Place) -> _Question:
        with self._lock:
            return self._questions.setdefault(place, _Question())

    def forget(self, alias: str | None) -> None:
        with self._lock:
            self.number += 1
            for kept in (self._known, self._others, self._questions):
                for place in [one for one in kept if alias in (None, one[2])]:
                    kept.pop(place, None)
            if alias is None:
                self.down_until.clear()
                self._warned.clear()

    def is_to_be_said(self, path: str, what: str) -> bool:
        """Whether the log has not had this of a resolver for a minute."""
        now = time.monotonic()
        with self._lock:
            if now < self._warned.get((path, what), now):
                return False
            self._warned[path, what] = now + INTERVAL
            return True

    def _find(self, place: _Place) -> _Said | None:
        for kept in (self._known, self._others):
            if place in kept:
                kept.move_to_end(place)
                return kept[place]
        return None

    def _keep(self, place: _Place, said: _Said) -> None:
        self._known.pop(place, None)
        self._others.pop(place, None)
        kept, most = (self._others, MOST_MISSING) if said.entry is None else (self._known, MOST)
        kept[place] = said
        if len(kept) > most:
            kept.popitem(last=False)


_cache = _Cache()
_keeps = True


def set_keeping(keeps: bool) -> bool:
    """Let a test have resolvers asked each time, and keep nothing for the next test.

    Return whether what they say was kept before.
    """
    global _keeps
    before, _keeps = _keeps, keeps
    _cache.forget(None)
    return before


def project(alias: str) -> conf.Project:
    """Return the settings of a Craftkit project, but for its webhook secrets.

    A missing key is no error here. Raises ``UnknownProject``, ``ImproperlyConfigured`` where the
    settings are of the wrong kind, and ``ProjectUnavailable``.
    """
    adapter = _entry(alias).get("ADAPTER")
    if isinstance(adapter, str):
        try:
            adapter = import_string(adapter)
        except ImportError as error:
            why = f"{place_of(alias)}['ADAPTER'] can't be imported: {error}"
            raise ImproperlyConfigured(why) from None
    if not isinstance(_entry(alias).get("API_KEY"), str | None):
        raise ImproperlyConfigured(f"{place_of(alias)}['API_KEY'] is no str.")
    # What may raise is above this line: error pages show locals, and these hold the key.
    given = _entry(alias)
    timeout = given.get("TIMEOUT") or conf.DEFAULT_TIMEOUT
    return conf.Project(
        alias=alias,
        api_key=str(given.get("API_KEY") or "").strip(),
        base_url=given.get("BASE_URL") or conf.DEFAULT_BASE_URL,
        timeout=tuple(timeout) if isinstance(timeout, (list, tuple)) else (timeout, timeout),
        adapter=adapter,
    )


def webhook_secrets(alias: str) -> list[bytes]:
    """Return the secrets that verify a project's webhooks; raises as ``project`` does."""
    given = _entry(alias).get("WEBHOOK_SECRETS")
    if conf.is_list_of_secrets(given):
        return [secret.strip().encode() for secret in given or () if secret and secret.strip()]
    del given  # error pages show locals
    # Of one string, each character would be a secret, for anybody to guess.
    raise ImproperlyConfigured(f"{place_of(alias)}['WEBHOOK_SECRETS'] is no list of strings.")


def check_project(alias: str) -> None:
    """Raise what ``project`` raises, unless it is that nobody can tell for now.

    A request is written all the same: who carries it out asks again.
    """
    with suppress(ProjectUnavailable):
        project(alias)


def has_project(alias: str) -> bool:
    """Whether there is such a project, or nobody can tell for now."""
    if alias in conf.projects():
        return True
    said = _said(alias)
    return said is not None and (said.entry is not None or bool(said.failure))


def is_known(alias: str) -> bool:
    """Whether there is such a project, as far as can be told without asking the resolver."""
    if alias in conf.projects():
        return True
    said = _cache.get(_place(alias)) if conf.options().PROJECT_RESOLVER else None
    return said is not None and said.entry is not None


def has_several() -> bool:
    """Whether there is more than one project, or may be; asks no resolver."""
    return conf.options().PROJECT_RESOLVER is not None or len(conf.projects()) > 1


def project_aliases() -> Iterator[str]:
    """Yield the aliases of the settings, and then those that the resolver lists, however many.

    Raises ``ProjectUnavailable``.
    """
    known = conf.projects()
    yield from known
    path = conf.options().PROJECT_RESOLVER
    if path is None:
        return
    failure = ""
    try:
        for alias in resolver.resolver_of(path).aliases():
            if alias not in known:
                yield alias
    except Exception as error:
        failure = resolver.failure_of(error)
    if failure:
        raise ProjectUnavailable(f"{path} could not list its projects: {failure}.")


def place_of(alias: str) -> str:
    """Return what messages call the place where a project's settings are."""
    if alias in conf.projects() or conf.options().PROJECT_RESOLVER is None:
        return f"CRAFTKIT_PROJECTS[{alias!r}]"
    return f"{conf.options().PROJECT_RESOLVER}().get({alias!r})"


def forget(alias: str | None = None) -> None:
    """Have the resolver asked anew, for one project or for all; in this process.

    Call it where you have changed what the resolver says. Other processes ask anew within a
    minute, and at once where Craftkit refuses the key that they have.

    Args:
        alias: of the project, of whatever tenant; ``None``: all of them.
    """
    _cache.forget(alias)


def renew(alias: str, since: float) -> None:
    """Have the resolver asked anew for one project, unless it has been since then.

    Where that brings nothing new, it is not asked so again for a second. What it said before holds
    where it can't tell. ``since`` is by ``time.monotonic()``.
    """
    _cache.refuse(_place(alias), since)


def _entry(alias: str) -> Mapping[str, Any]:
    """Return what the settings or the resolver have under an alias."""
    given = conf.projects().get(alias)
    if alias not in conf.projects():
        given = _resolved(alias)
    if isinstance(given, Mapping):
        return given
    is_there = alias in conf.projects()
    del given  # error pages show locals, and it may be the key
    if is_there:
        raise ImproperlyConfigured(f"{place_of(alias)} is no dict.")
    if path := conf.options().PROJECT_RESOLVER:
        raise conf.UnknownProject(
            f"Neither CRAFTKIT_PROJECTS nor {path} knows a project {alias!r}."
        )
    raise conf.UnknownProject(
        f"CRAFTKIT_PROJECTS has no project {alias!r}. Add it, or name one of: "
        f"{', '.join(map(str, conf.projects())) or 'none is configured'}."
    )


def _resolved(alias: str) -> object:
    """Return what the resolver has under an alias; ``None``: it knows none."""
    said = _said(alias)
    if said is None:
        return None
    if said.failure:
        path = conf.options().PROJECT_RESOLVER
        raise ProjectUnavailable(f"{path} could not tell of the project {alias!r}: {said.failure}.")
    if said.entry is not None and (wrong := _wrong(said.entry)):
        raise ImproperlyConfigured(f"{place_of(alias)} {wrong}")
    return said.entry


def _said(alias: str) -> _Said | None:
    """Return what the resolver says of an alias, kept or asked; ``None`` where there is none."""
    path = conf.options().PROJECT_RESOLVER
    # An address may name anything.
    if path is None or not (isinstance(alias, str) and conf.ALIAS.fullmatch(alias)):
        return None
    place = _place(alias)
    said = _cache.get(place)
    return said if said is not None and _is_fresh(said) else _ask(path, place, said)


def _is_fresh(said: _Said) -> bool:
    return _keeps and time.monotonic() < said.until


def _ask(path: str, place: _Place, before: _Said | None) -> _Said:
    """Ask the resolver, in one thread of all that want to know the same.

    The others go on with what it said before, or wait for its answer where there is nothing that
    they could go on with. What nobody has asked is not kept.
    """
    known = before if before is not None and before.entry is not None else None
    if time.monotonic() < _cache.down_until.get(place[:2], 0.0):
        return known or _Said(None, 0.0, 0.0, "it is down")
    question = _cache.question(place)
    waits = known is None or known.refused_at > 0.0
    if not question.lock.acquire(timeout=resolver.PATIENCE if waits else 0.0):
        if waits:
            _cache.down_until[place[:2]] = time.monotonic() + KEPT_FAILED
        return known or _Said(None, 0.0, 0.0, "it is long in answering")
    try:
        said = _cache.get(place)
        if said is not None and _is_fresh(said):
            return said
        return _asked(path, place)
    finally:
        question.lock.release()


def _asked(path: str, place: _Place) -> _Said:
    began, number = time.monotonic(), _cache.number
    entry, failure = resolver.ask(path, place[2])
    now = time.monotonic()
    if failure and _cache.is_to_be_said(path, failure):
        logger.warning("%s could not tell of the project %r: %s.", path, place[2], failure)
    if now - began >= SLOW:
        if _cache.is_to_be_said(path, "slow"):
            logger.warning("%s took %.1f s to tell of the project %r.", path, now - began, place[2])
        if failure:
            _cache.down_until[place[:2]] = now + KEPT_FAILED
    seconds = KEPT_FAILED if failure else KEPT_MISSING if entry is None else KEPT
    return _cache.put(place, _Said(entry, began, now + seconds, failure), number)


def _wrong(entry: object) -> str:
    """Return why what a resolver said can't be used, "" if it can: what checks say of settings."""
    if not isinstance(entry, Mapping):
        return "is no dict."
    if unknown := sorted(map(repr, entry.keys() - conf.PROJECT_KEYS)):
        takes = ", ".join(sorted(conf.PROJECT_KEYS))
        return f"has the unknown key {', '.join(unknown)}: it takes {takes}."
    if not conf.outlasts(conf.options().LEASE, entry.get("TIMEOUT")):
        return "has a TIMEOUT that is no shorter than CRAFTKIT['LEASE']."
    return ""


def _place(alias: str) -> _Place:
    return conf.options().PROJECT_RESOLVER or "", tenants.current(), alias


def _forget_settings(*, setting: str, **kwargs: object) -> None:
    if setting == "CRAFTKIT":
        forget()
        resolver.forget()


setting_changed.connect(_forget_settings)
