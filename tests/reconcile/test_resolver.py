"""Projects of a resolver at work: seldom asked, never by a calling thread, in nobody's way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from django_craftkit import credentials
from django_craftkit.credentials import ProjectUnavailable
from django_craftkit.embedding import SessionUnavailable, create_session
from django_craftkit.models import Change, Job, ProjectState, Render
from django_craftkit.models.project import RESOLVED
from django_craftkit.reconcile import pauses, templates
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.pool import Pool
from django_craftkit.reconcile.sweeping import note_sweep
from django_craftkit.sandbox import SandboxAdapter
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import Elsewhere, settle, until
from tests.reconcile.test_pool import Gate
from tests.shop.models import Order


@pytest.fixture
def tenants(craftkit, own_keys, settings, store):
    """Make tenants, each with a project of its own at Craftkit, and credentials in the store.

    What the store says is kept, as without the kit.
    """
    credentials.set_keeping(True)

    def tenants(*aliases: str) -> None:
        default = settings.CRAFTKIT_PROJECTS["default"]
        for alias in aliases:
            craftkit.sandbox.add_key(f"ck_test_{alias}", alias)
            store.entries[alias] = {**default, "API_KEY": f"ck_test_{alias}"}

    return tenants


def ask(project: str, number: int = 1) -> list[Render]:
    return [
        Render.objects.request("invoice", {}, project=project, key=f"{project}-{one}")
        for one in range(number)
    ]


def statuses() -> set[tuple[str, str]]:
    return set(Render.objects.values_list("project", "status"))


def invoice(order: Order) -> dict[str, str]:
    return {"number": order.number}


@pytest.mark.django_db
def test_two_projects_side_by_side_each_use_their_own_key(craftkit, tenants):
    tenants("acme", "bolt")
    ask("acme", 2), ask("bolt"), ask("default")
    settle(craftkit)
    assert statuses() == {(alias, "succeeded") for alias in ("acme", "bolt", "default")}
    slugs = Counter(render.project for render in craftkit.renders)
    assert slugs == {"acme": 2, "bolt": 1, "default": 1}


@pytest.mark.django_db(transaction=True)
def test_a_thousand_documents_ask_for_their_project_once_and_no_calling_thread_does(
    craftkit, tenants, store, monkeypatch
):
    tenants("acme", "bolt")
    Order.objects.bulk_create(Order(number=str(number), total=1) for number in range(500))
    orders = Order.objects.all()
    with monkeypatch.context() as patch:
        patch.setattr(credentials, "KEPT", 3600.0)
        for project in ("acme", "bolt"):
            Render.objects.request_many("invoice", orders, data=invoice, project=project)
        Loop(threads=8, wake=None).run(120)
        assert Render.objects.filter(remote_id=None).count() == 0
    assert (store.questions("acme"), store.questions("bolt")) == (1, 1)
    assert not [thread for _alias, thread in store.asked if thread.startswith("craftkit-call")]


class TestAKeyThatCraftkitRefuses:
    @pytest.mark.django_db
    def test_is_looked_up_anew_and_pauses_nothing(self, craftkit, tenants, store):
        tenants("acme")
        ask("acme", 5)
        craftkit.sandbox.add_key("ck_test_new", "acme")
        store.entries["acme"] = {**store.entries["acme"], "API_KEY": "ck_test_new"}
        craftkit.sandbox.revoke_key("ck_test_acme")
        settle(craftkit)
        assert statuses() == {("acme", "succeeded")}
        assert not Change.objects.filter(kind="project").exists()
        assert len(craftkit.renders) == 5

    @pytest.mark.django_db(transaction=True)
    def test_is_looked_up_once_for_many_calls_under_way(self, craftkit, tenants, store):
        tenants("acme")
        ask("acme", 30)
        craftkit.sandbox.add_key("ck_test_new", "acme")
        store.entries["acme"] = {**store.entries["acme"], "API_KEY": "ck_test_new"}
        craftkit.sandbox.revoke_key("ck_test_acme")
        asked = store.questions("acme")
        Loop(threads=8, wake=None).run()
        assert Render.objects.filter(project="acme", remote_id=None).count() == 0
        assert store.questions("acme") == asked + 1
        assert not ProjectState.objects.paused().exists()

    @pytest.mark.django_db
    @pytest.mark.parametrize("where", ["resolver", "settings"])
    def test_pauses_until_there_is_a_new_one_and_then_nobody_has_to_do_anything(
        self, craftkit, tenants, store, settings, where, monkeypatch
    ):
        # A probe comes seconds later; the clock by which that is told stands still here.
        monkeypatch.setattr(credentials, "IN_VAIN", 0.0)
        tenants("acme")
        project = "acme" if where == "resolver" else "default"
        ask(project, 3)
        craftkit.sandbox.revoke_key(f"ck_test_{project}")
        craftkit.run()
        assert statuses() == {(project, "pending")}
        state = ProjectState.objects.paused().get()
        assert (state.project, "401" in state.pause_reason) == (project, True)

        craftkit.sandbox.add_key("ck_test_new", project)
        if where == "resolver":
            store.entries["acme"] = {**store.entries["acme"], "API_KEY": "ck_test_new"}
        else:
            mine = {**settings.CRAFTKIT_PROJECTS["default"], "API_KEY": "ck_test_new"}
            settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "default": mine}
        settle(craftkit)
        assert statuses() == {(project, "succeeded")}
        assert len(craftkit.renders) == 3
        assert not ProjectState.objects.paused().exists()

    @pytest.mark.django_db
    def test_is_asked_for_once_for_each_refusal_while_it_stays_the_same(
        self, craftkit, tenants, store
    ):
        tenants("acme")
        ask("acme", 10)
        craftkit.sandbox.revoke_key("ck_test_acme")
        asked, called = store.questions("acme"), len(craftkit.sandbox.requests)
        for _ in range(20):
            craftkit.run()
            craftkit.pass_time(10)
        assert store.questions("acme") - asked <= len(craftkit.sandbox.requests) - called < 15
        assert ProjectState.objects.paused().get().project == "acme"

    @pytest.mark.django_db
    def test_is_looked_up_anew_for_whoever_waits(self, craftkit, tenants, store):
        tenants("acme")
        keys = iter(("ck_test_acme", *(f"ck_test_{number}" for number in range(9))))
        key = next(keys)

        def replace() -> None:
            nonlocal key
            refused, key = key, next(keys)
            craftkit.sandbox.add_key(key, "acme")
            store.entries["acme"] = {**store.entries["acme"], "API_KEY": key}
            craftkit.sandbox.revoke_key(refused)

        credentials.project("acme")
        replace()
        render = Render.objects.request("invoice", {}, project="acme", key="1", wait=True)
        assert render.status == "succeeded"
        replace()
        with render.open() as pdf:
            assert pdf.read().startswith(b"%PDF-")
        replace()
        assert render.refresh(wait=True)
        replace()
        share = render.share(wait=True)
        assert share.status == "active"
        replace()
        request = render.send_for_signature(
            [Recipient("Ada", "Lovelace", "ada@example.com")],
            anchor_tags=[AnchorTag("{{sign}}", "signature")],
            key="s-1",
            wait=True,
        )
        assert request.status == "sent"
        replace()
        assert request.refresh(wait=True)
        assert (len(craftkit.renders), len(craftkit.shares), len(craftkit.signatures)) == (1, 1, 1)
        assert not ProjectState.objects.paused().exists()


class TestAResolverThatIsDown:
    @pytest.mark.django_db
    def test_loses_no_document_and_pauses_no_project(self, craftkit, tenants, store, caplog):
        tenants("acme")
        ask("acme", 3)
        credentials.forget()

        def down() -> None:
            raise ConnectionError("vault:s3cret@host")

        store.before = down
        craftkit.run()
        assert statuses() == {("acme", "pending")}
        assert not ProjectState.objects.paused().exists()
        jobs = Job.objects.filter(project="acme", kind=Job.Kind.RENDER)
        assert set(jobs.values_list("failures", "lease_token")) == {(1, None)}
        assert not [error for error in jobs.values_list("error", flat=True) if "s3cret" in error]
        assert "s3cret" not in caplog.text

        store.before = bool
        credentials.forget()
        settle(craftkit)
        assert statuses() == {("acme", "succeeded")}
        assert len(craftkit.renders) == 3

    @pytest.mark.django_db
    def test_at_the_import_of_its_module_pauses_no_project_either(
        self, craftkit, settings, tmp_path, monkeypatch, caplog
    ):
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "vault_down.py").write_text("raise ConnectionError('vault:s3cret@host')")
        settings.CRAFTKIT = {**settings.CRAFTKIT, "PROJECT_RESOLVER": "vault_down.Store"}
        ask("acme")
        craftkit.run()
        assert statuses() == {("acme", "pending")}
        assert not ProjectState.objects.paused().exists()
        (error,) = Job.objects.filter(project="acme").values_list("error", flat=True)
        assert "ConnectionError" in error
        assert "s3cret" not in error + caplog.text

    @pytest.mark.django_db
    def test_holds_up_no_other_project(self, craftkit, tenants, store):
        tenants("acme")
        ask("acme"), ask("default")
        credentials.forget()

        def down() -> None:
            raise ConnectionError

        store.before = down
        craftkit.run()
        assert statuses() == {("acme", "pending"), ("default", "succeeded")}

    @pytest.mark.django_db
    def test_says_so_to_whoever_waits(self, craftkit, tenants, store, admin_client):
        tenants("acme")
        (render,) = ask("acme")
        settle(craftkit)
        render.refresh_from_db()
        credentials.forget()

        def down() -> None:
            raise ConnectionError("vault:s3cret@host")

        store.before = down
        with pytest.raises(ProjectUnavailable):
            render.open()
        with pytest.raises(SessionUnavailable) as raised:
            create_session("invoice", project="acme")
        assert (raised.value.code, raised.value.is_passing) == ("unreachable", True)
        answer = admin_client.get(reverse("craftkit:download", args=[render.pk]))
        assert answer.status_code == 503
        assert "s3cret" not in answer.content.decode()

    @pytest.mark.django_db
    def test_has_no_request_sent_without_the_look_at_its_pdf(
        self, craftkit, tenants, store, settings
    ):
        settings.CRAFTKIT = {**settings.CRAFTKIT, "CHECK_ANCHORS": "refuse"}
        tenants("acme")
        (render,) = ask("acme")
        settle(craftkit)
        render.refresh_from_db()
        request = render.send_for_signature(
            [Recipient("Ada", "Lovelace", "ada@example.com")],
            anchor_tags=[AnchorTag("{{not there}}", "signature")],
            key="s-1",
        )
        credentials.forget()

        def down() -> None:
            raise ConnectionError

        store.before = down
        craftkit.run()
        request.refresh_from_db()
        assert (request.status, request.anchors_checked_at) == ("pending", None)
        store.before = bool
        credentials.forget()
        settle(craftkit)
        request.refresh_from_db()
        assert (request.status, request.error_code) == ("rejected", "anchors_missing")
        assert craftkit.signatures == []

    @pytest.mark.django_db
    def test_has_templates_wait_for_their_turn(self, tenants, store):
        tenants("acme")
        ProjectState.objects.of("acme")

        def down() -> None:
            raise ConnectionError

        store.before = down
        templates.schedule_due(timezone.now())
        assert not Job.objects.filter(project="acme").exists()


@pytest.mark.django_db
def test_a_project_without_a_key_or_that_is_gone_waits_for_it(craftkit, tenants, store):
    tenants("acme", "bolt")
    ask("acme"), ask("bolt")
    kept = dict(store.entries)
    store.entries.update(acme={**kept["acme"], "API_KEY": ""})
    del store.entries["bolt"]
    credentials.forget()
    craftkit.run()
    paused = ProjectState.objects.paused().order_by("project")
    assert [(one.project, one.pause_code) for one in paused] == [
        ("acme", "not_configured"),
        ("bolt", "not_configured"),
    ]
    store.entries.update(kept)
    credentials.forget()
    settle(craftkit)
    assert statuses() == {("acme", "succeeded"), ("bolt", "succeeded")}


@pytest.mark.django_db
def test_what_waited_for_the_setting_paused_is_not_late_when_that_ends(
    craftkit, tenants, store, settings
):
    tenants("acme")
    ask("acme")
    ProjectState.objects.of("acme")
    settings.CRAFTKIT = {**settings.CRAFTKIT, "PAUSED": True}
    craftkit.pass_time(3600)
    note_sweep()
    settings.CRAFTKIT = {**settings.CRAFTKIT, "PAUSED": False}
    craftkit.pass_time(600)
    assert not Render.objects.overdue().exists()
    craftkit.pass_time(600)
    assert Render.objects.overdue().count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_project_that_hangs_holds_up_no_other(craftkit, tenants, monkeypatch):
    tenants("slow", "quick")
    ask("slow", 6)
    ask("quick", 6)
    send, over = SandboxAdapter.send, threading.Event()

    def hang(self, request, *args, **kwargs):
        if "ck_test_slow" in request.headers["Authorization"]:
            assert over.wait(30)
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", hang)
    quick = Render.objects.filter(project="quick", remote_id__isnull=False)
    loop = Loop(threads=4, wake=None)
    worker = Elsewhere(loop.run)
    try:
        until(lambda: quick.count() == 6)
        assert not Render.objects.filter(project="slow", remote_id__isnull=False).exists()
    finally:
        over.set()
        worker.wait()
    assert Render.objects.filter(remote_id=None).count() == 0


def test_a_lone_project_of_a_resolver_leaves_two_threads_to_others(store, settings):
    settings.CRAFTKIT_PROJECTS = {}
    gate = Gate(Pool(4))
    for number in range(4):
        gate.call(str(number), project="acme")
    until(lambda: len(gate.begun) == 2)
    time.sleep(0.05)
    assert len(gate.begun) == 2
    gate.let(4)
    until(lambda: gate.pool.free == 4)
    assert not gate.pool._running, "what thousands have used is not remembered"


class TestTenThousandProjects:
    @pytest.fixture(autouse=True)
    def _many(self, store) -> None:
        store.entries |= {f"tenant-{number}": {"API_KEY": "ck"} for number in range(10_000)}

    @pytest.mark.django_db
    def test_have_one_sign_of_life(self, store):
        assert note_sweep()
        assert not note_sweep()
        assert set(ProjectState.objects.values_list("project", flat=True)) == {"default", RESOLVED}
        assert (store.asked, store.listed) == ([], [])

    @pytest.mark.django_db
    def test_are_listed_by_nobody_who_means_one(self, craftkit, store, settings):
        mine = {**settings.CRAFTKIT_PROJECTS["default"], "API_KEY": "ck_test_default"}
        store.entries["tenant-7"] = mine
        ask("tenant-7")
        settle(craftkit)
        assert statuses() == {("tenant-7", "succeeded")}
        assert store.listed == []
        assert {alias for alias, _thread in store.asked} == {"tenant-7"}

    @pytest.mark.django_db
    def test_take_turns_to_have_their_templates_read(self, monkeypatch, store):
        monkeypatch.setattr(templates, "MOST_DUE", 3)
        names = [f"tenant-{number}" for number in range(5)]
        ProjectState.objects.bulk_create(
            ProjectState(project=name) for name in [*names, "left-over"]
        )
        now = timezone.now()
        templates.schedule_due(now)
        jobs = Job.objects.filter(kind=Job.Kind.TEMPLATES)
        assert sorted(jobs.values_list("project", flat=True)) == names[:3]
        jobs.delete()
        ProjectState.objects.filter(project__in=names[:3]).update(templates_read_at=now)
        templates.schedule_due(now)
        assert sorted(jobs.values_list("project", flat=True)) == names[3:]
        assert store.asked == []

    @pytest.mark.django_db
    def test_that_are_paused_make_no_long_claim(self, django_assert_num_queries):
        now = timezone.now()
        capabilities = ("", "email", "signatures")
        ProjectState.objects.bulk_create(
            ProjectState(project=f"tenant-{number}", capability=capabilities[number % 3])
            for number in range(600)
        )
        ProjectState.objects.update(paused_at=now)
        due = now - timedelta(minutes=1)
        Job.objects.bulk_create(
            Job(kind=kind, object_id=number, project=f"tenant-{number}", due_at=due)
            for number in range(9)
            for kind in (Job.Kind.RENDER, Job.Kind.EMAIL)
        )
        free = pauses.free_jobs(pauses.pauses())
        assert str(free.query).count("NOT") == 3
        found = {(job.project, job.kind) for job in free}
        assert ("tenant-0", Job.Kind.RENDER) not in found
        assert {("tenant-1", Job.Kind.RENDER), ("tenant-2", Job.Kind.EMAIL)} <= found
        assert ("tenant-1", Job.Kind.EMAIL) not in found
        with django_assert_num_queries(1):
            assert pauses.is_paused("tenant-1", Job.Kind.EMAIL)
