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
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from . import conf, tenants
from .failures import breaks_transaction, time_limits
from .log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = get_logger(__name__)

#: Seconds for which is kept what a resolver says of a project, that it has none of this alias, and
#: that it could not tell.
KEPT, KEPT_MISSING, KEPT_FAILED = 60.0, 2.0, 5.0
#: How many projects are kept at most, and how many aliases that are none.
MOST, MOST_MISSING = 4096, 1024
#: Seconds after which a resolver is slow: workers wait for it meanwhile, and so do visitors.
SLOW = 1.0


class ProjectResolver(Protocol):
    """What ``CRAFTKIT["PROJECT_RESOLVER"]`` names: a class that is made without arguments.

    One instance serves all threads of a process.
    """

    def get(self, alias: str) -> Mapping[str, Any] | None:
        """Return what an entry of ``CRAFTKIT_PROJECTS`` has; ``None``: there is no such project."""
        raise NotImplementedError

    def aliases(self) -> Iterable[str]:
        """Return the aliases of all projects that can be called."""
        raise NotImplementedError


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


#: A resolver's dotted path, a tenant, an alias.
_Place = tuple[str, str, str]


class _Cache:
    """What resolvers said lately. What strangers ask for in vain drives out no project."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[_Place, _Said] = OrderedDict()
        self._others: OrderedDict[_Place, _Said] = OrderedDict()
        #: How often something was forgotten: what was asked before that is not kept.
        self.number = 0
        #: Until when a resolver is not asked: it took long, and failed.
        self.down_until: dict[str, float] = {}

    def get(self, place: _Place) -> _Said | None:
        """Return what was said last, however old it is."""
        with self._lock:
            for kept in (self._known, self._others):
                if place in kept:
                    kept.move_to_end(place)
                    return kept[place]
        return None

    def put(self, place: _Place, said: _Said, number: int) -> None:
        with self._lock:
            if number != self.number:
                return
            self._known.pop(place, None)
            self._others.pop(place, None)
            kept, most = (self._others, MOST_MISSING) if said.entry is None else (self._known, MOST)
            kept[place] = said
            if len(kept) > most:
                kept.popitem(last=False)

    def forget(self, alias: str | None) -> None:
        with self._lock:
            self.number += 1
            for kept in (self._known, self._others):
                for place in [one for one in kept if alias in (None, one[2])]:
                    del kept[place]
            if alias is None:
                self.down_until.clear()


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
    _class_of(path)
    try:
        for alias in _resolver(path).aliases():
            if alias not in known:
                yield alias
    except time_limits():
        raise
    except Exception as error:
        if breaks_transaction(error):
            raise
        failure = type(error).__name__
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

    What it said before holds where it can't tell. ``since`` is by ``time.monotonic()``.
    """
    place = _place(alias)
    said = _cache.get(place)
    if said is not None and said.asked_at <= since:
        _cache.put(place, replace(said, until=0.0), _cache.number)


def refusal(path: str) -> str:
    """Return why a dotted path names no resolver, "" if it does. Makes none, and asks nothing."""
    try:
        named = import_string(path)
    except Exception as error:  # whatever the project's module raises
        return f"{type(error).__name__}: {error}"
    if not isinstance(named, type):
        return f"{path} is a {type(named).__name__}."
    lacking = [name for name in ("get", "aliases") if not callable(getattr(named, name, None))]
    return f"{path} has no method {' and no '.join(lacking)}." if lacking else ""


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
    is_fresh = said is not None and _keeps and time.monotonic() < said.until
    return said if is_fresh else _ask(path, place, said)


def _ask(path: str, place: _Place, before: _Said | None) -> _Said:
    """Ask the resolver, and keep what it says.

    Where it fails, what it said before holds: a store that is away for a moment stops nothing.
    """
    began, number = time.monotonic(), _cache.number
    entry, failure = None, "it is down"
    if began >= _cache.down_until.get(path, 0.0):
        entry, failure = _answer(path, place[2])
        if failure:
            logger.warning("%s could not tell of the project %r: %s.", path, place[2], failure)
    now = time.monotonic()
    if now - began >= SLOW:
        logger.warning("%s took %.1f s to tell of the project %r.", path, now - began, place[2])
        if failure:
            _cache.down_until[path] = now + KEPT_FAILED
    if not failure:
        said = _Said(entry, began, now + (KEPT_MISSING if entry is None else KEPT))
    else:
        known = before and before.entry
        said = _Said(known, began, now + KEPT_FAILED, failure if known is None else "")
    _cache.put(place, said, number)
    return said


def _answer(path: str, alias: str) -> tuple[object, str]:
    """Return what the resolver says, or the type of what it raised: its text may hold secrets."""
    _class_of(path)
    try:
        given = _resolver(path).get(alias)
        return (dict(given) if isinstance(given, Mapping) else given), ""
    except time_limits():
        # It is not about this project: the worker is about to be ended.
        raise
    except Exception as error:
        if breaks_transaction(error):
            raise
        return None, type(error).__name__


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


@lru_cache(maxsize=8)
def _resolver(path: str) -> ProjectResolver:
    return _class_of(path)()


@lru_cache(maxsize=8)
def _class_of(path: str) -> type[ProjectResolver]:
    if wrong := refusal(path):
        raise ImproperlyConfigured(f"CRAFTKIT['PROJECT_RESOLVER'] can't be used: {wrong}")
    kind: type[ProjectResolver] = import_string(path)
    return kind


def _place(alias: str) -> _Place:
    return conf.options().PROJECT_RESOLVER or "", tenants.current(), alias


def _forget_settings(*, setting: str, **kwargs: object) -> None:
    if setting == "CRAFTKIT":
        forget()
        _resolver.cache_clear()
        _class_of.cache_clear()


setting_changed.connect(_forget_settings)
