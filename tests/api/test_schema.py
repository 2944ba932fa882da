"""The OpenAPI document: without warnings, kept in the repository, and true."""

from __future__ import annotations

import base64

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis import checks

from tests.admin.conftest import (
    make_batch,
    make_event,
    make_render,
    make_request,
    make_share,
    make_submission,
    make_template,
)

from .schema import KEPT, PREFIX, generate, written
from .test_permissions import TABLE, routes

pytestmark = pytest.mark.django_db

document = schemathesis.openapi.from_dict(generate())
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]


@pytest.fixture
def handler(db, settings):
    """The site, without what ends a connection with a request: it holds the test's transaction."""
    settings.ALLOWED_HOSTS = ["localhost"]
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield WSGIHandler()
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def caller(db) -> str:
    """Return the header that says who calls: somebody who may do anything."""
    user = User(username="boss", is_superuser=True)
    user.set_password("secret")
    user.save()
    return "Basic " + base64.b64encode(b"boss:secret").decode()


@pytest.fixture
def rows(db) -> dict[str, int]:
    render = make_render(data={"total": 1}, field_errors={"a": ["b"]}, error="Odd.")
    return {
        "renders": render.pk,
        "shares": make_share(render).pk,
        "signature-requests": make_request(render).pk,
        "engagement": make_event(render).pk,
        "form-submissions": make_submission(render=render).pk,
        "batches": make_batch().pk,
        "templates": make_template("invoice").pk,
    }


def test_it_is_made_without_a_warning(capsys):
    GENERATOR_STATS.reset()
    validate_schema(generate())
    assert not GENERATOR_STATS
    assert capsys.readouterr().err == ""


def test_it_is_the_one_that_is_kept():
    """``make schema`` renews it, so that a change shows in review."""
    assert KEPT.read_text(encoding="utf-8") == written()


def test_it_tells_of_every_route():
    told = {
        (method, path.removeprefix(f"/{PREFIX}"))
        for path, methods in generate()["paths"].items()
        for method in methods
    }
    assert len(told) == len(TABLE)
    assert len({path for _, path in told}) == len(routes())


def test_its_names_are_none_of_the_projects():
    names = generate()["components"]["schemas"]
    assert all(name.removeprefix("Paginated").startswith("Craftkit") for name in names)


@document.parametrize()
@hypothesis_settings(
    max_examples=6,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_it_is_true(case, caller, handler, rows):
    """Whatever it allows to be sent is answered as it says."""
    if "slug" in case.path_parameters:
        case.path_parameters["slug"] = "invoice"
    if "id" in case.path_parameters:
        case.path_parameters["id"] = rows[case.path.removeprefix(f"/{PREFIX}").partition("/")[0]]
    case.query.pop("wait", None)
    response = case.call(app=handler, headers={"Authorization": caller})
    case.validate_response(response, checks=CHECKS)
