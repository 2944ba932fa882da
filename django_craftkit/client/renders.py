"""Renders: documents made of a template and data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.client.deadline import within
from django_craftkit.client.download import fetch
from django_craftkit.client.encoding import given, path
from django_craftkit.client.errors import AuthenticationError, NotFound, PermissionDenied
from django_craftkit.client.transport import Resource
from django_craftkit.client.types import Render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django_craftkit.client.download import Download


class Renders(Resource):
    """The renders of the project that the key belongs to."""

    def render(
        self,
        slug: str,
        data: Mapping[str, object],
        *,
        idempotency_key: str | None = None,
        version: int | None = None,
        filename: str | None = None,
    ) -> Render:
        """Request a document. Craftkit queues it; `get` tells its status.

        Source: https://docs.craftkit.dev/api-reference/render-template

        Args:
            slug: of the template.
            data: values by the manifest's keys; unknown keys are dropped, without a word; up to
                10,000 rows a loop. Decimals, UUIDs and dates may be in it.
            idempotency_key: printable ASCII characters. The same key is the same render,
                for ever, whatever the data, even if it failed. Without one the call is retried
                only where Craftkit proved that it did nothing.
            version: a published version; the current one if None.
            filename: of the PDF, for whoever downloads it.

        Raises:
            InvalidData: the data can't be JSON; nothing was sent.
            InvalidRequest: the data don't fit the manifest (`invalid_input_data`).
            NotFound: `template_not_found`, `version_not_found`.
            Conflict: `no_published_version`.
            ServerError: `internal`, or `queue_unavailable`, with which nothing was queued.
        """
        options = given(versionNumber=version, filename=filename)
        return self._transport.call(
            "POST",
            path("v1", "templates", slug, "render"),
            lambda answer, status: Render.from_json(answer, replayed=status == 200),
            json={"data": data, **given(options=options or None)},
            idempotency_key=idempotency_key,
        )

    def get(self, id: UUID | str) -> Render:  # noqa: A002 - its name in the API
        """A render with its status.

        Source: https://docs.craftkit.dev/api-reference/get-render

        Args:
            id: of the render, as Craftkit gave it.

        Raises:
            NotFound: no such render in the project of the key.
        """
        return self._transport.get(path("v1", "renders", id), Render.from_json)

    def download(
        self,
        id: UUID | str,  # noqa: A002 - its name in the API
        *,
        max_bytes: int | None = None,
    ) -> Download:
        """The PDF, as a file to be read and closed. Never from `downloadUrl`.

        Sources: https://www.craftkit.dev/documentation/api/render-download and
        https://docs.craftkit.dev/api-reference/download-render, which is called if the first
        knows nothing.

        Args:
            id: of the render, as Craftkit gave it.
            max_bytes: of the PDF; without it the client's `max_download_bytes`.

        Raises:
            NotFound: no such render, or it has no PDF yet.
            Conflict: it has not succeeded yet (`not_ready`).
            InvalidResponse: what came is no PDF, or is larger, be it found out while reading.
        """
        first = path("v1", "renders", id, "download")
        second = path("v1", "embed", "renders", id, "download")
        # Two calls, in the time of one.
        with within(self._transport.timeout):
            try:
                return fetch(self._transport, first, max_bytes)
            except NotFound as error:
                unknown = error
            try:
                return fetch(self._transport, second, max_bytes)
            except (AuthenticationError, PermissionDenied, NotFound):
                # Says that the project does not embed; the first route took this key and knew
                # nothing.
                pass
        raise unknown
