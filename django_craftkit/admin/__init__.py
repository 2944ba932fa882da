"""Staff's desk."""

from .changes import ChangeAdmin
from .deliveries import WebhookDeliveryAdmin
from .events import EngagementEventAdmin
from .jobs import JobAdmin
from .projects import ProjectStateAdmin
from .renders import RenderAdmin
from .shares import ShareAdmin
from .signatures import SignatureRequestAdmin

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
