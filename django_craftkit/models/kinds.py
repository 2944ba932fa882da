"""The kinds of jobs: what each does, which model's row it is about, and what can pause it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from typing import Self

_ANNOUNCE = "announce "


class Kind(models.TextChoices):
    """What a job does: as it is stored, the model of its object, what staff read of it.

    A third of four is the capability of a project without which the job waits.
    """

    RENDER = "render", "Render", _("make the document")
    SHARE = "share", "Share", _("make or revoke the link")
    EMAIL = "email", "Share", "email", _("send the e-mail")
    ENGAGEMENT = "engagement", "Render", _("ask who opened it")
    SUPERSEDE = "supersede", "Render", _("withdraw the document that it supersedes")
    ADOPT = "adopt", "WebhookDelivery", _("take in a document that was made elsewhere")
    ARCHIVE_RENDER = "archive render", "Render", _("keep the PDF")
    SEND_SIGNATURE = "send signature", "SignatureRequest", "signatures", _("send it to be signed")
    POLL_OR_CANCEL = "signature", "SignatureRequest", _("ask who has signed, or cancel it")
    POLL_SIGNATURES = "poll signatures", "ProjectState", _("ask who has signed what is out")
    ARCHIVE_SIGNATURE = "archive signature", "SignatureRequest", _("keep what was signed")
    TEMPLATES = "templates", "ProjectState", _("read the templates")
    BATCH = "batch", "Batch", _("see whether the batch is complete")
    ANNOUNCE_RENDER = "announce render", "Render", _("tell this site of the document")
    ANNOUNCE_SHARE = "announce share", "Share", _("tell this site of the link")
    ANNOUNCE_SIGNATURE = (
        "announce signature",
        "SignatureRequest",
        _("tell this site of the signature request"),
    )
    ANNOUNCE_ENGAGEMENT = (
        "announce engagement",
        "EngagementEvent",
        _("tell this site of the event"),
    )
    ANNOUNCE_FORM = "announce form", "FormSubmission", _("tell this site of the form submission")
    ANNOUNCE_BATCH = "announce batch", "Batch", _("tell this site of the batch")
    ANNOUNCE_PROJECT = "announce project", "ProjectState", _("tell this site of the project")

    model_name: str
    capability: str

    def __new__(cls, value: str, model_name: str, capability: str = "") -> Self:
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.model_name, kind.capability = model_name, capability
        return kind

    @classmethod
    def of(cls, value: str) -> Kind:
        """Return a kind as it is stored; raises ``ValueError`` for that of another version."""
        return cls(value)  # type: ignore[call-arg]

    @classmethod
    def announcing(cls, kind: str) -> Kind:
        """Return what announces changes of a kind."""
        return cls.of(f"{_ANNOUNCE}{kind}")

    @property
    def announces(self) -> str:
        """The kind of the changes that it announces; "" where it does something else."""
        return self.partition(_ANNOUNCE)[2]

    @property
    def model(self) -> type[Any]:
        """The model whose primary key the number of its object is."""
        return _model(self.model_name)

    @property
    def is_upkeep(self) -> bool:
        """Whether nobody waits for it, so that it lets all else go first."""
        kinds = (Kind.ENGAGEMENT, Kind.ARCHIVE_RENDER, Kind.ARCHIVE_SIGNATURE, Kind.TEMPLATES)
        return self in kinds


@cache
def _model(name: str) -> type[Any]:
    # By its name: the models lie above, and schedule jobs.
    return apps.get_model("craftkit", name)
