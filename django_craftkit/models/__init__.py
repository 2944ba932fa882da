"""The mirror: what was wished, what Craftkit says, what is to be done next, and how it came."""

from django_craftkit.client import CraftkitError

from .archive import ArchivedFile
from .change import Change
from .delivery import WebhookDelivery
from .engagement import EngagementEvent
from .identity import WrongSchema
from .render import KeyConflict, NothingToRender, Render, RenderFailed, RenderWithdrawn
from .share import Share
from .signature import SignatureRecipient, SignatureRequest
from .work import Job, ProjectState

__all__ = [
    "ArchivedFile",
    "Change",
    "CraftkitError",
    "EngagementEvent",
    "Job",
    "KeyConflict",
    "NothingToRender",
    "ProjectState",
    "Render",
    "RenderFailed",
    "RenderWithdrawn",
    "Share",
    "SignatureRecipient",
    "SignatureRequest",
    "WebhookDelivery",
    "WrongSchema",
]
