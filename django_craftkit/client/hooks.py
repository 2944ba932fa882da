"""Inbound hooks: an address that makes documents of one template, for who has no key."""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import partial
from typing import TYPE_CHECKING, Final, Unpack
from urllib.parse import quote

from django_craftkit.client.base import Client, Options
from django_craftkit.client.limits import check_mapping
from django_craftkit.client.secret import Secret
from django_craftkit.client.transport import Bearer
from django_craftkit.client.types import Render
from django_craftkit.log import rewrite

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

SIGNATURE: Final = "X-Craftkit-Signature"

#: What stands for the token until the call is made, and in errors.
_PLACE: Final = ":token"
_PATH: Final = f"/v1/hooks/{_PLACE}"


class _HookToken(Bearer):
    """Sends the token as the last part of the path, and a signature if there is a secret."""

    def __init__(self, token: Secret, base_url: str, secret: Secret | None) -> None:
        super().__init__(token, base_url)
        self._secret = secret

    def put(self, request: requests.PreparedRequest, key: str) -> None:
        request.url = (request.url or "").removesuffix(_PLACE) + quote(key, safe="")
        if self._secret is not None:
            body = request.body if isinstance(request.body, bytes) else b""
            mac = hmac.new(self._secret.reveal().encode(), body, hashlib.sha256)
            request.headers[SIGNATURE] = mac.hexdigest()


class CraftkitHook(Client):
    """The inbound hook of one template. Threads and processes may share one.

    Source: https://docs.craftkit.dev/api-reference/inbound-webhook

    Args:
        token: the last part of the hook's address. Whoever has it can make documents; it shows in
            no error and no log.
        secret: the template's inbound secret; calls are signed with it. None signs nothing, which
            Craftkit takes unless the dashboard says otherwise.
        base_url, timeout, max_retries, max_download_bytes, adapter: as for `Craftkit`.

    Raises:
        ValueError: one of these can't be used.
    """

    _credential = "token of the hook"

    def __init__(
        self,
        token: Secret | str,
        secret: Secret | str | None = None,
        **options: Unpack[Options],
    ) -> None:
        key, token = Secret.of(token), ""
        self._secret, secret = None if secret is None else Secret.of(secret), ""
        if self._secret is not None and not self._secret.reveal():
            raise ValueError("The secret of the hook is empty.")
        if key.reveal() in (".", ".."):
            raise ValueError("The token of the hook is none.")
        super().__init__(key, **options)
        # Also as it stands in the path, and an error of the network may quote it.
        self._hidden = (Secret(quote(key.reveal(), safe="")), *filter(None, [self._secret]))

    def _bearer(self, key: Secret) -> Bearer:
        return _HookToken(key, self.base_url, self._secret)

    def render(self, data: Mapping[str, object]) -> Render:
        """Request a document. Whoever has a key of the project can `Renders.get` its status.

        Craftkit has no idempotency key for it: each call that is taken makes one more document. It
        is retried only where Craftkit proved that it did nothing.

        Source: https://docs.craftkit.dev/api-reference/inbound-webhook

        Args:
            data: values by the manifest's keys, as for `Renders.render`.

        Raises:
            InvalidData: the data can't be JSON; nothing was sent.
            InvalidRequest: the data don't fit the manifest (`invalid_input_data`).
            AuthenticationError: the secret is another (`invalid_signature`).
            NotFound: no such hook (`invalid_token`).
            Conflict: `no_published_version`.
            ServerError: `queue_unavailable`, with which nothing was queued.
        """
        check_mapping("data", data)
        return self._transport.call(
            "POST",
            _PATH,
            lambda answer, status: Render.from_json(answer),
            json=data,
            hidden=self._hidden,
        )


# urllib3 notes the path of each call, and of each that an adapter of one's own repeats.
for _name in ("urllib3.connectionpool", "urllib3.util.retry"):
    rewrite(_name, partial(re.compile(r"(/v1/hooks/)[^/?#\s'\"]+").sub, rf"\1{_PLACE}"))
