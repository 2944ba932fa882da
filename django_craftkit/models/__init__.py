"""The mirror: what was requested, what Craftkit says, what is to be done next, and the history."""

from django_craftkit.client import CraftkitError

from .archive import ArchivedFile
from .batch import Batch
from .change import Change
from .delivery import WebhookDelivery
from .embed_session import EmbedSession
from .engagement import EngagementEvent
from .erasure import Erasure
from .exceptions import (
    DataUnknown,
    KeyConflict,
    NothingToRender,
    RenderFailed,
    RenderSuperseded,
    RenderWithdrawn,
    WrongSchema,
)
from .form_submission import FormSubmission
from .job import Job
from .project import ProjectState
from .recipient import SignatureRecipient
from .render import Render
from .share import Share
from .signature import SignatureRequest
from .template import Template

__all__ = [
    "ArchivedFile",
    "Batch",
    "Change",
    "CraftkitError",
    "DataUnknown",
    "EmbedSession",
    "EngagementEvent",
    "Erasure",
    "FormSubmission",
    "Job",
    "KeyConflict",
    "NothingToRender",
    "ProjectState",
    "Render",
    "RenderFailed",
    "RenderSuperseded",
    "RenderWithdrawn",
    "Share",
    "SignatureRecipient",
    "SignatureRequest",
    "Template",
    "WebhookDelivery",
    "WrongSchema",
]
