"""Templates: versioned blueprints, found by their slug."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.client.encoding import given, path
from django_craftkit.client.fields import Listed
from django_craftkit.client.limits import check_mapping, check_parts
from django_craftkit.client.transport import Resource
from django_craftkit.client.types import (
    DeletedTemplate,
    Loop,
    Manifest,
    PublishedTemplate,
    Template,
    TemplateSummary,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Templates(Resource):
    """The templates of the project that the key belongs to."""

    def list(self) -> Listed[TemplateSummary]:
        """All templates, the one changed last first; in one piece, Craftkit has no pages here.

        One whose id or slug can't be read is left out: it is in the list's `unreadable`.

        Source: https://docs.craftkit.dev/guides/verify-before-render

        Raises:
            CraftkitError: see `errors`.
        """
        return self._transport.get(
            path("v1", "templates"),
            lambda body: Listed.from_json(body, "templates", TemplateSummary.from_json),
        )

    def get(self, slug: str) -> Template:
        """One template with its manifest; an unpublished one has none.

        Source: https://docs.craftkit.dev/api-reference/get-template

        Args:
            slug: of the template.

        Raises:
            NotFound: no such slug in the project of the key (`template_not_found`).
        """
        return self._transport.get(path("v1", "templates", slug), Template.from_json)

    def create(
        self,
        name: str,
        manifest: Manifest | Mapping[str, object],
        *,
        slug: str | None = None,
        description: str | None = None,
        layout: Mapping[str, object] | None = None,
        page_config: Mapping[str, object] | None = None,
    ) -> PublishedTemplate:
        """Make a template and publish its version 1. Not retried: twice makes two.

        Source: https://docs.craftkit.dev/api-reference/create-template

        Args:
            name: 1 to 120 characters.
            manifest: what the template takes; of a mapping the names are Craftkit's.
            slug: kebab-case, up to 120; without it Craftkit derives one from the name.
            description: up to 280.
            layout: Craftkit's `contentJson`; without it a plain one is made from the manifest.
            page_config: `format`, `orientation`, `margin`, `printBackground`; else A4 portrait.

        Raises:
            InvalidData: the manifest is neither, or has parts of another class; nothing was sent.
            InvalidRequest: `invalid_request`, `invalid_loop_key`.
            Conflict: the slug is taken (`slug_conflict`).
        """
        body = _body(name, manifest, description, layout, page_config)
        return self._transport.call(
            "POST",
            path("v1", "templates"),
            lambda answer, status: PublishedTemplate.from_json(answer, created=True),
            json={**body, **given(slug=slug)},
        )

    def put(
        self,
        slug: str,
        name: str,
        manifest: Manifest | Mapping[str, object],
        *,
        description: str | None = None,
        layout: Mapping[str, object] | None = None,
        page_config: Mapping[str, object] | None = None,
    ) -> PublishedTemplate:
        """Make a template at this slug, or publish its next version. Every call makes a version.

        Source: https://docs.craftkit.dev/api-reference/update-template

        Args:
            slug: kebab-case, up to 120 characters.
            name, description: replace what is stored; for limits see `create`.
            manifest, layout, page_config: of this version; as for `create`.

        Raises:
            InvalidData: as for `create`.
            InvalidRequest: `invalid_request`, `invalid_loop_key`.
        """
        return self._transport.call(
            "PUT",
            path("v1", "templates", slug),
            lambda answer, status: PublishedTemplate.from_json(answer, created=status == 201),
            json=_body(name, manifest, description, layout, page_config),
        )

    def delete(self, slug: str) -> DeletedTemplate:
        """Take a template away and free its slug; what was rendered and shared stays.

        Source: https://docs.craftkit.dev/api-reference/delete-template

        Args:
            slug: of the template.

        Raises:
            NotFound: no such slug, or deleted already (`template_not_found`), be it by an earlier
                try of this very call: then `maybe_handled` is True.
        """
        return self._transport.delete(path("v1", "templates", slug), DeletedTemplate.from_json)


def _body(
    name: str,
    manifest: Manifest | Mapping[str, object],
    description: str | None,
    layout: Mapping[str, object] | None,
    page_config: Mapping[str, object] | None,
) -> dict[str, object]:
    return {
        "name": name,
        "manifest": _manifest_json(manifest),
        **given(description=description, layout=layout, pageConfig=page_config),
    }


def _manifest_json(manifest: Manifest | Mapping[str, object]) -> object:
    if not isinstance(manifest, Manifest):
        check_mapping("manifest", manifest)
        return manifest
    check_parts("manifest.variables", manifest.variables, Variable)
    check_parts("manifest.loops", manifest.loops, Loop)
    for number, loop in enumerate(manifest.loops):
        check_parts(f"manifest.loops[{number}].item_fields", loop.item_fields, Variable, least=1)
    return manifest.to_json()
