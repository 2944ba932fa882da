"""The links of guests to a form: signed by this site, and expiring."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from django.core import signing
from django.core.exceptions import ObjectDoesNotExist
from django.urls import reverse
from django.utils.connection import ConnectionDoesNotExist

from django_craftkit import clock, conf, credentials, tenants
from django_craftkit.client import Actor, FormOptions
from django_craftkit.models import EmbedSession
from django_craftkit.models.arguments import check_template, document_data
from django_craftkit.models.downloading import seconds_of
from django_craftkit.models.identity import identify
from django_craftkit.twins import async_twin

from .sessions import Session, create_session

if TYPE_CHECKING:
    from django.db.models import Model

#: So that nothing else that this site signs is taken for a link.
_SALT = "django_craftkit.forms"
#: Characters of a link: some servers, and some mail programs, take no longer addresses.
_LONGEST = 2_000


class SourceGone(Exception):
    """What a form is about is there no longer."""


class FormLink(NamedTuple):
    """What a link says: which form, about what, and until when."""

    project: str
    template: str
    #: ``source_type_id``, ``source_id``, ``source_db`` and ``source_schema``; ``None``: no object.
    source: dict[str, Any] | None
    #: Seconds since 1970.
    expires_at: float
    #: What ``create_session`` takes beside that.
    options: dict[str, Any]

    @classmethod
    def read(cls, token: str) -> Self:
        """Return what a link says; raise ``BadSignature`` for one that this site did not make."""
        return cls(*signing.loads(token, salt=tenants.apart(_SALT)))

    @property
    def token(self) -> str:
        return signing.dumps(self, salt=tenants.apart(_SALT), compress=True)

    @property
    def has_expired(self) -> bool:
        return clock.now().timestamp() >= self.expires_at

    def find_source(self) -> Model | None:
        """Return the object that it is about, if it is about one; raise ``SourceGone``."""
        if self.source is None:
            return None
        try:
            source = EmbedSession(**self.source).read_source()
        except (ObjectDoesNotExist, ConnectionDoesNotExist):
            # Of a model, or in a database, that the site has no longer.
            raise SourceGone from None
        if source is None:
            raise SourceGone
        return source

    def open(self, source: Model | None) -> Session:
        """Mint a session for whoever has the link; raises as ``create_session`` does."""
        # Craftkit tells the visitors of two links apart, and can't guess a link.
        guest = hashlib.sha256(self.token.encode()).hexdigest()[:32]
        return create_session(
            self.template,
            project=self.project,
            source=source,
            actor=Actor(f"guest-{guest}"),
            renewable_until=datetime.fromtimestamp(self.expires_at, tz=UTC),
            **self.options,
        )


def get_form_url(
    template: str,
    *,
    expires: float | timedelta,
    source: Model | None = None,
    prefill: Any = None,
    collect: bool = True,
    show_preview: bool = False,
    show_document_after_submit: bool = True,
    redirect_url: str = "",
    project: str = conf.DEFAULT_PROJECT,
) -> str:
    """Return this site's own address of a form, for a guest: it works without a login.

    Whoever has it fills in the form, as often as they like, until it expires. It calls nobody; a
    session is minted when the page is opened.

    Args:
        template: its slug, up to 120 characters.
        expires: seconds, or a timedelta. A form that is open then can be submitted for as long as
            its session lasts, some hours.
        source: the saved object that the form is about: what is submitted is about it.
        prefill: what the form's fields hold at first. It stands in the address, for everybody who
            has that to read: keep it short, and harmless.
        collect, show_preview, show_document_after_submit, redirect_url, project: as in
            ``create_session``.

    Returns:
        The address, without scheme and host.

    Raises:
        ValueError: one of these can't be sent, or the address would have over 2,000 characters.
        TypeError: one of these is of another type.
        UnknownProject: the project is not configured.
        django.urls.NoReverseMatch: ``django_craftkit.urls`` is not included.
    """
    credentials.check_project(project)
    check_template(template)
    # What Craftkit would not take is told here, and not to the guest.
    FormOptions(redirect_url=redirect_url or None).to_json()
    options = {
        "prefill": None if prefill is None else document_data(prefill),
        "collect": collect,
        "show_preview": show_preview,
        "show_document_after_submit": show_document_after_submit,
        "redirect_url": redirect_url,
    }
    expires_at = clock.now() + timedelta(seconds=seconds_of(expires))
    about = None if source is None else identify(source).values
    link = FormLink(project, template, about, expires_at.timestamp(), options)
    url = reverse("craftkit:form", args=[link.token])
    if len(url) > _LONGEST:
        raise ValueError(
            f"The address of the form would have {len(url)} characters, and may have {_LONGEST}: "
            "prefill= is too long. Fill in the form in a page of your own instead."
        )
    return url


aget_form_url = async_twin(get_form_url)
