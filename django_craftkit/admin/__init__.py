"""Staff's pages: a room for each resource, and ``common`` for what they share."""

from .batches import BatchAdmin
from .changes import ChangeAdmin
from .deliveries import WebhookDeliveryAdmin
from .documents import CraftkitDocumentsMixin
from .embed_sessions import EmbedSessionAdmin
from .engagement import EngagementEventAdmin
from .form_submissions import FormSubmissionAdmin
from .jobs import JobAdmin
from .projects import ProjectStateAdmin
from .renders.admin import RenderAdmin
from .shares.admin import ShareAdmin
from .signatures.admin import SignatureRequestAdmin
from .templates import TemplateAdmin

__all__ = [
    "BatchAdmin",
    "ChangeAdmin",
    "CraftkitDocumentsMixin",
    "EmbedSessionAdmin",
    "EngagementEventAdmin",
    "FormSubmissionAdmin",
    "JobAdmin",
    "ProjectStateAdmin",
    "RenderAdmin",
    "ShareAdmin",
    "SignatureRequestAdmin",
    "TemplateAdmin",
    "WebhookDeliveryAdmin",
]
