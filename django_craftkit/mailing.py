"""What an e-mail of a declared document is made of: to whom it goes, and what it says.

from django_craftkit.mailing import Mail
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

__all__ = ["EmailTo", "Mail"]

#: A link that ends sooner could end before anybody reads the mail.
SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail with a link to the document: what `email_to=` of `render_on` returns.

    The values are those of `Render.email`.

    Source: https://docs.craftkit.dev/api-reference/email-render
    """

    to: str
    """One address, without a name; up to 254 characters."""
    recipient_name: str = ""
    """Up to 200 characters."""
    message: str = ""
    """Up to 2,000 characters."""
    expires_in: timedelta | None = None
    """From when the data are built; at least a minute. None: the link never ends."""

    def __repr__(self) -> str:
        # Tracebacks and frames are shown to others than the addressee.
        return "Mail(…)"


#: Who gets a mail of a document about an object; ``None``: nobody.
EmailTo: TypeAlias = Callable[[Any], "str | Mail | Iterable[str | Mail] | None"]


def mails_of(returned: object) -> tuple[Mail, ...]:
    """Return the mails that a function of `email_to=` names; raises `TypeError`."""
    if returned is None:
        return ()
    given = returned if isinstance(returned, (list, tuple, set, frozenset)) else [returned]
    return tuple(_mail(one) for one in given)


def _mail(given: object) -> Mail:
    mail = Mail(given) if isinstance(given, str) else given
    if not isinstance(mail, Mail):
        raise TypeError(
            f"The email_to function returned a {type(given).__name__}. Return an address, a "
            "django_craftkit.mailing.Mail, a list of these, or None where nobody gets a mail."
        )
    if not isinstance(mail.expires_in, timedelta | None):
        raise TypeError(f"'expires_in' is a {type(mail.expires_in).__name__}, no timedelta.")
    if mail.expires_in is not None and mail.expires_in < SHORTEST:
        raise ValueError(f"'expires_in' is {mail.expires_in}: a link is open for a minute or more.")
    return mail
