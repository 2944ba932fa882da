"""Forms of fill sessions: what somebody fills in becomes a render, or is handed on (section 4.6).

A field that was left empty is one without a value: its prefill doesn't come back, and a required
one is missed. What is handed on in the capture mode `collect` is in a webhook and nowhere else.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import renders
from .checks.renders import check_data
from .errors import Refusal
from .ids import uuid4
from .sessions import Upload
from .templates import version_of
from .webhooks.payloads import form_payload

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .renders import Render
    from .sessions import EmbedSession
    from .state import State

LARGEST_UPLOAD: Final = 10 * 1024 * 1024
_IMAGE: Final = re.compile(r"image/[a-z0-9.+-]+", re.ASCII)
# How deep keys may nest: a key of many dots is no way to a deeper body than JSON's.
_DEEPEST: Final = 200
# Names by which JavaScript would reach into the prototype of all objects.
_STRIPPED: Final = frozenset({"__proto__", "constructor", "prototype"})


@dataclass(frozen=True)
class Submission:
    """A form that was submitted; without a render if its data are only collected."""

    submitted_at: float
    render: Render | None


def check_mode(session: EmbedSession) -> None:
    """Raise `Refusal`, `wrong_mode`, unless the session is one to fill in a form."""
    if session.mode != "fill":
        raise Refusal("wrong_mode", f"This is a session to {session.mode}, not to fill in a form.")


def submit(
    state: State,
    session: EmbedSession,
    data: Mapping[str, object],
    datasets: Mapping[str, str],
) -> Submission:
    """Render what was filled in over the prefill, or send it as `form.submitted`.

    Raises:
        Refusal: the template is not there or has no published version, or doesn't take the data.
    """
    template = session.template()
    version = version_of(template, None)
    loops = {loop["key"] for loop in version.manifest["loops"]}
    merged = expand(session.new.form.prefill, loops)
    _merge_into(merged, expand(data, loops))
    merged = _without_empty(merged)
    if not session.new.form.collects:
        render = renders.create(
            state,
            session.project,
            template.slug,
            merged,
            version_number=version.number,
            filename=None,
            key=None,
            session_id=session.id,
            datasets=datasets,
        )
        return Submission(render.created_at, render)
    kept = merged if version.lenient else check_data(version.manifest, merged)
    submission = Submission(state.clock(), None)
    state.outbox.announce(
        session.project,
        form_payload(session.id, template.slug, version.number, kept, submission.submitted_at),
    )
    return submission


def upload(session: EmbedSession, content_type: str, content: bytes) -> str:
    """Keep a picture for as long as the sandbox runs; the name that it is found by.

    Raises:
        Refusal: `invalid_type`; `file_too_large`, also if all pictures of the session together
            pass its own limit.
    """
    if not _IMAGE.fullmatch(content_type):
        raise Refusal("invalid_type", "Only images can be uploaded.")
    whole = session.uploaded_bytes + len(content)
    if len(content) > LARGEST_UPLOAD or whole > session.new.most_upload_bytes:
        raise Refusal("file_too_large", "The file is too large.")
    guessed = mimetypes.guess_extension(content_type)
    extension = guessed or "." + (re.sub(r"[^a-z0-9]", "", content_type[6:])[:10] or "img")
    name = f"{uuid4()}{extension}"
    session.uploads[name] = Upload(content_type, content)
    return name


def expand(
    data: Mapping[str, object], loops: Collection[str], room: int = _DEEPEST
) -> dict[str, object]:
    """The data with dotted keys nested, but for those of loops, which bind as they are.

    What would lie deeper than there is `room` for is dropped.
    """
    expanded: dict[str, object] = {}
    for key, value in data.items():
        path = [key] if key in loops else key.split(".")
        if len(path) > room or _STRIPPED.intersection(path):
            continue
        nested = _expand_value(value, room - len(path))
        *parents, leaf = path
        branch: dict[str, object] = {leaf: nested}
        for name in reversed(parents):
            branch = {name: branch}
        _merge_into(expanded, branch)
    return expanded


def _expand_value(value: object, room: int) -> object:
    match value:
        case dict():
            return expand(value, (), room)
        case list():
            return [_expand_value(item, room) for item in value]
    return value


def _merge_into(below: dict[str, object], above: Mapping[str, object]) -> None:
    """Put objects of `expand` over others, which nobody else holds."""
    for key, value in above.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            _merge_into(old, value)
        else:
            below[key] = value


def _without_empty(data: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, value in data.items():
        match value:
            case "":
                continue
            case dict():
                kept[key] = _without_empty(value)
            case list():
                kept[key] = [
                    _without_empty(item) if isinstance(item, dict) else item for item in value
                ]
            case _:
                kept[key] = value
    return kept
