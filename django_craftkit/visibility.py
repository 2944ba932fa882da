"""Which documents a visitor may know of at all: ``CRAFTKIT["VISIBLE"]``.

It names a function that gets a queryset of ``Render`` and the request, and returns the documents
that the visitor may know of. It holds in the admin, the HTTP API, downloads and template tags.
Whatever belongs to a document follows it. A function that returns the very queryset that it got
leaves nothing out: that visitor sees what belongs to no document, too.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.db.models import Exists, OuterRef, Q
from django.utils.module_loading import import_string

from django_craftkit import conf
from django_craftkit.database import database
from django_craftkit.models import (
    Batch,
    Change,
    EmbedSession,
    EngagementEvent,
    FormSubmission,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    Template,
    WebhookDelivery,
)
from django_craftkit.models.within import about_found
from django_craftkit.permissions import owned_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

    from django_craftkit.models.render_queryset import RenderQuerySet

    Documents = QuerySet[Render]
    Follow = Callable[[Any, Documents, HttpRequest], Any]

Rows = TypeVar("Rows", bound="QuerySet[Any]")


def own_documents(queryset: QuerySet[Render], request: HttpRequest) -> QuerySet[Render]:
    """Narrow ``queryset`` to the documents about objects of the user of ``request``.

    ``API_OWNERS`` says whose an object is. The objects are read from their own database, which
    may be another one than that of the documents.
    """
    return queryset.filter(_about_own(queryset, request))


def visible(rows: Rows, request: HttpRequest, also: str | None = None) -> Rows:
    """Return the rows that the visitor may know of; ``rows`` itself where nothing is left out.

    Permissions are not looked at: they say what a visitor may do with what is visible.

    Args:
        rows: a queryset of any model of this app that the admin shows.
        request: with its ``user``, who may be nobody.
        also: the dotted path of another rule, which narrows what the first one leaves.
    """
    model = rows.model._meta.concrete_model
    if model is Render:
        return _narrowed(rows, request, also)
    mine = visible_documents(request, rows.db, also)
    if mine is None:
        return rows
    # What is within a query reads the database that the query reads.
    followed: Rows = _FOLLOW[model](rows.using(rows.db), mine.order_by(), request)
    return followed


def visible_documents(
    request: HttpRequest, using: str, also: str | None = None
) -> RenderQuerySet | None:
    """Return the documents that the visitor may know of; ``None`` where nothing is left out."""
    documents = cast("RenderQuerySet", Render.objects.using(using).all())
    mine = _narrowed(documents, request, also)
    return None if mine is documents else mine


def is_narrowed(request: HttpRequest) -> bool:
    """Whether the visitor may not know of every document."""
    return visible_documents(request, database()) is not None


def _narrowed(documents: Rows, request: HttpRequest, also: str | None) -> Rows:
    mine = documents
    for path in (conf.options().VISIBLE, also):
        if path is not None:
            mine = import_string(path)(mine, request)
    if mine is documents or sum(map(bool, mine.query.alias_refcount.values())) <= 1:
        return mine
    # It joins tables: a document is there once, however many of their rows say so.
    return documents.filter(pk__in=mine.order_by().values("pk"))


# How each model follows the documents.


def _of_document(rows: Rows, mine: Documents, request: HttpRequest) -> Rows:
    return rows.filter(render__in=mine.values("pk"))


def _of_request(rows: Rows, mine: Documents, request: HttpRequest) -> Rows:
    return rows.filter(request__render__in=mine.values("pk"))


def _of_documents(rows: Rows, mine: Documents, request: HttpRequest) -> Rows:
    """Batches that have such a document."""
    return rows.filter(pk__in=mine.filter(batch__isnull=False).values("batch"))


def _submitted(rows: Rows, mine: Documents, request: HttpRequest) -> Rows:
    """Form submissions: of such a document, or about an object of the user's own."""
    about = FormSubmission.objects.using(rows.db).filter(_about_own(rows, request))
    return rows.filter(Q(render__in=mine.values("pk")) | Q(pk__in=about.values("pk")))


def _opened(rows: Rows, mine: Documents, request: HttpRequest) -> Rows:
    """Embed sessions: the user's own, or about an object of theirs."""
    if request.user.pk is None:
        return rows.none()
    about = EmbedSession.objects.using(rows.db).filter(_about_own(rows, request))
    return rows.filter(Q(created_by=request.user.pk) | Q(pk__in=about.values("pk")))


def _told(rows: Rows, mine: Documents, request: HttpRequest) -> Rows:
    """Webhooks that tell of such a document, or of its signature request."""
    named = {"project": OuterRef("project"), "remote_id": OuterRef("about")}
    requests = _of_document(SignatureRequest.objects.using(rows.db).all(), mine, request)
    return rows.filter(Exists(mine.filter(**named)) | Exists(requests.filter(**named)))


def _aimed(rows: Rows, mine: Documents, request: HttpRequest) -> Rows:
    """Jobs and changes, which name their target by its kind and number."""
    by_model: dict[type[Model], list[str]] = {}
    if rows.model is Job:
        for kind in Job.Kind:
            by_model.setdefault(kind.model, []).append(kind.value)
    else:
        for one in Change.Kind:
            by_model.setdefault(Job.Kind.announcing(one).model, []).append(one.value)
    found = Q(pk__in=())
    for model in by_model.keys() - set(OF_NO_DOCUMENT):
        targets: QuerySet[Any] = model._default_manager.using(rows.db).all()
        known = mine if model is Render else _FOLLOW[model](targets, mine, request)
        found |= Q(kind__in=by_model[model], object_id__in=known.values("pk"))
    return rows.filter(found)


def _all(rows: Rows, mine: Documents, request: HttpRequest) -> Rows:
    """Whoever has the permission sees them: they are about no document, and about nobody."""
    return rows


def _about_own(rows: QuerySet[Any], request: HttpRequest) -> Q:
    """Return what finds those of some rows that are about objects of the user's own."""
    found = (about_found(objects, rows.db) for objects in owned_by(request.user))
    return reduce(or_, found, Q(pk__in=()))


#: What is a project's, and no document's: their jobs and changes are left out.
OF_NO_DOCUMENT: tuple[type[Model], ...] = (Template, ProjectState)

_FOLLOW: Mapping[type[Model], Follow] = {
    Share: _of_document,
    SignatureRequest: _of_document,
    SignatureRecipient: _of_request,
    EngagementEvent: _of_document,
    Batch: _of_documents,
    FormSubmission: _submitted,
    EmbedSession: _opened,
    WebhookDelivery: _told,
    Job: _aimed,
    Change: _aimed,
    Template: _all,
    ProjectState: _all,
}
