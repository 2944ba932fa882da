"""What staff may do: each thing behind its own permission, checked where it is done."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_craftkit.models import Change, Job, Render, Share, WebhookDelivery

from .conftest import (
    MODELS,
    NAMES,
    Desk,
    address,
    make_delivery,
    make_render,
    make_rows,
    make_share,
    told,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(params=MODELS, ids=NAMES)
def model(request):
    return request.param


def pages(model) -> list[str]:
    pk = model.objects.first().pk
    return [
        address(model),
        address(model, "add/"),
        *(address(model, page, pk) for page in ("change", "delete", "history")),
    ]


class TestBeingStaff:
    def test_is_no_permission(self, staff, model):
        make_rows(1)
        desk = staff()
        for path in pages(model):
            assert desk.get(path).status_code == 403
            assert desk.post(path, {"post": "yes"}).status_code == 403
        assert "craftkit" not in desk.shows("/admin/")

    def test_is_what_it_takes(self, model):
        make_rows(1)
        visitor = Client()
        customer = Desk(User.objects.create_user("customer"))
        for path in pages(model):
            assert visitor.get(path).status_code == 302
            assert customer.get(path).status_code == 302

    def test_and_seeing_one_thing_is_seeing_no_other(self, staff, model):
        make_rows(1)
        desk = staff(f"view_{model._meta.model_name}")
        for other in MODELS:
            expected = 200 if other is model else 403
            assert desk.get(address(other)).status_code == expected
            pk = other.objects.first().pk
            assert desk.get(address(other, "change", pk)).status_code == expected

    def test_and_djangos_other_permissions_change_nothing(self, staff, model):
        make_rows(1)
        name = model._meta.model_name
        desk = staff(*(f"{verb}_{name}" for verb in ("view", "add", "change", "delete")))
        pk = model.objects.first().pk
        for path in (address(model, "add/"), address(model, "delete", pk)):
            assert desk.get(path).status_code == 403
            assert desk.post(path, {"post": "yes"}).status_code == 403
        assert desk.post(address(model, "change", pk), {}).status_code == 403
        assert model.objects.count() == 1


#: Action, its model, the permission it takes, and what it leaves behind.
ACTIONS = [
    ("retry", Render, "retry_render"),
    ("share", Render, "add_share"),
    ("take_up", Job, "carry_out_job"),
]


def a_row(model):
    if model is Job:
        aside = timezone.now() + timezone.timedelta(days=1)
        return Job.objects.create(
            kind="render", object_id=1, due_at=timezone.now(), leased_until=aside
        )
    render = make_render("failed")
    return render if model is Render else make_share(render)


def a_row_for(action: str, model):
    """Return a row that the action does something to."""
    return make_render() if action == "share" else a_row(model)


def is_done(action: str) -> bool:
    return {
        "retry": Render.objects.filter(attempt=2, status="pending").exists,
        "share": Share.objects.filter(status="pending").exists,
        "take_up": Job.objects.filter(leased_until=None, kind="render", object_id=1).exists,
    }[action]()


@pytest.mark.parametrize(("action", "model", "permission"), ACTIONS)
class TestAnAction:
    def view(self, model) -> str:
        return f"view_{model._meta.model_name}"

    def test_takes_the_right_to_see_and_its_own(self, staff, action, model, permission):
        row = a_row_for(action, model)
        desk = staff(self.view(model), permission)
        assert f'<option value="{action}">' in desk.shows(address(model))
        response = desk.act(action, row)
        assert is_done(action)
        ((level, _),) = told(response)
        assert level == "success"

    def test_is_not_offered_without_its_own(self, staff, action, model, permission):
        a_row(model)
        desk = staff(self.view(model))
        assert f'value="{action}"' not in desk.shows(address(model))

    def test_is_refused_without_its_own_however_it_is_sent(self, staff, action, model, permission):
        row = a_row(model)
        others = {other for *_, other in ACTIONS} - {permission}
        name = model._meta.model_name
        desk = staff(self.view(model), f"change_{name}", f"delete_{name}", *others)
        desk.act(action, row)
        for path in (address(model), address(model, "change", row.pk)):
            desk.post(
                path,
                {"action": action, "_selected_action": [row.pk], "select_across": "1"},
            )
        assert not is_done(action)
        assert not LogEntry.objects.exists()

    def test_is_refused_without_the_right_to_see(self, staff, action, model, permission):
        row = a_row(model)
        assert staff(permission).act(action, row).status_code == 403
        assert not is_done(action)

    def test_is_refused_to_who_is_no_staff(self, action, model, permission):
        row = a_row(model)
        Client().post(address(model), {"action": action, "_selected_action": [row.pk]})
        assert not is_done(action)

    def test_is_logged_with_the_person(self, staff, action, model, permission):
        row = a_row_for(action, model)
        desk = staff(self.view(model), permission)
        desk.act(action, row)
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (desk.user, str(row.pk))
        assert entry.content_type.model_class() is model
        assert entry.change_message.startswith("Asked for")
        assert "Asked for" in desk.shows(address(model, "history", row.pk))

    def test_needs_the_token_of_the_page(self, staff, action, model, permission):
        row = a_row(model)
        desk = staff(self.view(model), permission)
        desk.handler.enforce_csrf_checks = True
        assert desk.act(action, row).status_code == 403
        assert not is_done(action)

    def test_on_nothing_does_nothing(self, staff, action, model, permission):
        a_row(model)
        desk = staff(self.view(model), permission)
        desk.post(address(model), {"action": action, "index": "0"})
        assert not is_done(action)


class TestRetry:
    def test_starts_the_next_attempt_in_the_persons_name(self, boss):
        render = make_render("rejected", error="wrong", data={"a": 1})
        response = boss.act("retry", render)
        render.refresh_from_db()
        assert (render.status, render.attempt, render.error) == ("pending", 2, "")
        assert Job.objects.filter(kind="render", object_id=render.pk).exists()
        assert Change.objects.get().person == boss.user
        assert told(response) == [("success", "1 document is tried again.")]

    def test_leaves_what_is_ready_or_under_way_and_says_how_many(self, boss):
        rows = [make_render(status) for status in Render.Status.values]
        response = boss.act("retry", *rows)
        assert told(response) == [
            ("success", "3 documents are tried again."),
            (
                "warning",
                "4 documents were left as they are: they are ready or still under way.",
            ),
        ]
        assert LogEntry.objects.count() == 3

    def test_counts_right_on_a_list_that_is_filtered_by_what_it_changes(self, boss):
        rows = [make_render("failed") for _ in range(3)]
        response = boss.act("retry", *rows, query="?status__exact=failed")
        assert told(response) == [("success", "3 documents are tried again.")]

    def test_of_everything_leaves_out_what_the_list_does(self, boss):
        failed, rejected = make_render("failed"), make_render("rejected")
        boss.post(
            address(Render) + "?status__exact=failed",
            {
                "action": "retry",
                "_selected_action": [failed.pk],
                "select_across": "1",
                "index": "0",
            },
        )
        failed.refresh_from_db()
        rejected.refresh_from_db()
        assert (failed.status, rejected.status) == ("pending", "rejected")

    def test_twice_is_once(self, boss):
        render = make_render("failed")
        boss.act("retry", render)
        response = boss.act("retry", render)
        render.refresh_from_db()
        assert render.attempt == 2
        assert [level for level, _ in told(response)] == ["warning"]


class TestShare:
    def test_asks_for_a_link_in_the_persons_name(self, boss, craftkit):
        render = Render.objects.request("invoice", {"total": 1})
        craftkit.run()
        response = boss.act("share", render)
        share = Share.objects.get()
        assert (share.render, share.status, share.requested_by) == (render, "pending", boss.user)
        assert (share.channel, share.recipient_email) == ("link", "")
        ((level, text),) = told(response)
        assert level == "success"
        assert text.startswith("1 link is asked for")
        craftkit.run()
        share.refresh_from_db()
        assert share.url in boss.shows(address(Share))

    def test_counts(self, boss):
        ((_, text),) = told(boss.act("share", make_render(), make_render()))
        assert text.startswith("2 links are asked for")
        assert LogEntry.objects.count() == 2


class TestAPageToConfirm:
    """Withdrawing and revoking many: asked first, with what will stop working."""

    @pytest.fixture
    def share(self, craftkit):
        render = Render.objects.request("invoice", {"total": 1}, key="invoice-1")
        share = render.share(channel="email", recipient_email="jane@example.com")
        craftkit.run()
        return Share.objects.get(pk=share.pk)

    @pytest.mark.parametrize(("action", "model"), [("revoke", Share), ("withdraw", Render)])
    def test_names_what_stops_working_and_changes_nothing(self, boss, share, action, model):
        row = share if model is Share else share.render
        response = boss.act(action, row)
        html = response.content.decode()
        assert "jane@example.com" in html
        assert "invoice-1" in html
        assert "stops working" in html
        assert not Share.objects.exclude(revoke_requested_at=None).exists()
        assert not Render.objects.exclude(withdrawn_at=None).exists()
        assert not LogEntry.objects.exists()

    @pytest.mark.parametrize(("action", "model"), [("revoke", Share), ("withdraw", Render)])
    def test_takes_a_thousand_at_most_and_says_so(self, boss, share, action, model, monkeypatch):
        for module in ("buttons", "base"):
            monkeypatch.setattr(f"django_craftkit.admin.common.{module}.MOST", 1)
        other = make_share(make_render())
        rows = [share, other] if model is Share else [share.render, other.render]
        ((level, text),) = told(boss.act(action, *rows))
        assert level == "error"
        assert text.startswith("At most 1 can be done at once.")
        boss.post(address(model, f"{action}/"), {"ids": "-".join(str(row.pk) for row in rows)})
        assert Share.objects.filter(revoke_requested_at=None).count() == 2

    def test_of_links_revokes_them_in_the_persons_name(self, boss, share):
        path = address(Share, "revoke/")
        response = boss.post(path, {"ids": share.pk, "confirm": "1"}, follow=True)
        share.refresh_from_db()
        assert (share.status, share.revoke_requested_by) == ("revoked", boss.user)
        assert told(response) == [("success", "1 link is revoked.")]
        assert response.redirect_chain[-1][0] == address(Render, "change", share.render_id)
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (boss.user, str(share.pk))

    def test_of_links_claims_nothing_that_has_not_happened(self, boss, share, craftkit):
        craftkit.sandbox.faults.add("status", status=503, method="DELETE", times=None)
        path = address(Share, "revoke/")
        response = boss.post(path, {"ids": share.pk, "confirm": "1"}, follow=True)
        ((level, text),) = told(response)
        assert level == "warning"
        assert text.startswith("1 link is offered nowhere from now on, and will be revoked as soon")
        assert "being revoked" in boss.shows(address(Share))

    def test_of_links_leaves_what_has_ended_and_says_how_many(self, boss):
        render = make_render()
        rows = [make_share(render, status) for status in Share.Status.values]
        rows.append(make_share(render, revoke_requested_at=timezone.now()))
        ids = "-".join(str(row.pk) for row in rows)
        response = boss.post(address(Share, "revoke/"), {"ids": ids, "confirm": "1"}, follow=True)
        level, text = told(response)[-1]
        assert (level, text[:7]) == ("warning", "3 links")
        assert LogEntry.objects.count() == 3

    def test_of_links_that_have_ended_is_not_shown(self, boss):
        share = make_share(make_render(), "revoked")
        assert [level for level, _ in told(boss.act("revoke", share))] == ["warning"]

    def test_leads_back_to_the_list_as_it_was_filtered(self, boss, share):
        other = make_share(make_render())
        html = boss.act("revoke", share, other, query="?channel__exact=email").content.decode()
        assert 'name="filters" value="channel__exact=email"' in html
        response = boss.post(
            address(Share, "revoke/"),
            {"ids": f"{share.pk}-{other.pk}", "confirm": "1", "filters": "channel__exact=email"},
        )
        assert response.url == address(Share) + "?channel__exact=email"

    def test_of_documents_withdraws_them(self, boss, share):
        other = make_render()
        path = address(Render, "withdraw/")
        response = boss.post(path, {"ids": f"{share.render_id}-{other.pk}"}, follow=True)
        assert [level for level, _ in told(response)] == ["success"]
        assert Render.objects.filter(withdrawn_by=boss.user).count() == 2
        share.refresh_from_db()
        assert share.revoke_requested_by == boss.user
        assert LogEntry.objects.count() == 2
        response = boss.post(path, {"ids": str(other.pk)}, follow=True)
        assert told(response) == [("warning", "1 document was withdrawn before.")]

    @pytest.mark.parametrize("ids", ["", "x", "1,,2", "-1", "9" * 30, "1;drop", "٣"])
    def test_takes_any_nonsense_for_nothing(self, boss, ids):
        for path in (address(Share, "revoke/"), address(Render, "withdraw/")):
            assert boss.post(path, {"ids": ids, "confirm": "1"}).status_code == 302


class TestALink:
    def test_is_shown_to_who_may_see_it_and_to_nobody_else(self, staff):
        share = make_share(make_render())
        may = staff("view_share", "view_render", "see_share_link")
        may_not = staff("view_share", "view_render", "change_share", "revoke_share", "add_share")
        for path in (address(Share), address(Share, "change", share.pk)):
            assert f'<a href="{share.url}" rel="noreferrer noopener"' in may.shows(path)
            assert share.url not in may_not.shows(path)
            assert share.url.rpartition("/")[2] not in may_not.shows(path)
        for path in (address(Render), address(Render, "change", share.render_id)):
            assert share.url not in may_not.shows(path)

    def test_is_not_found_by_searching_for_it(self, staff):
        share = make_share(make_render())
        token = share.url.rpartition("/")[2]
        html = staff("view_share").shows(address(Share) + f"?q={token}")
        assert f"/{share.pk}/change/" not in html

    @pytest.mark.parametrize("query", ["url__startswith=https", "url__regex=.", "url=x"])
    def test_is_not_guessed_letter_by_letter_with_a_filter(self, staff, query):
        make_share(make_render())
        may_not = staff("view_share", "view_render")
        assert may_not.get(f"{address(Share)}?{query}").status_code == 400
        assert may_not.get(f"{address(Render)}?shares__{query}").status_code == 400

    @pytest.mark.parametrize("status", sorted(set(Share.Status.values) - {"active"}))
    def test_that_leads_nowhere_is_no_link(self, boss, status):
        share = make_share(make_render(), status)
        for path in (address(Share), address(Share, "change", share.pk)):
            assert share.url not in boss.shows(path)

    def test_that_is_wanted_back_or_over_is_no_link(self, boss):
        now = timezone.now()
        rows = {
            "being revoked": make_share(make_render(), revoke_requested_at=now),
            "expired": make_share(make_render(), expires_at=now),
        }
        html = boss.shows(address(Share))
        for label, share in rows.items():
            assert f">{label}<" in html
            assert share.url not in html

    def test_is_among_a_documents_links_for_who_may_see_it(self, staff, boss):
        share = make_share(make_render())
        may_not = staff("view_render", "view_share", "revoke_share")
        html = may_not.shows(address(Render, "change", share.render_id))
        assert f"/admin/craftkit/share/{share.pk}/change/" in html
        assert share.url not in html
        assert share.url in boss.shows(address(Render, "change", share.render_id))

    def test_and_its_document_are_two_rights(self, staff):
        share = make_share(make_render(), recipient_email="jane@example.com")
        html = staff("view_render").shows(address(Render, "change", share.render_id))
        assert "jane@example.com" not in html


def test_the_address_of_the_file_is_not_guessed_letter_by_letter_either(staff):
    make_delivery()
    may_not = staff("view_webhookdelivery")
    assert may_not.get(address(WebhookDelivery) + "?body__contains=x").status_code == 400


def test_a_list_can_be_linked_to_by_what_it_shows(staff):
    make_rows(1)
    for model, query in (
        (Share, "render__id__exact=1"),
        (Render, "source_id=1"),
        (WebhookDelivery, "event=x"),
    ):
        assert staff(f"view_{model._meta.model_name}").shows(f"{address(model)}?{query}")


def test_a_key_or_secret_is_on_no_page(boss, settings):
    settings.CRAFTKIT_PROJECTS = {
        "default": {"API_KEY": "ck_test_sesame", "WEBHOOK_SECRETS": ["abracadabra"]}
    }
    make_rows(1)
    make_delivery()
    for model in MODELS:
        for row in model.objects.all():
            html = boss.shows(address(model)) + boss.shows(address(model, "change", row.pk))
            assert "sesame" not in html
            assert "abracadabra" not in html
    assert WebhookDelivery.objects.count() == 2
