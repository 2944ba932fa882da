"""Rows in any state, as the package would have left them, without the way there.

For tests of pages, lists and receivers that only need the rows. Each is written by what the package
itself writes it by, so it has the history, the moments and the jobs that it would have. Craftkit,
and the kit's sandbox, know nothing of it: what asks them gets a 404.
"""

from .documents import batch_factory, render_factory
from .forms import form_submission_factory
from .sharing import engagement_event_factory, share_factory
from .signatures import signature_request_factory

__all__ = [
    "batch_factory",
    "engagement_event_factory",
    "form_submission_factory",
    "render_factory",
    "share_factory",
    "signature_request_factory",
]
