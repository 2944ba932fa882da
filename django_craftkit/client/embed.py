"""Embed: Craftkit's builder and forms inside your pages, and what they need of your server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - typing.get_type_hints reads these classes
from typing import TYPE_CHECKING, Self
from uuid import UUID  # noqa: TC003

from django_craftkit.client.builder import (
    BuilderTemplate,
    BuilderTemplateSummary,
    create_template,
)
from django_craftkit.client.catalogs import PublishedCatalog, catalog_json, check_catalog_name
from django_craftkit.client.encoding import given, path, query
from django_craftkit.client.errors import InvalidData, InvalidResponse
from django_craftkit.client.fields import Answer, Fields, Listed
from django_craftkit.client.limits import (
    check_kind,
    check_mapping,
    check_text,
    check_whole,
    refuse,
)
from django_craftkit.client.secret import Secret
from django_craftkit.client.session_options import (
    FILL,
    Actor,
    Callbacks,
    CatalogRef,
    FormOptions,
    Scope,
    SessionLimits,
    Tenant,
    permissions_json,
)
from django_craftkit.client.transport import Resource
from django_craftkit.client.types import Render
from django_craftkit.untrusted import Json, JsonObject  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django_craftkit.client.catalogs import Catalog

SHORTEST_RENEW_TOKEN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedSession(Answer):
    """Leave for one person to work in Craftkit's builder or form, for some hours.

    Source: https://docs.craftkit.dev/api-reference/create-session
    """

    id: UUID
    """The same after a refresh."""
    token: Secret
    """For the browser of that person, and for `CraftkitSession`; `reveal()` returns it."""
    url: str = field(repr=False)
    """Of the iframe, with the token in it. As Craftkit sent it, never built here."""
    expires_at: datetime | None
    """4 hours from the mint or refresh; None where Craftkit does not say."""
    renew_token: Secret
    """For one `refresh_session`; empty, and so false, where Craftkit sent none."""
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "embed session")
        return cls(
            id=fields.uuid("session_id"),
            token=fields.secret("session_token"),
            url=fields.url("iframe_url"),
            expires_at=fields.maybe_moment("expires_at"),
            renew_token=fields.maybe_secret("renew_token") or Secret(""),
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRenderPage(Answer):
    """A part of the list of renders. Craftkit's documentation does not say what it is like.

    Nothing may be concluded from what is missing in it while something is `unreadable`.
    """

    items: tuple[Render, ...]
    """Without those whose id or status can't be read."""
    total: int | None
    """Of the whole list; None if Craftkit does not say."""
    length: int
    """Of what Craftkit listed here, be it readable or not."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "list")
        return cls(
            items=fields.rows("renders", Render.from_json),
            length=fields.length("renders"),
            total=fields.maybe_count("total"),
            **fields.rest(),
        )


class Embed(Resource):
    """What the project that the key belongs to embeds; embedding must be enabled for it."""

    def create_session(
        self,
        tenant: Tenant,
        actor: Actor,
        *,
        scope: Scope | None = None,
        permissions: Mapping[str, bool] | None = None,
        permissions_preset: str | None = None,
        form: FormOptions | None = None,
        catalog: CatalogRef | None = None,
        variable_catalog: Catalog | Mapping[str, object] | None = None,
        branding: Mapping[str, object] | None = None,
        appearance: Mapping[str, object] | None = None,
        callbacks: Callbacks | None = None,
        limits: SessionLimits | None = None,
    ) -> EmbedSession:
        """Mint a session. Each call makes one more, and Craftkit has no idempotency key for it.

        It is retried only where Craftkit proved that it made none. One that was lost on its way is
        of no use to anybody: mint another.

        Source: https://docs.craftkit.dev/api-reference/create-session

        Args:
            tenant: in whose name the work is done.
            actor: who works.
            scope: to do what, with which template; None is to edit.
            permissions: what they may do, by the names of `PERMISSIONS`; what is not named is
                Craftkit's to decide. To send a form in, `submit_form` is needed.
            permissions_preset: up to 60 characters. Craftkit takes it and has reserved it for
                later: it grants nothing.
            form: only with the mode `fill`.
            catalog: the variables that the builder offers. Not together with `variable_catalog`.
            variable_catalog: the same, written out; of a mapping the names are Craftkit's.
            branding: `primaryColor`, `logoUrl`, `fontUrl`, `locale`, `ui`, `support`, as Craftkit
                names them.
            appearance: `baseTheme` (`light`, `dark`, `auto`, `shadcn`), `variables`, `rules`,
                `layout`, `stylesheetUrl`, `fontUrl`, `logoUrl`; comes before `branding`.
            callbacks: addresses that the embed posts to.
            limits: of what the session may do.

        Raises:
            InvalidData: beyond a limit, or of another class; it is named, and nothing was sent.
            AuthenticationError: `invalid_credentials`: the key, or the project does not embed.
            PermissionDenied: `partner_suspended`.
            NotFound: `catalog_not_found`.
            InvalidRequest: `invalid_request`.
        """
        scope = Scope() if scope is None else scope
        for name, part, kind in (
            ("tenant", tenant, Tenant),
            ("actor", actor, Actor),
            ("scope", scope, Scope),
        ):
            check_kind(name, part, kind)
        if form is not None and scope.mode != FILL:
            raise InvalidData("'form' is for the mode 'fill' only.")
        if catalog is not None and variable_catalog is not None:
            raise InvalidData("Of 'catalog' and 'variable_catalog', one can be given.")
        if permissions_preset is not None:
            check_text("permissions_preset", permissions_preset, 0, 60)
        inline = None
        if variable_catalog is not None:
            inline = catalog_json("variable_catalog", variable_catalog)
        for name, value in given(branding=branding, appearance=appearance).items():
            check_mapping(name, value)
        body = {
            "tenant": tenant.to_json(),
            "actor": actor.to_json(),
            "scope": scope.to_json(),
            **given(
                permissions=None if permissions is None else permissions_json(permissions),
                permissionsPreset=permissions_preset,
                form=_json("form", form, FormOptions),
                catalogRef=_json("catalog", catalog, CatalogRef),
                variableCatalog=inline,
                branding=branding,
                appearance=appearance,
                callbacks=_json("callbacks", callbacks, Callbacks),
                limits=_json("limits", limits, SessionLimits),
            ),
        }
        return self._transport.call(
            "POST",
            path("v1", "embed", "sessions"),
            lambda answer, status: EmbedSession.from_json(answer),
            json=body,
            confidential=True,
        )

    def refresh_session(self, renew_token: Secret | str) -> EmbedSession:
        """The same session with a new token, a new address and 4 hours more.

        A renew token works once. The call is retried only where Craftkit proved that it did
        nothing; if this raises with `maybe_handled`, the renew token may be used up: mint another
        session.

        Source: https://docs.craftkit.dev/api-reference/refresh-session

        Args:
            renew_token: of the session as it was minted or refreshed last; 8 characters or more.

        Raises:
            InvalidData: it is shorter; nothing was sent.
            AuthenticationError: `refresh_failed`: it was used, the session is over, or it is
                another project's. Mint another session. Or the key is at fault.
            InvalidRequest: `invalid_request`.
        """
        renewal, renew_token = Secret.of(renew_token), ""
        if len(renewal.reveal()) < SHORTEST_RENEW_TOKEN:
            refuse("renew_token", f"is not a text of {SHORTEST_RENEW_TOKEN} characters or more")
        return self._transport.call(
            "POST",
            path("v1", "embed", "sessions", "refresh"),
            lambda answer, status: EmbedSession.from_json(answer),
            json=lambda: {"renewToken": renewal.reveal()},
            hidden=(renewal,),
            confidential=True,
        )

    def create_catalog(
        self, name: str, catalog: Catalog | Mapping[str, object]
    ) -> PublishedCatalog:
        """Publish a catalog of variables, or the next version of one, which becomes the current.

        Not retried but where Craftkit proved that it did nothing: twice makes two versions.

        Source: https://docs.craftkit.dev/api-reference/create-catalog

        Args:
            name: 1 to 120 lower-case letters, digits and hyphens, no hyphen first. A known one
                gets a new version.
            catalog: the variables; of a mapping the names are Craftkit's.

        Raises:
            InvalidData: beyond a limit; it is named, and nothing was sent.
            AuthenticationError: `invalid_credentials`: the key, or the project does not embed.
            InvalidRequest: `invalid_request`.
            ServerError: `internal_error`.
        """
        check_catalog_name("name", name)
        return self._transport.call(
            "POST",
            path("v1", "embed", "catalogs"),
            lambda answer, status: PublishedCatalog.from_json(answer),
            json={"name": name, "catalog": catalog_json("catalog", catalog)},
        )

    def create_template(self, document_template: Mapping[str, object]) -> BuilderTemplate:
        """Put a template into the builder, and publish it if its layout can be read.

        Not retried but where Craftkit proved that it did nothing: twice makes two.

        Source: https://docs.craftkit.dev/api-reference/create-builder-template

        Args:
            document_template: with Craftkit's names: `name` (`Untitled template` without one),
                `layout`, `presetKey`; others come back as they were.

        Raises:
            InvalidData: no mapping, or no JSON; nothing was sent.
            AuthenticationError: `missing_or_invalid_authorization`.
            ServerError: `insert_failed`.
        """
        return create_template(self._transport, document_template)

    def templates(self) -> Listed[BuilderTemplateSummary]:
        """The builder's templates, the one changed last first; in one piece.

        One whose id or slug can't be read is left out: it is in the list's `unreadable`.

        Source: https://docs.craftkit.dev/api-reference/list-builder-templates

        Raises:
            AuthenticationError: `invalid_credentials`: the key, or the project does not embed.
        """
        return self._transport.get(
            path("v1", "embed", "builder", "templates"),
            lambda body: Listed.from_json(body, "templates", BuilderTemplateSummary.from_json),
        )

    def renders(self, *, limit: int = 50, offset: int = 0) -> EmbedRenderPage:
        """One page of the project's renders, without Craftkit's own previews.

        Craftkit's documentation names the call and nothing of it: arguments and answer are
        what this client takes them to be.

        Source: https://docs.craftkit.dev/embed/list-embed-renders

        Args:
            limit: 1 to 100.
            offset: how many to pass over, from 0 up.

        Raises:
            InvalidData: beyond a limit; nothing was sent.
            AuthenticationError: `invalid_credentials`: the key, or the project does not embed.
            InvalidResponse: Craftkit lists them in another way.
        """
        check_whole("limit", limit, 1, 100)
        check_whole("offset", offset, 0)
        return self._transport.get(
            path("v1", "embed", "renders"),
            EmbedRenderPage.from_json,
            query=query(limit=limit, offset=offset),
        )

    def iter_renders(self, *, page_size: int = 100) -> Iterator[Render]:
        """The renders of all pages, each requested when it is wanted, and each render once.

        While renders are being made, the pages move on: one that was passed over meanwhile may
        be left out.

        Source: https://docs.craftkit.dev/embed/list-embed-renders

        Args:
            page_size: 1 to 100.

        Raises:
            InvalidResponse: a page said nothing new and no total, so that the list would never
                end; what came up to there has been given. And as `renders`.
        """
        seen: set[UUID] = set()
        offset = 0
        while True:
            page = self.renders(limit=page_size, offset=offset)
            if not page.length:
                return
            offset += page.length
            fresh = [render for render in page.items if render.id not in seen]
            seen.update(render.id for render in fresh)
            yield from fresh
            if page.total is not None:
                if offset >= page.total:
                    return
            elif not fresh:
                raise InvalidResponse(
                    "Craftkit's list of renders goes on and tells nothing new.",
                    method="GET",
                    path=path("v1", "embed", "renders"),
                )


def _json(
    name: str, part: FormOptions | CatalogRef | Callbacks | SessionLimits | None, kind: type
) -> dict[str, Json] | None:
    """As Craftkit takes it, if it is of the class that it has to be, or not given."""
    if part is None:
        return None
    check_kind(name, part, kind)
    return part.to_json()
