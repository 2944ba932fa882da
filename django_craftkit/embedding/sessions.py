"""Sessions of Craftkit's builder and forms: minted for a page, and renewed for as long as it may.

Sources: https://docs.craftkit.dev/api-reference/create-session and
https://docs.craftkit.dev/api-reference/refresh-session
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from django_craftkit import clock, conf, credentials, dispatch, projects, tenants
from django_craftkit.client import (
    Actor,
    CraftkitError,
    FormOptions,
    InvalidData,
    Scope,
    Tenant,
)
from django_craftkit.client.secret import Secret
from django_craftkit.client.session_options import MODES, PERMISSIONS
from django_craftkit.credentials import ProjectUnavailable
from django_craftkit.data import FindingCode, check
from django_craftkit.log import get_logger, one_line
from django_craftkit.models import EmbedSession, Template
from django_craftkit.models.arguments import (
    EARLIEST,
    LATEST,
    check_template,
    check_user,
    document_data,
)
from django_craftkit.models.identity import identify
from django_craftkit.projects import time_limit
from django_craftkit.twins import async_twin

from .errors import SessionLost, SessionUnavailable, refuse
from .references import DESIGN, Reference, permits

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping

    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import Model

    from django_craftkit import client
    from django_craftkit.client import CatalogRef

logger = get_logger(__name__)

#: What a session may do in each mode; in the builder, whoever may design. Craftkit's own defaults
#: are not documented. What deletes a template or tells others of a document is never among them.
_GRANTED: dict[str, frozenset[str]] = {
    "fill": frozenset({"submit_form"}),
    "view": frozenset(),
    "edit": frozenset(
        {
            "publish",
            "save_draft",
            "rename",
            "rollback",
            "create_custom_variables",
            "change_page_settings",
            "view_version_history",
        }
    ),
}
_GRANTED["create"] = _GRANTED["edit"]

#: Seconds that a visitor waits for Craftkit at most.
SECONDS = 10.0
#: Seconds within which another tab that has renewed the session has noted it.
_NOTED_WITHIN = 3.0
_LOOK_EVERY = 0.2
#: Characters of a name at Craftkit.
_LONGEST_NAME = 200
#: How long a session lasts of which Craftkit does not say it: the shortest time of its pages.
_UNTOLD = timedelta(minutes=5)


@dataclass(frozen=True)
class Session:
    """What a page needs to show Craftkit's builder or a form; ``{% craftkit_embed %}`` takes it.

    Its ``url`` and ``token`` are all that it takes to work in it: they are in no ``repr``, and the
    page that holds them is kept by no cache.
    """

    row: EmbedSession
    #: The address of the iframe; the token is in it.
    url: str = field(repr=False)
    token: str = field(repr=False)
    #: Signed: who may have it renewed, as long as what it took to open it is so.
    reference: str = field(repr=False)
    expires_at: datetime
    #: Where the page goes once its form was submitted.
    redirect_url: str = ""

    @property
    def id(self) -> uuid.UUID:
        """Craftkit's id of it, which is also that of what is submitted."""
        return self.row.remote_id

    @property
    def project(self) -> str:
        """The alias of the Craftkit project."""
        return self.row.project

    @property
    def for_browser(self) -> dict[str, Any]:
        """What the page's script gets of it, as JSON."""
        return {
            "url": self.url,
            "token": self.token,
            # Not the moment: the visitor's clock may be wrong.
            "expiresIn": max(0, int((self.expires_at - clock.now()).total_seconds())),
            "reference": self.reference,
            "renewUrl": reverse("craftkit:embed_renew"),
            "redirectUrl": self.redirect_url,
            "publishedUrl": reverse("craftkit:embed_published") if self.row.mode != "fill" else "",
        }


def create_session(
    template: str = "",
    *,
    mode: str = "fill",
    source: Model | None = None,
    user: AbstractBaseUser | None = None,
    permission: str = "",
    permissions: Mapping[str, bool] | None = None,
    prefill: Any = None,
    collect: bool = True,
    show_preview: bool = False,
    show_document_after_submit: bool = True,
    redirect_url: str = "",
    tenant: Tenant | None = None,
    actor: Actor | None = None,
    catalog: CatalogRef | None = None,
    branding: Mapping[str, Any] | None = None,
    appearance: Mapping[str, Any] | None = None,
    project: str = conf.DEFAULT_PROJECT,
    renewable_until: datetime | None = None,
) -> Session:
    """Mint a session for one page and visitor: Craftkit is called, for up to 10 seconds.

    Source: https://docs.craftkit.dev/api-reference/create-session

    Args:
        template: its slug, up to 120 characters; "" in mode ``create``.
        mode: ``fill`` is its form, ``edit`` and ``create`` are the builder, ``view`` only shows it.
        source: the saved object that the form is about: what is submitted is about it.
        user: who works in it; ``None``: a guest.
        permission: one that the user must have, for everything or for ``source``: now, and each
            time the session is renewed. ``"app_label.codename"``.
        permissions: what the session may do where that is not as by default: ``{"rename": False}``.
            In mode ``fill`` it may submit the form, and nothing else. In the builder it may publish
            and save if ``user`` has ``craftkit.design_template``, now and at each renewal.
        prefill: what the form's fields hold at first, as a document's data.
        collect: whether what is submitted becomes a ``FormSubmission`` and nothing else; else
            Craftkit makes a document of it.
        show_preview: whether the form shows the document as it is filled in.
        show_document_after_submit: whether the form shows the document that Craftkit made.
        redirect_url: where the visitor goes after that, with ``https://``. The page that shows the
            form goes there, whatever Craftkit does in the iframe.
        tenant: as who this site is known to Craftkit; ``None``: your own tenant
            that was entered, else the alias of the project.
        actor: as who the visitor is; ``None``: the user's primary key and name.
        catalog: the variables that the builder offers, as published at Craftkit.
        branding, appearance: how it looks, in Craftkit's words.
        project: an alias of ``CRAFTKIT_PROJECTS``.
        renewable_until: the moment after which it is not renewed any more; None: as long as a page
            is open, and up to a day after the session has ended.

    Raises:
        SessionUnavailable: Craftkit opens none; its message says why, for staff.
        django.core.exceptions.PermissionDenied: the user lacks ``permission``.
        ValueError: one of these can't be sent.
        TypeError: one of these is of another type.
        RuntimeError: a transaction is open: Craftkit would be called inside of it.
        UnknownProject: the project is not configured.
    """
    credentials.check_project(project)
    dispatch.refuse_transaction()
    if mode not in MODES:
        raise ValueError(f"mode= is {mode!r}: write one of {', '.join(MODES)}.")
    if mode == "create":
        if template:
            raise ValueError("Mode 'create' makes a new template: leave template= out.")
    else:
        check_template(template)
    if source is not None:
        identify(source)  # no row could be about one that isn't saved
    user = check_user(user)
    until = _seconds_of(renewable_until)
    known = Template.objects.get_known(project, template) if template else None
    if permission and not permits(user, permission, source):
        raise PermissionDenied
    designs = mode in ("edit", "create") and permits(user, DESIGN, known)
    needed = tuple(filter(None, [permission, DESIGN if designs else ""]))
    granted = _granted(mode, designs=designs) | dict(permissions or {})
    if tenant is None:
        name = tenants.entered() or project
        tenant = Tenant(name, name)
    actor = actor or _actor(user)
    form = None
    if mode == "fill":
        form = FormOptions(
            prefill=_prefill(prefill, known),
            show_preview=show_preview,
            show_document_after_submit=show_document_after_submit,
            redirect_url=redirect_url or None,
            collect=collect,
        )
    elif prefill is not None:
        raise ValueError("prefill= fills in a form: mode='fill'.")
    with time_limit(SECONDS):
        minted = _call(
            project,
            lambda craftkit: craftkit.embed.create_session(
                tenant,
                actor,
                scope=Scope(mode, template_id=_remote_id(craftkit, template, known)),
                permissions=granted,
                form=form,
                catalog=catalog,
                branding=branding,
                appearance=appearance,
            ),
        )
    row = EmbedSession.objects.note(
        project,
        minted,
        mode=mode,
        template=template,
        source=source,
        tenant_id=tenant.external_id,
        actor_id=actor.external_id,
        user=user,
        collect=collect and mode == "fill",
    )
    reference = Reference(row.pk, "" if user is None else str(user.pk), needed, until)
    return _session(row, minted, reference, redirect_url)


acreate_session = async_twin(create_session)


def renew(row: EmbedSession, reference: Reference) -> Session:
    """Renew a session, and note what renews it the next time.

    What renews it can be used once. Of two tabs that do it at the same time Craftkit refuses one,
    which goes on with what the other has noted. A process that dies after Craftkit has answered,
    and before that is noted, has lost it: only another session helps.

    Source: https://docs.craftkit.dev/api-reference/refresh-session

    Raises:
        SessionLost: Craftkit does not renew it any more, or has answered with another one.
        SessionUnavailable: Craftkit does not renew it now, or can't be reached.
    """
    dispatch.refuse_transaction()
    token = row.renew_token
    with time_limit(SECONDS):
        while token.reveal():
            try:
                renewed = _refresh(row.project, token)
            except SessionLost:
                token = _noted_since(row, token)
                continue
            if renewed.id != row.remote_id:
                # What is submitted in it would be about nothing.
                logger.error(
                    "Project %r: Craftkit renewed session %s by another, %s.",
                    row.project,
                    row.remote_id,
                    renewed.id,
                )
                raise SessionLost
            row = EmbedSession.objects.note(row.project, renewed)
            return _session(row, renewed, reference)
    raise SessionLost


def _refresh(project: str, token: Secret) -> client.EmbedSession:
    try:
        return _call(project, lambda craftkit: craftkit.embed.refresh_session(token.reveal()))
    except _Refused:
        raise SessionLost from None


def _noted_since(row: EmbedSession, used: Secret) -> Secret:
    """Return what another tab has noted in place of what was used; raise ``SessionLost``."""
    rows, until = EmbedSession.objects.writer().filter(pk=row.pk), time.monotonic() + _NOTED_WITHIN
    while True:
        there: EmbedSession | None = rows.first()
        newest = Secret("") if there is None else there.renew_token
        if not newest.reveal():
            raise SessionLost
        if newest.reveal() != used.reveal():
            return newest
        if time.monotonic() > until:
            raise SessionLost
        time.sleep(_LOOK_EVERY)


class _Refused(Exception):
    """Craftkit does not renew a session by what was sent."""


def _call(
    project: str, call: Callable[[client.Craftkit], client.EmbedSession]
) -> client.EmbedSession:
    if conf.options().PAUSED:
        why = _("CRAFTKIT['PAUSED'] is set: nothing is sent to Craftkit.")
        raise SessionUnavailable("paused", why, is_passing=True)
    try:
        return projects.call(project, call, max_retries=1)
    except ProjectUnavailable as error:
        why = _("The project's credentials can't be looked up at the moment: %s") % error
        raise SessionUnavailable("unreachable", why, is_passing=True) from None
    except InvalidData:
        raise  # our caller's fault, and nothing was sent
    except CraftkitError as error:
        if error.code == "refresh_failed":
            raise _Refused from None
        refuse(project, error)


def _session(
    row: EmbedSession, made: client.EmbedSession, reference: Reference, redirect_url: str = ""
) -> Session:
    return Session(
        row,
        url=made.url,
        token=made.token.reveal(),
        reference=reference.token,
        expires_at=clock.now() + _UNTOLD if made.expires_at is None else made.expires_at,
        redirect_url=redirect_url,
    )


def _seconds_of(moment: datetime | None) -> int:
    """Return a moment in seconds since 1970; 0: there is none."""
    if moment is None:
        return 0
    if not isinstance(moment, datetime):
        raise TypeError(f"renewable_until= is a {type(moment).__name__}: write a datetime.")
    if settings.USE_TZ and timezone.is_naive(moment):
        raise ValueError("renewable_until= must be aware: a naive time means another moment there.")
    if not EARLIEST.year < moment.year < LATEST.year:
        raise ValueError(f"renewable_until= is in the year {moment.year}: None stands for no end.")
    return int(moment.timestamp())


def _granted(mode: str, *, designs: bool) -> dict[str, bool]:
    granted = _GRANTED[mode] if designs or mode == "fill" else frozenset()
    return {name: name in granted for name in PERMISSIONS}


def _actor(user: AbstractBaseUser | None) -> Actor:
    if user is None:
        return Actor("guest")
    # A user's name for logging in may be an e-mail address, and none is told.
    full_name = getattr(user, "get_full_name", str)()
    return Actor(str(user.pk), display_name=one_line(full_name, _LONGEST_NAME) or None)


def _remote_id(craftkit: client.Craftkit, slug: str, known: Template | None) -> uuid.UUID | None:
    if not slug:
        return None
    if known is not None and known.remote_id is not None:
        return known.remote_id
    return craftkit.templates.get(slug).id


def _prefill(prefill: Any, known: Template | None) -> dict[str, Any] | None:
    """Return what fills in a form, and log what its template has no field for, by its place."""
    if prefill is None:
        return None
    data = document_data(prefill)
    for one in check(data, known and known.manifest):
        # What is left out is what the visitor fills in.
        if one.code != FindingCode.REQUIRED:
            logger.warning("The prefill of template %s: %s at %s.", known, one.code, one.where)
    return data
