"""Renders: what was requested, how far it has come, and the PDF (sections 5 to 8)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import templates
from .checks.renders import check_data
from .errors import Refusal
from .ids import uuid7
from .lifecycle import Progress
from .pdf import renders as pdf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .engagement import Event
    from .projects import Project
    from .shares import Share
    from .state import State
    from .templates import Version


@dataclass(eq=False)
class Render:
    """One render: what was requested, how far it has come, and its PDF."""

    id: str
    project: Project
    template_id: str
    template: str  # its slug
    version: Version
    data: dict[str, Any]
    filename: str | None
    idempotency_key: str | None
    progress: Progress
    # The embed session whose form it comes from, and what was chosen there.
    session_id: str | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    _pdf: bytes | None = None
    _lines: tuple[str, ...] = ()
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def status(self) -> str:
        """`queued`, `rendering`, `succeeded` or `failed`, now."""
        return self.progress.status

    @property
    def succeeded(self) -> bool:
        """Whether there is a PDF."""
        return self.status == "succeeded"

    @property
    def created_at(self) -> float:
        """When it was requested."""
        return self.progress.started_at

    @property
    def error_message(self) -> str | None:
        """Why it failed."""
        return self.progress.error_message

    @property
    def source(self) -> str:
        """`form`, or `api`."""
        return "api" if self.session_id is None else "form"

    @property
    def title(self) -> str:
        """The name of its template, as it was when this was requested."""
        return self.version.name

    @property
    def written(self) -> bytes | None:
        """The document, if it has been wanted before."""
        return self._pdf

    def pdf(self) -> bytes:
        """The document: written when it is first wanted, the same bytes ever after.

        Takes some 50 ms, and longer for long loops: not to be called under the sandbox's lock.
        """
        with self._writing:
            if self._pdf is None:
                self._pdf, self._lines = pdf.write(self)
            return self._pdf

    def prints(self, text: str) -> bool:
        """Whether a text is on one line of the document, which is written if it isn't yet."""
        self.pdf()
        return any(text in line for line in self._lines)

    def finish(self) -> None:
        """Let it succeed now, whatever the render time."""
        self.progress.finish()

    def fail(self, message: str) -> None:
        """Let it fail now, whatever the render time."""
        self.progress.finish(message)

    def __repr__(self) -> str:
        return f"<Render {self.id} of {self.template!r}: {self.status}>"


def create(
    state: State,
    project: Project,
    slug: str,
    data: dict[str, object],
    *,
    version_number: int | None,
    filename: str | None,
    key: str | None,
    session_id: str | None = None,
    datasets: Mapping[str, str] | None = None,
) -> Render:
    """A new render of a template.

    Raises:
        Refusal: there is no such template or version, or it does not take the data.
    """
    template = templates.find(state, project, slug)
    version = templates.version_of(template, version_number)
    kept = dict(data) if version.lenient else check_data(version.manifest, data)
    fault = state.faults.for_template("render_failed", slug)
    progress = Progress(state.clock, state.render_time, fault.message if fault else None)
    render = Render(
        id=uuid7(progress.started_at),
        project=project,
        template_id=template.id,
        template=slug,
        version=version,
        data=kept,
        filename=filename,
        idempotency_key=key,
        progress=progress,
        session_id=session_id,
        datasets=datasets or {},
    )
    project.renders[render.id] = render
    if key is not None:
        project.by_key[key] = render
    state.follow(render)
    return render


def find(project: Project, render_id: str) -> Render:
    """The render of an id; 404 `not_found`, also for what is no UUID."""
    render = project.renders.get(render_id.lower())
    if render is None:
        raise not_found()
    return render


def not_found() -> Refusal:
    """What Craftkit says of a render that isn't in the project."""
    return Refusal("not_found", "Render not found.")
