"""Staff's desk."""

from .deliveries import WebhookDeliveryAdmin
from .renders import RenderAdmin
from .shares import ShareAdmin
from .work import ChangeAdmin, JobAdmin, ProjectStateAdmin

__all__ = [
    "ChangeAdmin",
    "JobAdmin",
    "ProjectStateAdmin",
    "RenderAdmin",
    "ShareAdmin",
    "WebhookDeliveryAdmin",
]
