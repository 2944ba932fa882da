from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from django_craftkit.client import Craftkit, InvalidRequest
from django_craftkit.sandbox import Sandbox, SandboxAdapter

KEY = "ck_test_data"


class Judge:
    """Craftkit's own judgement of data, asked by HTTP; written apart from the checker."""

    def __init__(self) -> None:
        self._sandbox = Sandbox(api_keys={KEY: "default"}, public_url="http://craftkit.sandbox")
        self._client = Craftkit(
            KEY,
            base_url="http://craftkit.sandbox",
            adapter=lambda: SandboxAdapter(self._sandbox),
            max_retries=0,
        )
        self._slugs = (f"t-{number}" for number in count())

    def kept(self, data: Any, wanted: Any) -> Any:
        """Return the data as Craftkit keeps them, or a set of the paths that it refuses."""
        slug = next(self._slugs)
        self._sandbox.put_template(slug, manifest=wanted)
        try:
            self._client.renders.render(slug, data)
        except InvalidRequest as error:
            refused = error
        else:
            return self._sandbox.renders[-1].data
        assert (refused.status, refused.code) == (400, "invalid_input_data")
        return set(refused.field_errors)

    def errors(self, data: Any, wanted: Any) -> set[str]:
        kept = self.kept(data, wanted)
        return kept if isinstance(kept, set) else set()


@pytest.fixture
def judge() -> Judge:
    return Judge()
