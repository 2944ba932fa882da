"""What the resources have in common: who may do what, how a body is read and an answer made.

A viewset names the permission that each action takes. Nobody may call an action without one. Before
an action begins, its row is read and the permission is checked on it. No transaction is open then,
so that ``?wait=`` may call Craftkit.
"""

from __future__ import annotations

import math
from functools import partial
from typing import IO, TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError as InvalidValue
from django.db.models import Model
from django.http import Http404, QueryDict
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import exceptions, status
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.utils import json
from rest_framework.viewsets import GenericViewSet

from django_craftkit import conf, dispatch
from django_craftkit.database import database, in_transaction, lock, non_atomic
from django_craftkit.files import SECONDS, FileUnavailable, streamed
from django_craftkit.models import NothingToRender, Render, RenderFailed
from django_craftkit.permissions import allows, permitted, user_of

from . import errors, throttling
from .idempotency import key_of
from .pagination import KeysetPagination
from .querysets import narrowed, of_narrowed
from .schema import CraftkitSchema, described

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.db.models import QuerySet
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer
    from rest_framework.views import AsView, GenericView

    from django_craftkit.models.archive import OpenFile
    from django_craftkit.models.mirror import Mirror

    from .fields import Given, InputSerializer

    Made = TypeVar("Made", bound=Mirror)

Row = TypeVar("Row", bound=Model)


class ActionPermission(IsAuthenticated):
    """Allows users who are logged in and have the permission that the action names."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not super().has_permission(request, view):
            return False
        if not view.has_action:
            return True  # no such method, which the view says
        codename = view.permissions.get(view.action)
        # For one row, and for lists, the view itself checks: it knows the rows.
        is_checked_later = view.is_of_row or view.action == "list"
        return codename is not None and (is_checked_later or allows(request.user, codename))


class StrictJSONParser(BaseParser):
    """JSON as it is written in RFC 8259: UTF-8, finite numbers, up to Django's own limit of size.

    ``DATA_UPLOAD_MAX_MEMORY_SIZE`` is in bytes; REST framework's parser does not know it.
    """

    media_type = "application/json"

    def parse(self, stream: IO[bytes], *args: object, **kwargs: object) -> Any:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read() if most is None else stream.read(most + 1)
        if most is not None and len(body) > most:
            raise errors.TooLarge
        try:
            return json.loads(body.decode(), parse_float=_finite)
        except (ValueError, RecursionError):
            raise exceptions.ParseError(_("The body is no JSON.")) from None


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("The number is beyond what can be stored.")
    return number


class PDFRenderer(BaseRenderer):
    """Lets ``Accept: application/pdf`` through; the file itself is streamed."""

    media_type = "application/pdf"
    format = "pdf"
    charset = None
    render_style = "binary"

    def render(self, *args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError("Errors are rendered as JSON.")


class CraftkitViewSet(GenericViewSet[Row]):
    """A resource. Subclass it, mount it in your own router, or use its serializers alone."""

    #: The permission that each action takes; nobody may call an action that is not in it.
    permissions: ClassVar[Mapping[str, str]] = {}
    #: The serializers of actions that do not answer with ``serializer_class``.
    serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {}
    #: What one row and several of them are called where OpenAPI describes the view.
    nouns: ClassVar[tuple[str, str]] = ("a row", "rows")
    #: Whether its rows are documents or about one, so that the project's rule narrows them.
    is_of_document: ClassVar[bool] = True
    #: Actions that mail people.
    mails: ClassVar[frozenset[str]] = frozenset()
    #: The columns of an index by the name that ``?ordering=`` takes; the first is the default.
    orderings: ClassVar[Mapping[str, Sequence[str]]] = {
        "-requested_at": ("-requested_at", "-id"),
        "requested_at": ("requested_at", "id"),
    }

    permission_classes = [ActionPermission]
    renderer_classes = [JSONRenderer]
    parser_classes = [StrictJSONParser]
    pagination_class = KeysetPagination
    filter_backends = [DjangoFilterBackend]
    lookup_value_regex = "[0-9]{1,18}"
    # Without OPTIONS, which would tell of fields.
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    metadata_class = None
    versioning_class = None
    schema = CraftkitSchema()

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> AsView[GenericView]:
        return non_atomic(super().as_view(*args, **initkwargs))

    @property
    def has_action(self) -> bool:
        # REST framework's name for OPTIONS, which there is none of.
        return self.action not in (None, "metadata")

    @property
    def is_of_row(self) -> bool:
        return (self.lookup_url_kwarg or self.lookup_field) in self.kwargs

    @property
    def craftkit_scope(self) -> str:
        if self.action in self.mails:
            return throttling.MAIL
        return throttling.READ if self.request.method in ("GET", "HEAD") else throttling.WRITE

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "private, no-store"}

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        if not (self.is_of_row and self.has_action):
            return
        value = self.kwargs[self.lookup_url_kwarg or self.lookup_field]
        try:
            row = self.get_queryset().filter(**{self.lookup_field: value}).first()
        except (TypeError, ValueError, InvalidValue):
            row = None  # an address of the project's own may hold anything
        # In this order: users without the permission do not learn which rows there are.
        if not allows(self.request.user, self.permissions[self.action], row):
            raise exceptions.PermissionDenied
        if row is None:
            raise exceptions.NotFound
        self._row: Row = row

    def get_object(self) -> Row:
        """Return the row of the route; the permission for it was checked."""
        return self._row

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows that the user may know of, as ``VISIBLE`` and ``API_QUERYSET`` say."""
        rows: QuerySet[Any] = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows
        # One row is read where it is written: a replica may not have what was just requested.
        rows = rows.using(rows.db if self.action == "list" else database())
        if not self.is_of_document:
            return rows
        if rows.model is Render:
            return narrowed(rows, self.request)
        one = self.request.query_params.get("render", "") if self.action == "list" else ""
        return of_narrowed(rows, self.request, one)

    def get_serializer_class(self) -> type[BaseSerializer[Row]]:
        return self.serializer_classes.get(self.action) or super().get_serializer_class()

    def get_orderings(self) -> Mapping[str, Sequence[str]]:
        return self.orderings

    def may(self, codename: str, row: Model | None) -> bool:
        """Return whether the user has a permission for a row.

        In a list: for all rows, since permissions of single rows would take a query for each.

        Args:
            codename: of the permission, without its app: ``"view_share"``, say.
            row: a row of its model; ``None``: for all of them.
        """
        return allows(self.request.user, codename, None if self.action == "list" else row)

    @described()
    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        mine = permitted(request.user, self.permissions["list"], self.get_queryset())
        if mine is None:
            raise exceptions.PermissionDenied
        page = self.prepare(self.paginate_queryset(self.filter_queryset(mine)) or [])
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @described()
    def retrieve(self, request: Request, *args: object, **kwargs: object) -> Response:
        return Response(self.get_serializer(self.prepare([self.get_object()])[0]).data)

    def prepare(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Add to the rows of an answer what it shows besides, with one query for all of them."""
        return rows

    def answer(self, row: Model, *, code: int = status.HTTP_200_OK) -> Response:
        """Return a row as far as it may be seen: 204 where it may not."""
        if isinstance(row, Render) and row.is_gone:
            raise NothingToRender(row)
        if not self.may(f"view_{row._meta.model_name}", row):
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(self.get_serializer(row).data, status=code)

    def read_body(self, serializer: type[InputSerializer]) -> Given:
        """Return what the body says; raise ``ValidationError``."""
        # Without a body, REST framework gives an empty form.
        data = {} if isinstance(self.request.data, QueryDict) else self.request.data
        body = serializer(data=data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        given: Given = body.validated_data
        return given

    def read_wait(self) -> float:
        """Return for how many seconds ``?wait=`` has the answer wait; 0: not at all.

        It never waits where somebody else, a middleware say, has opened a transaction.
        """
        given = self.request.query_params.get("wait")
        if given is None:
            return 0.0
        most = conf.options().API_MAX_WAIT
        try:
            seconds = float(given)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds <= most:
            raise exceptions.ValidationError({"wait": [_("Write seconds, from 0 to %d.") % most]})
        try:
            dispatch.refuse_transaction()
        except RuntimeError:
            return 0.0
        return seconds

    def request_row(
        self,
        action: str,
        serializer: type[InputSerializer],
        make: Callable[..., Made],
        check: Callable[[Made, Given], None],
        *,
        or_body: bool = False,
    ) -> Response:
        """Request the row that the body describes, and answer with it; do so once for each key.

        Args:
            action: what the key belongs to beside its user, ``"share"`` say.
            make: gets the body, ``key``, ``user`` and ``wait``, and returns the row. It is called
                once more to wait, and gets the same row, since the key is the same.
            check: gets the row and the body. Where it raises, no row is written.
            or_body: without an Idempotency-Key, the body is the key.
        """
        given, wait = self.read_body(serializer), self.read_wait()
        user = user_of(self.request)
        request = partial(make, given, key=key_of(self.request, action, or_body=or_body), user=user)

        @in_transaction
        def write() -> Made:
            made = request(wait=0.0)
            # Where another request has won the race for the key, it has our values over their row.
            row: Made = lock(type(made)._default_manager.using(database())).get(pk=made.pk)
            if row.requested_by_id != user.pk:
                raise errors.AnotherBody
            check(row, given)
            return row

        row = write()
        return self.answer(request(wait=wait) if wait else row, code=status.HTTP_201_CREATED)

    def stream(self, fetch: Callable[..., OpenFile], name: str, row: Model) -> HttpResponseBase:
        """Return a PDF; raise ``Conflict`` where there is none yet, or never will be.

        ``fetch`` is ``Render.open_file``, or ``SignatureRequest.open_file`` with its kind.
        """
        try:
            return streamed(self.request, partial(fetch, timeout=SECONDS), name, row)
        except RenderFailed:
            raise errors.Conflict(_("There is no PDF of it."), "no_pdf") from None
        except FileUnavailable as error:
            raise errors.Unavailable(error.why or None) from None

    def perform_content_negotiation(
        self, request: Request, force: bool = False
    ) -> tuple[BaseRenderer, str]:
        try:
            return super().perform_content_negotiation(request, force)
        except Http404:
            # An unknown ?format=, which REST framework takes for an unknown address.
            raise exceptions.NotAcceptable from None

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return errors.handle

    def handle_exception(self, exc: Exception) -> Response:
        # Whatever was to be answered, an error is JSON.
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return super().handle_exception(exc)
