"""Provisioning: a project for an organization, with the admin key (section 5.1).

The documentation describes neither bodies nor statuses. These are assumed. Errors are flat, which
it allows here, unless there are issues to be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core import provisioning
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.provisioning import Organization
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="admin")


@routes("POST", "/v1/admin/provision")
def provision(call: Call) -> Response:
    """201 for a new organization; 200 for one that is there, with the same key as before."""
    shape = Shape(call.json())
    external_id = shape.string("externalOrgId", required=True, least=1)
    name = shape.string("name", required=True, least=1)
    email_from = shape.string("emailFrom", least=1)
    shape.refuse()
    organization, is_new = provisioning.provision(
        call.state, str(external_id), name=str(name), email_from=email_from
    )
    return json_response(_as_json(organization), 201 if is_new else 200)


@routes("PATCH", "/v1/admin/provision")
def update(call: Call) -> Response:
    """Where the organization's e-mails come from; 404 if it hasn't been provisioned."""
    shape = Shape(call.json())
    external_id = shape.string("externalOrgId", required=True, least=1)
    email_from = shape.string("emailFrom", required=True, least=1)
    shape.refuse()
    organization = provisioning.find(call.state, str(external_id))
    organization.project.email_from = email_from
    return json_response(_as_json(organization))


def _as_json(organization: Organization) -> dict[str, object]:
    return {
        "projectId": organization.project.id,
        "apiKey": organization.api_key,
        "partnerId": organization.partner_id,
        "externalOrgId": organization.external_id,
    }
