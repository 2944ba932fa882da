"""The mirror: what was wished, what Craftkit says, what is to be done next, and how it came."""

from .change import Change
from .delivery import WebhookDelivery
from .render import KeyConflict, Render, RenderFailed
from .share import Share
from .work import Job, ProjectState

__all__ = [
    "Change",
    "Job",
    "KeyConflict",
    "ProjectState",
    "Render",
    "RenderFailed",
    "Share",
    "WebhookDelivery",
]
