"""The client and the sandbox were written apart from each other: here they meet."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from django_craftkit.client import (
    Actor,
    AuthenticationError,
    Catalog,
    CatalogField,
    CatalogRef,
    Craftkit,
    CraftkitAccount,
    CraftkitAdmin,
    CraftkitError,
    CraftkitHook,
    CraftkitSession,
    FormOptions,
    FormSubmission,
    Namespace,
    NotFound,
    Scope,
    Tenant,
)
from django_craftkit.sandbox import DEFAULT_ACCOUNT_KEY, DEFAULT_ADMIN_KEY, DEFAULT_KEY

from .conftest import DATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.client import EmbedSession

ACME, JANE = Tenant("org_123", "Acme Corp"), Actor("usr_456", email="jane@acme.com")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def client(sandbox) -> Callable[..., Any]:
    """Make a client that talks to the sandbox."""

    def make(kind: type[Any], credential: Any, **options: Any) -> Any:
        adapter = lambda: sandbox.session().adapters["https://"]  # noqa: E731
        return kind(credential, base_url=sandbox.public_url, adapter=adapter, **options)

    return make


@pytest.fixture
def craftkit(client) -> Craftkit:
    return client(Craftkit, DEFAULT_KEY)


@pytest.fixture
def fill(craftkit) -> Callable[..., EmbedSession]:
    """Mint a session to fill in the form of the invoice."""
    template = craftkit.templates.get("invoice").id
    scope = Scope("fill", template_id=template)
    return partial(
        craftkit.embed.create_session, ACME, JANE, scope=scope, permissions={"submit_form": True}
    )


def test_a_form_is_filled_in_by_a_session_and_becomes_a_document(client, craftkit, fill):
    session = fill(form=FormOptions(prefill={"total": 1, "customer.email": "ada@example.com"}))
    guest = client(CraftkitSession, session.token)
    image = guest.upload_image(session.id, PNG)
    assert image.url.endswith(".png")
    answer = guest.submit_form(session.id, DATA)
    assert guest.render(answer.render.id).id == answer.render.id
    assert [each.id for each in craftkit.embed.iter_renders()] == [answer.render.id]
    assert craftkit.renders.get(answer.render.id).status == "succeeded"


def test_a_form_that_is_collected_is_told_by_a_webhook(client, sandbox, fill):
    sandbox.subscribe("https://shop.example.com/", "secret", ["form.submitted"])
    session = fill(form=FormOptions(collect=True, prefill={"total": 1}))
    answer = client(CraftkitSession, session.token).submit_form(session.id, DATA)
    assert answer.render is None
    bodies: list[dict[str, Any]] = []
    sandbox.deliver_due(lambda url, body, headers: bodies.append(json.loads(body)) or 200)
    (submitted,) = map(FormSubmission.from_webhook, bodies)
    assert (submitted.session_id, submitted.template_slug) == (session.id, "invoice")
    assert submitted.data == {**DATA, "lines": []}
    assert submitted.render_id is None


def test_a_session_is_renewed_once_by_each_token(client, craftkit, fill, clock):
    first = fill()
    renewed = craftkit.embed.refresh_session(first.renew_token)
    assert renewed.id == first.id
    assert renewed.token != first.token
    with pytest.raises(AuthenticationError) as refused:
        craftkit.embed.refresh_session(first.renew_token)
    assert refused.value.code == "refresh_failed"
    clock.advance(4 * 3600 + 1)
    with pytest.raises(AuthenticationError) as over:
        client(CraftkitSession, renewed.token).submit_form(renewed.id, DATA)
    assert over.value.code == "unauthorized"


def test_a_catalog_and_a_template_of_the_builder(client, craftkit):
    fields = [CatalogField("name", "Name", "text")]
    catalog = Catalog(namespaces=[Namespace("customer", "Customer", fields)])
    published = [craftkit.embed.create_catalog("crm-fields", catalog) for _ in range(2)]
    assert [each.version for each in published] == [1, 2]
    session = craftkit.embed.create_session(
        ACME,
        JANE,
        scope=Scope("create"),
        catalog=CatalogRef("crm-fields"),
        permissions={"save_draft": True, "publish": True},
    )
    guest = client(CraftkitSession, session.token)
    made = [each.create_template({"name": "Handover"}) for each in (craftkit.embed, guest)]
    listed = craftkit.embed.templates()
    assert {str(each.id) for each in made} <= {str(each.id) for each in listed}
    with pytest.raises(NotFound) as refused:
        craftkit.embed.create_session(ACME, JANE, catalog=CatalogRef("nothing"))
    assert refused.value.code == "catalog_not_found"


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_hook_makes_a_document(client, craftkit, sandbox, is_signed):
    hook = sandbox.put_template("receipt", manifest={"variables": [], "loops": []}).hook
    caller = client(CraftkitHook, hook.token, secret=hook.secret if is_signed else None)
    assert craftkit.renders.get(caller.render({}).id).status == "succeeded"
    hook.requires_signature = True
    if not is_signed:
        with pytest.raises(CraftkitError) as refused:
            caller.render({})
        assert refused.value.code == "invalid_signature"


def test_an_account_makes_a_project_whose_key_works(client, sandbox):
    projects = client(CraftkitAccount, DEFAULT_ACCOUNT_KEY).projects
    made = projects.create("Charter")
    assert projects.rename(made.id, "Charter Ltd").slug == made.slug
    assert [each.name for each in projects.list() if each.id == made.id] == ["Charter Ltd"]
    key = projects.create_key(made.id, "Web").key
    mine = client(Craftkit, key.reveal())
    assert list(mine.templates.list()) == []
    assert projects.delete(made.id).deleted
    with pytest.raises(NotFound):
        projects.get(made.id)
    with pytest.raises(CraftkitError) as gone:
        mine.templates.list()
    assert gone.value.code == "forbidden"


def test_an_organization_is_provisioned_once(client):
    admin = client(CraftkitAdmin, DEFAULT_ADMIN_KEY)
    name = str(uuid4())
    first, again = (admin.provision(name, "Acme", email_from="a@acme.com") for _ in range(2))
    assert (again.project_id, again.api_key) == (first.project_id, first.api_key)
    assert list(client(Craftkit, first.api_key.reveal()).templates.list()) == []
    admin.update(name, email_from="b@acme.com")
    with pytest.raises(NotFound):
        admin.update("nobody", email_from="b@acme.com")
