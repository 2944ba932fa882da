"""What an application can listen to.

The worker sends a signal after the change is committed, at least once and in the order of the
changes, with ``instance`` (as it is in the database now), ``previous_status`` and ``change``. A
receiver that raises is retried, alone; the document is not affected.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.dispatch import Signal

if TYPE_CHECKING:
    from django.db.models import Model

Receiver = Callable[..., object]


class MirrorSignal(Signal):
    """A signal whose receivers can be called one by one.

    ``subject`` says what a document that is made upon it is about, where that is not its instance.
    """

    def __init__(self, name: str, subject: Callable[[Any], Model] | None = None) -> None:
        super().__init__()
        self.name = name
        self.subject = subject

    def receivers_of(self, sender: type) -> dict[str, Receiver]:
        """Return the live receivers for a sender by their dotted names."""
        # Signal.send_robust() calls all of them or none; a retry must call the one that failed.
        plain, asynchronous = self._live_receivers(sender)
        found: dict[str, Receiver] = {}
        for receiver in (*plain, *asynchronous):
            name = _name(receiver)
            while name in found:
                name += "'"
            found[name] = async_to_sync(receiver) if _is_async(receiver) else receiver
        return found


def _is_async(receiver: Receiver) -> bool:
    # Django looks at functions alone: an instance's coroutine would be made and never run.
    return iscoroutinefunction(receiver) or (
        not isinstance(receiver, FunctionType) and iscoroutinefunction(type(receiver).__call__)
    )


def _name(receiver: Receiver) -> str:
    function = receiver if hasattr(receiver, "__qualname__") else type(receiver)
    return f"{function.__module__}.{function.__qualname__}"


render_succeeded = MirrorSignal("render_succeeded")
render_failed = MirrorSignal("render_failed")
render_rejected = MirrorSignal("render_rejected")
render_cancelled = MirrorSignal("render_cancelled")
#: Somebody has withdrawn a document, whatever its status; it stays as it is.
render_withdrawn = MirrorSignal("render_withdrawn")
#: A document is under way for longer than ``CRAFTKIT["OVERDUE_AFTER"]``; once for each attempt.
render_overdue = MirrorSignal("render_overdue")

share_created = MirrorSignal("share_created")
share_rejected = MirrorSignal("share_rejected")
share_revoked = MirrorSignal("share_revoked")

#: Of a ``Share`` that Craftkit mails, instead of ``share_created`` and ``share_rejected``.
email_sent = MirrorSignal("email_sent")
email_failed = MirrorSignal("email_failed")

#: Somebody opened, downloaded or printed a document; ``previous_status`` is "".
engagement_recorded = MirrorSignal("engagement_recorded")

#: ``signature_signed`` is about one person: its ``instance`` is the ``SignatureRecipient``.
signature_sent = MirrorSignal("signature_sent")
signature_viewed = MirrorSignal("signature_viewed")
signature_signed = MirrorSignal("signature_signed")
signature_completed = MirrorSignal("signature_completed")
signature_declined = MirrorSignal("signature_declined")
signature_expired = MirrorSignal("signature_expired")
signature_cancelled = MirrorSignal("signature_cancelled")
signature_failed = MirrorSignal("signature_failed")
signature_rejected = MirrorSignal("signature_rejected")
#: What was rendered, or signed, is in the project's own storage; ``instance`` is what it is of.
document_archived = MirrorSignal("document_archived")

#: All documents of a ``Batch`` have ended, however they did; once more when some of them were
#: retried, or others added, and have ended.
batch_completed = MirrorSignal("batch_completed")

#: Somebody has submitted a form; ``instance`` is the ``FormSubmission``, ``previous_status`` is "".
#: A document that is made upon it is about what the form was filled in for.
form_submitted = MirrorSignal("form_submitted", subject=attrgetter("subject"))

#: ``instance`` is the ``ProjectState``, whose ``capability`` says what of the project it is.
project_paused = MirrorSignal("project_paused")
project_resumed = MirrorSignal("project_resumed")

SIGNALS: dict[str, MirrorSignal] = {
    name: signal for name, signal in list(globals().items()) if isinstance(signal, MirrorSignal)
}
