"""Every address and every action of the desk, and the one right that opens it.

Whoever adds one writes here what it takes; the sweep fails until they have.
"""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from django_craftkit.models import (
    Batch,
    Change,
    EmbedSession,
    EngagementEvent,
    FormSubmission,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
    Template,
    WebhookDelivery,
)

from .conftest import (
    NAMES,
    make_batch,
    make_delivery,
    make_event,
    make_render,
    make_request,
    make_session,
    make_share,
    make_submission,
    make_template,
)

pytestmark = pytest.mark.django_db

TOKEN = "0123456789abcdef" * 2
NOBODY = ""

#: What each page of every model takes; nobody adds, changes or deletes.
PAGES = {
    "changelist": "view_{}",
    "raw": "view_{}",
    "change": "view_{}",
    "history": "view_{}",
    "add": NOBODY,
    "delete": NOBODY,
}
#: What our own take, and how they are asked.
BUTTONS = {
    "render_pdf": ("get", "download_render"),
    "render_share": ("get", "add_share"),
    "render_email": ("get", "email_render"),
    "render_retry": ("post", "retry_render"),
    "render_refresh": ("post", "view_render"),
    "render_withdraw": ("get", "withdraw_render"),
    "render_withdraw_selected": ("post", "withdraw_render"),
    "render_sign": ("get", "add_signaturerequest"),
    "signaturerequest_cancel": ("get", "cancel_signaturerequest"),
    "signaturerequest_retry": ("post", "retry_signaturerequest"),
    "signaturerequest_refresh": ("post", "view_signaturerequest"),
    "signaturerequest_signed": ("get", "download_signaturerequest"),
    "signaturerequest_certificate": ("get", "download_signaturerequest"),
    "share_sent": ("post", "email_render"),
    "share_retry": ("get", "email_render"),
    "share_revoke": ("post", "revoke_share"),
    "batch_retry": ("post", "retry_render"),
    "template_read_anew": ("post", "refresh_template"),
    "template_design": ("get", "design_template"),
    "template_new": ("get", "design_template"),
    "webhookdelivery_replay": ("post", "replay_webhookdelivery"),
    "job_take_up": ("post", "carry_out_job"),
    "change_replay": ("post", "replay_change"),
    "projectstate_try_again": ("post", "resume_projectstate"),
}
#: What each action takes besides the right to see the list.
ACTIONS = {
    "render": {
        "retry": "retry_render",
        "share": "add_share",
        "withdraw": "withdraw_render",
    },
    "share": {"revoke": "revoke_share"},
    "signaturerequest": {},
    "engagementevent": {},
    "embedsession": {},
    "formsubmission": {},
    "batch": {},
    "template": {"read_anew": "refresh_template"},
    "webhookdelivery": {"replay": "replay_webhookdelivery"},
    "job": {"take_up": "carry_out_job"},
    "change": {"replay": "replay_change"},
    "projectstate": {"try_again": "resume_projectstate"},
}
#: Django's own, which mean nothing here: nobody types facts.
IDLE = {f"{verb}_{name}" for verb in ("add", "change", "delete") for name in NAMES} - {
    "add_share",
    "add_signaturerequest",
}
#: What has no page of its own: it stands on that of its request.
WITHOUT_PAGE = ("archivedfile", "signaturerecipient")
IDLE |= {f"{verb}_{name}" for verb in ("view", "add", "change", "delete") for name in WITHOUT_PAGE}


def admins():
    return {
        model._meta.model_name: one
        for model, one in admin.site._registry.items()
        if model._meta.app_label == "craftkit"
    }


def expected() -> dict[str, tuple[str, str]]:
    """Return method and permission of each address, by its name."""
    pages = {
        f"{name}_{page}": ("get", right.format(name))
        for name in NAMES
        for page, right in PAGES.items()
    }
    return pages | BUTTONS


EXPECTED = expected()


@pytest.fixture
def rows():
    """One row of everything, in the state in which most can be done with it."""
    now = timezone.now()
    batch = make_batch()
    render = make_render("failed", data={}, batch=batch)
    share = make_share(
        render,
        "unknown",
        error_code="mail_unproven",
        by_mail=True,
        recipient_email="max@example.com",
        sending_since=now,
    )
    change = Change.objects.create(
        kind="render",
        object_id=render.pk,
        to_status="failed",
        cause="poll",
        announcement="abandoned",
        receivers={"shop.hear": {"attempts": 9, "error": "ValueError"}},
    )
    paused = ProjectState.objects.create(
        project="default", paused_at=now, pause_reason="x", probe_at=now
    )
    return {
        "render": render,
        "share": share,
        "signaturerequest": make_request(render, "rejected", error="Not like this."),
        "engagementevent": make_event(render),
        "batch": batch,
        "embedsession": make_session(),
        "formsubmission": make_submission(),
        "template": make_template(),
        "webhookdelivery": make_delivery(status="processed"),
        "job": Job.objects.create(kind="render", object_id=render.pk, due_at=now, leased_until=now),
        "change": change,
        "projectstate": paused,
    }


def where(name: str, rows) -> str:
    """Return the address of a name, about the row of its model."""
    model = name.partition("_")[0]
    pattern = next(one for one in admins()[model].get_urls() if one.name == f"craftkit_{name}")
    arguments = [rows[model].pk] if "object_id" in str(pattern.pattern) else []
    return reverse(f"admin:craftkit_{name}", args=arguments)


def state() -> list[object]:
    """Return all that anybody could have changed."""
    models = (
        Batch,
        Render,
        Share,
        SignatureRequest,
        EngagementEvent,
        EmbedSession,
        FormSubmission,
        Template,
        WebhookDelivery,
        Job,
        Change,
        ProjectState,
    )
    return [list(model.objects.order_by("pk").values()) for model in models]


def ask(desk, method: str, path: str, rows):
    data = {"token": TOKEN, "ids": rows["render"].pk, "expires": "7", "to": "eva@example.com"}
    data |= {"people-TOTAL_FORMS": 1, "people-INITIAL_FORMS": 0, "days": "7"}
    data |= {"people-0-first_name": "Eva", "people-0-email": "eva@example.com"}
    data |= {"people-0-designation": "Signer", "people-0-anchor": "x"}
    return desk.get(path) if method == "get" else desk.post(path, data)


def test_every_address_is_in_the_table():
    named = {
        pattern.name.removeprefix("craftkit_")
        for one in admins().values()
        for pattern in one.get_urls()
        if pattern.name
    }
    assert named == set(EXPECTED)
    # What has no name leads to the page of the row.
    unnamed = {str(p.pattern) for one in admins().values() for p in one.get_urls() if not p.name}
    assert unnamed == {"<path:object_id>/"}


def test_every_action_is_in_the_table(rf):
    request = rf.get("/")
    found = {}
    for name, one in admins().items():
        request.user = _Everybody()
        found[name] = set(one.get_actions(request))
    assert found == {name: set(actions) for name, actions in ACTIONS.items()}


class _Everybody:
    """Somebody who may do anything."""

    is_active = is_staff = True

    def has_perm(self, *_):
        return True


def test_every_permission_is_one_of_the_table():
    rights = {right for _, right in EXPECTED.values()} - {NOBODY}
    rights |= {right for actions in ACTIONS.values() for right in actions.values()}
    known = set(
        Permission.objects.filter(content_type__app_label="craftkit").values_list(
            "codename", flat=True
        )
    )
    # What a serializer looks at, and what an action of the API alone takes.
    assert known == rights | IDLE | {"see_share_link", "supersede_render"}


@pytest.mark.parametrize("method", ["get", "post"])
def test_being_staff_opens_nothing(staff, rows, method):
    desk, before = staff(), state()
    for name in EXPECTED:
        status = ask(desk, method, where(name, rows), rows).status_code
        assert status in (403, 405), name
    assert state() == before


def test_being_staff_shows_nothing(staff, rows):
    desk = staff()
    assert desk.get("/admin/craftkit/").status_code == 404
    assert "craftkit" not in desk.shows("/admin/")


def test_rights_that_mean_nothing_open_nothing(staff, rows):
    desk = staff(*IDLE)
    before = state()
    for name, (method, right) in EXPECTED.items():
        if not right.startswith("add_"):
            assert ask(desk, method, where(name, rows), rows).status_code == 403, name
            assert ask(desk, "post", where(name, rows), rows).status_code in (403, 405), name
    assert state() == before
    assert desk.get("/admin/craftkit/").status_code == 404


@pytest.mark.parametrize("right", sorted({right for _, right in EXPECTED.values()} - {NOBODY}))
def test_one_right_opens_what_is_its_own_and_nothing_else(staff, rows, right):
    desk = staff(right)
    own = {name for name, (_method, needed) in EXPECTED.items() if needed == right}
    before = state()
    for name in EXPECTED.keys() - own:
        status = ask(desk, EXPECTED[name][0], where(name, rows), rows).status_code
        assert status in (403, 405), name
    assert state() == before
    for name in own:
        status = ask(desk, EXPECTED[name][0], where(name, rows), rows).status_code
        assert status not in (403, 405), name


@pytest.mark.parametrize("name", sorted(name for name, (how, _) in BUTTONS.items() if how == "get"))
def test_what_is_read_is_sent_by_the_same_right(staff, rows, name):
    """Forms and confirmations: what opens the page is what carries it out."""
    right = BUTTONS[name][1]
    others = {other for _, other in EXPECTED.values()} - {right, NOBODY}
    before = state()
    for other in others:
        status = ask(staff(other), "post", where(name, rows), rows).status_code
        assert status in (403, 405), other
    assert state() == before


def test_sending_a_link_once_more_takes_what_sending_it_takes(staff, rows):
    link = make_share(rows["render"], "rejected")
    path = reverse("admin:craftkit_share_retry", args=[link.pk])
    assert staff("email_render").post(path).status_code == 403
    assert staff("add_share").post(path).status_code == 302
    mail = reverse("admin:craftkit_share_retry", args=[rows["share"].pk])
    assert staff("add_share").post(mail).status_code == 403


@pytest.mark.parametrize(
    ("model", "action", "right"),
    [(model, action, right) for model in ACTIONS for action, right in ACTIONS[model].items()],
)
def test_an_action_takes_its_right_and_that_of_the_list(staff, rows, model, action, right):
    path = reverse(f"admin:craftkit_{model}_changelist")
    data = {"action": action, "_selected_action": [rows[model].pk], "index": "0"}
    others = {other for _, other in EXPECTED.values()} - {right, NOBODY}
    others |= {other for actions in ACTIONS.values() for other in actions.values()} - {right}
    before = state()
    assert staff(right).post(path, data).status_code == 403
    without = staff(*others, f"view_{model}")
    assert f'<option value="{action}">' not in without.shows(path)
    without.post(path, data)
    assert state() == before
    desk = staff(f"view_{model}", right)
    if action == "share":
        # There is nothing to link to of what has failed.
        Render.objects.update(status="succeeded")
        before = state()
    assert f'<option value="{action}">' in desk.shows(path)
    response = desk.post(path, data)
    is_asked_first = response.status_code == 200 and b'name="confirm"' in response.content
    assert is_asked_first or state() != before


def test_a_right_to_one_object_opens_that_one(staff, rows, monkeypatch):
    """Where the project's backend knows rights to single objects."""
    mine, other = rows["render"], make_render("failed")
    rights = {"craftkit.retry_render", "craftkit.view_render", "craftkit.withdraw_render"}

    def has_perm(self, name, obj=None):
        return name in rights and isinstance(obj, Render) and obj.pk == mine.pk

    desk = staff()
    monkeypatch.setattr("django.contrib.auth.models.User.has_perm", has_perm)
    for name, method in (("change", "get"), ("withdraw", "get"), ("retry", "post")):
        for one, allowed in ((mine, True), (other, False)):
            path = reverse(f"admin:craftkit_render_{name}", args=[one.pk])
            status = getattr(desk, method)(path).status_code
            assert (status in (200, 302)) is allowed, (name, status)
            if not allowed:
                assert status == 403
    assert desk.get(reverse("admin:craftkit_render_changelist")).status_code == 403


def test_no_page_of_ours_is_open_to_visitors(client, rows):
    for name, (method, _right) in EXPECTED.items():
        response = getattr(client, method)(where(name, rows))
        assert response.status_code == 302, name
        assert re.match(r"/admin/login/\?next=", response.url), name
