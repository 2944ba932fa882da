"""What an embed session's token allows: to send a form in, and what belongs to that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

from django_craftkit.client import builder
from django_craftkit.client.base import Client, Options
from django_craftkit.client.encoding import given, path
from django_craftkit.client.forms import FormAnswer
from django_craftkit.client.images import UploadedImage, multipart
from django_craftkit.client.limits import check_mapping, check_url, refuse
from django_craftkit.client.secret import Secret
from django_craftkit.client.transport import Bearer
from django_craftkit.client.types import Render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO
    from uuid import UUID

    import requests

    from django_craftkit.client.builder import BuilderTemplate

ORIGIN = "https://embed.craftkit.dev"
"""Where Craftkit's own pages call from."""


class _SessionToken(Bearer):
    """Sends the token, and the origin that Craftkit looks up in the project's list."""

    def __init__(self, token: Secret, base_url: str, origin: str) -> None:
        super().__init__(token, base_url)
        self._called_from = origin

    def put(self, request: requests.PreparedRequest, key: str) -> None:
        super().put(request, key)
        request.headers["Origin"] = self._called_from


class CraftkitSession(Client):
    """Craftkit, as one embed session sees it: with its token instead of a key.

    For forms of your own that are sent in from your server. A token that is over raises
    `AuthenticationError`: refresh the session, or mint another, and make another client.

    Source: https://docs.craftkit.dev/api-reference/form-submit

    Args:
        token: `EmbedSession.token`. Goes to the host of `base_url` alone.
        origin: from which the calls are made to come; the project must allow it.
        base_url, timeout, max_retries, max_download_bytes, adapter: as for `Craftkit`.

    Raises:
        ValueError: one of these can't be used.
    """

    _credential = "token of the embed session"

    def __init__(
        self, token: Secret | str, *, origin: str = ORIGIN, **options: Unpack[Options]
    ) -> None:
        secret, token = Secret.of(token), ""
        check_url("origin", origin)
        parts = urlsplit(origin)
        if f"{parts.scheme}://{parts.netloc}" != origin or "@" in origin:
            refuse("origin", "is not a scheme, a host and perhaps a port alone")
        if not origin.isascii():
            refuse("origin", "is not as browsers send it: the host in punycode (xn--…)")
        self._origin = origin
        super().__init__(secret, **options)

    def _bearer(self, key: Secret) -> Bearer:
        return _SessionToken(key, self.base_url, self._origin)

    def submit_form(
        self,
        session_id: UUID | str,
        data: Mapping[str, object],
        *,
        dataset_selection: Mapping[str, str] | None = None,
    ) -> FormAnswer:
        """Send a form in. Craftkit makes a document of it or, in collect mode, a webhook.

        Craftkit has no idempotency key for it: each call that is taken is one more form. It is
        retried only where Craftkit proved that it did nothing.

        Source: https://docs.craftkit.dev/api-reference/form-submit

        Args:
            session_id: of the session that the token belongs to.
            data: values by the manifest's keys, nested or by dotted keys; they come before the
                session's prefill. `__proto__`, `constructor` and `prototype` are dropped.
            dataset_selection: which entry of which dataset was chosen; kept with the render.

        Raises:
            InvalidData: the data can't be JSON; nothing was sent.
            InvalidRequest: the data don't fit the manifest (`invalid_input_data`), or the project
                does not allow the origin (`bad_request`).
            AuthenticationError: the session is over (`unauthorized`).
            PermissionDenied: it is not to fill in a form (`wrong_mode`), or may not
                (`permission_denied`).
            NotFound: `session_not_found`, `template_not_resolved`, `template_not_found`.
        """
        check_mapping("data", data)
        if dataset_selection is not None:
            check_mapping("dataset_selection", dataset_selection)
            if not all(
                isinstance(text, str) for pair in dataset_selection.items() for text in pair
            ):
                refuse("dataset_selection", "is not a mapping of texts to texts")
        return self._transport.call(
            "POST",
            path("v1", "embed", "form-submit", session_id),
            lambda answer, status: FormAnswer.from_json(answer),
            json={"data": data, **given(datasetSelection=dataset_selection)},
        )

    def upload_image(
        self,
        session_id: UUID | str,
        file: BinaryIO | bytes,
        *,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> UploadedImage:
        """Give Craftkit an image; its address goes into the form's data.

        Not retried but where Craftkit proved that it did nothing: twice makes two.

        Source: https://docs.craftkit.dev/api-reference/upload-form-image

        Args:
            session_id: of the session that the token belongs to.
            file: the image, or a file from whose place it is read: 1 byte to 10 MB. A file that can
                go back is left where it was, so that the same call can be made once more; one that
                can't, a pipe, is read once all other arguments are right. All images of a session
                have a limit together: `SessionLimits.max_upload_bytes`.
            content_type: `image/…`. Without it the first bytes tell: PNG, JPEG, GIF, WebP, TIFF
                and SVG are known.
            filename: without it `image` with an ending.

        Raises:
            InvalidData: empty, too large, no image, or another one than `content_type` says;
                nothing was sent.
            InvalidRequest: `file_too_large` (413), `invalid_type` (415), `bad_request` (400): the
                project does not allow the origin.
            AuthenticationError: the session is over (`unauthorized`).
            PermissionDenied: it is not to fill in a form (`wrong_mode`).
            NotFound: `session_not_found`.
        """
        return self._transport.call(
            "POST",
            path("v1", "embed", "form-submit", session_id, "upload-image"),
            lambda answer, status: UploadedImage.from_json(answer),
            body=multipart(file, content_type, filename),
        )

    def render(self, render_id: UUID | str) -> Render:
        """A render that this session has asked for, with its status.

        Source: https://docs.craftkit.dev/embed/list-embed-renders (its sibling by id)

        Args:
            render_id: as Craftkit gave it.

        Raises:
            AuthenticationError: the session is over (`unauthorized`).
            NotFound: no such render of this session.
        """
        return self._transport.get(path("v1", "embed", "renders", render_id), Render.from_json)

    def create_template(self, document_template: Mapping[str, object]) -> BuilderTemplate:
        """As `Embed.create_template`, with what the session may do.

        Source: https://docs.craftkit.dev/api-reference/create-builder-template

        Args:
            document_template: as there. Is published only if the session may publish.

        Raises:
            InvalidData: no mapping, or no JSON; nothing was sent.
            AuthenticationError: the session is over (`missing_or_invalid_authorization`).
            PermissionDenied: it may not (`permission_denied`).
            ServerError: `insert_failed`.
        """
        return builder.create_template(self._transport, document_template)
