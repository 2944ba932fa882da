"""Staff's desk."""

from .deliveries import WebhookDeliveryAdmin
from .events import EngagementEventAdmin
from .renders import RenderAdmin
from .shares import ShareAdmin
from .signatures import SignatureRequestAdmin
from .work import ChangeAdmin, JobAdmin, ProjectStateAdmin

__all__ = [
    "ChangeAdmin",
    "EngagementEventAdmin",
    "JobAdmin",
    "ProjectStateAdmin",
    "RenderAdmin",
    "ShareAdmin",
    "SignatureRequestAdmin",
    "WebhookDeliveryAdmin",
]
