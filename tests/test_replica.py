"""Where routers read from a replica that has nothing yet, a row still answers for itself."""

from __future__ import annotations

import inspect
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.template import Context, Template

from django_craftkit import clock
from django_craftkit.models import (
    ArchivedFile,
    Batch,
    Change,
    EmbedSession,
    FormSubmission,
    KeyConflict,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.identity import identify
from django_craftkit.models.priority import Priority
from django_craftkit.signals import share_created
from django_craftkit.signing import AnchorTag, Recipient
from tests.forms.helpers import form_event, minted, store
from tests.helpers import Replica
from tests.shop.models import Order
from tests.test_querysets import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(databases=["default", "other"])

ADA = Recipient("Ada", "Lovelace", "ada@example.com")
HOME = "default"


@pytest.fixture
def lagging(settings):
    ContentType.objects.using("other").all().delete()
    ContentType.objects.clear_cache()
    settings.DATABASE_ROUTERS = [Replica("craftkit", "contenttypes")]
    yield
    ContentType.objects.clear_cache()


class Story(SimpleNamespace):
    """Rows as their database has them, each read from there anew, with nothing read besides."""

    def home(self, model: Any, **by: Any) -> Any:
        return model.objects.using(HOME).get(**by)

    @property
    def render(self) -> Render:
        return self.home(Render, key="i-1")  # type: ignore[no-any-return]

    @property
    def share(self) -> Share:
        return self.home(Share, key="s-1")  # type: ignore[no-any-return]

    @property
    def request(self) -> SignatureRequest:
        return self.home(SignatureRequest, key="r-1")  # type: ignore[no-any-return]

    def changed(self, row: Any, **values: Any) -> Any:
        type(row).objects.using(HOME).filter(pk=row.pk).update(**values)
        return self.home(type(row), pk=row.pk)

    def rejected(self, row: Any) -> Any:
        return self.changed(row, status="rejected", remote_id=None)

    def lost_mail(self) -> Share:
        self.render.email("b@example.com", key="m-1", wait=True)
        values = {"status": "unknown", "error_code": "mail_unproven"}
        return self.changed(self.home(Share, key="m-1"), **values)  # type: ignore[no-any-return]

    def sign(self) -> SignatureRequest:
        self.craftkit.sign(self.request)
        self.craftkit.run()
        return self.request

    def archived(self) -> ArchivedFile:
        self.sign()
        return self.home(ArchivedFile, kind="signed")  # type: ignore[no-any-return]

    def batch(self) -> Batch:
        return Render.objects.request_many("invoice", [self.order], data=lambda order: {})

    def session(self) -> EmbedSession:
        return EmbedSession.objects.note("default", minted(), source=self.order)

    def submission(self) -> FormSubmission:
        store(form_event(self.session().remote_id))
        self.craftkit.run()
        return self.home(FormSubmission)  # type: ignore[no-any-return]

    def delivery(self) -> WebhookDelivery:
        return WebhookDelivery.objects.using(HOME).latest("pk")  # type: ignore[no-any-return]


def ask_to_sign(render: Render, key: str = "r-1") -> SignatureRequest:
    tags = [AnchorTag("{{sign}}", "signature")]
    return render.send_for_signature([ADA], anchor_tags=tags, key=key)


@pytest.fixture
def story(craftkit, lagging) -> Story:
    """A document about an order, a link to it, and a request that nobody has signed yet."""
    order = Order.objects.create(number="1")
    render = Render.objects.request("invoice", {}, source=order, key="i-1", wait=True)
    render.share(key="s-1", wait=True)
    ask_to_sign(render)
    craftkit.run()
    return Story(craftkit=craftkit, order=order)


def raised(call: Callable[[], Any]) -> str:
    with pytest.raises(Exception) as caught:
        call()
    return type(caught.value).__name__


def bob() -> SignatureRecipient:
    return SignatureRecipient.from_recipient(0, Recipient("Bob", "Byron", "bob@example.com"))


def closed(file: Any) -> bytes:
    with file:
        return file.read(5)  # type: ignore[no-any-return]


#: Each public method of a row, what it is called on, and what it answers.
CALLS: dict[Any, dict[str, tuple[Callable[[Story], Any], Any]]] = {
    Render: {
        "begin_attempt": (lambda s: s.render.begin_attempt(), None),
        "check_same": (
            lambda s: raised(lambda: s.render.check_same(s.render.template, None)),
            KeyConflict.__name__,
        ),
        "email": (lambda s: s.render.email("b@example.com", wait=True).status, "active"),
        "get_download_url": (
            lambda s: s.render.get_download_url().startswith("/craftkit/documents/"),
            True,
        ),
        "in_schema": (lambda s: s.render.in_schema().__enter__(), None),
        "is_about": (lambda s: s.render.is_about(identify(s.order)), True),
        "is_built_after_commit_of": (
            lambda s: s.render.is_built_after_commit_of("default", identify(s.order)),
            False,
        ),
        "open": (lambda s: closed(s.render.open()), b"%PDF-"),
        "open_file": (lambda s: closed(s.render.open_file().file), b"%PDF-"),
        "read_source": (lambda s: s.render.read_source() == s.order, True),
        "raise_to": (lambda s: s.render.raise_to(Priority.URGENT), None),
        "record": (lambda s: s.render.record("viewed"), None),
        "refresh": (lambda s: s.render.refresh(wait=True), True),
        "refuse_schema": (lambda s: s.render.refuse_schema(), None),
        "retry": (lambda s: s.rejected(s.render).retry(wait=True), True),
        "send_for_signature": (lambda s: ask_to_sign(s.render, "r-2").status, "pending"),
        "set_source": (lambda s: s.render.set_source(s.order) == identify(s.order), True),
        "share": (lambda s: s.render.share(wait=True).status, "active"),
        "supersede": (lambda s: s.render.supersede({"number": 2}, wait=True).status, "succeeded"),
        "wait": (lambda s: s.render.wait().status, "succeeded"),
        "withdraw": (lambda s: s.render.withdraw(wait=True), True),
    },
    Batch: {
        "fill": (lambda s: s.batch().fill(), None),
        "retry_failed": (lambda s: s.batch().retry_failed(), 0),
    },
    Share: {
        "check_same": (lambda s: s.share.check_same(s.share, has_key=True), None),
        "confirm_mailed": (lambda s: s.lost_mail().confirm_mailed(), True),
        "leave_behind": (lambda s: s.share.leave_behind(), None),
        "refresh": (lambda s: s.share.refresh(), None),
        "retry": (lambda s: s.lost_mail().retry(wait=True), True),
        "revoke": (lambda s: s.share.revoke(wait=True), True),
    },
    SignatureRequest: {
        "as_sent": (lambda s: s.request.as_sent()["recipients"], [ADA]),
        "cancel": (lambda s: s.request.cancel(wait=True), True),
        "check_same": (
            lambda s: raised(lambda: s.request.check_same(s.request, [bob()])),
            KeyConflict.__name__,
        ),
        "differences": (
            lambda s: s.request.differences(s.request, s.request.read_recipients()),
            [],
        ),
        "cancel_for_next_attempt": (lambda s: s.request.cancel_for_next_attempt(), None),
        "open_certificate": (
            lambda s: raised(s.request.open_certificate),
            FileNotFoundError.__name__,
        ),
        "open_file": (lambda s: raised(lambda: s.request.open_file("signed")), "FileNotFoundError"),
        "open_signed": (lambda s: raised(s.request.open_signed), FileNotFoundError.__name__),
        "read_recipients": (
            lambda s: [one.email for one in s.request.read_recipients()],
            [ADA.email],
        ),
        "refresh": (lambda s: s.request.refresh(wait=True), True),
        "retry": (lambda s: s.rejected(s.request).retry(wait=True), True),
    },
    SignatureRecipient: {
        "as_recipient": (lambda s: s.home(SignatureRecipient).as_recipient(), ADA),
        "differences": (
            lambda s: s.home(SignatureRecipient).differences(
                SignatureRecipient.from_recipient(0, ADA)
            ),
            [],
        ),
        "from_recipient": (lambda s: SignatureRecipient.from_recipient(0, ADA).email, ADA.email),
    },
    EmbedSession: {
        "in_schema": (lambda s: s.session().in_schema().__enter__(), None),
        "is_about": (lambda s: s.session().is_about(identify(s.order)), True),
        "read_source": (lambda s: s.session().read_source() == s.order, True),
        "refuse_schema": (lambda s: s.session().refuse_schema(), None),
        "set_source": (lambda s: s.session().set_source(s.order) == identify(s.order), True),
    },
    FormSubmission: {
        "in_schema": (lambda s: s.submission().in_schema().__enter__(), None),
        "is_about": (lambda s: s.submission().is_about(identify(s.order)), True),
        "read_source": (lambda s: s.submission().read_source() == s.order, True),
        "refuse_schema": (lambda s: s.submission().refuse_schema(), None),
        "set_source": (lambda s: s.submission().set_source(s.order) == identify(s.order), True),
    },
    ArchivedFile: {"open": (lambda s: closed(s.archived().open()), b"%PDF-")},
    Change: {"replay": (lambda s: Change.objects.using(HOME).latest("pk").replay(), False)},
    ProjectState: {
        "has_sweep": (
            lambda s: s.home(ProjectState, project="default").has_sweep(clock.now()),
            False,
        ),
        "has_worker": (
            lambda s: s.home(ProjectState, project="default").has_worker(clock.now()),
            False,
        ),
        "try_again": (lambda s: s.home(ProjectState, project="default").try_again(), False),
    },
    WebhookDelivery: {
        "ended": (lambda s: s.delivery().ended(error="x").error, "x"),
        "replay": (lambda s: s.delivery().replay(), True),
    },
}


def methods_of(model: Any) -> set[str]:
    return {
        name
        for base in model.__mro__
        if base.__module__.startswith("django_craftkit")
        for name, value in vars(base).items()
        if not name.startswith("_")
        and inspect.isfunction(inspect.unwrap(getattr(value, "__func__", value)))
        # A twin runs a method that is called here.
        and not inspect.iscoroutinefunction(value)
        # Django gives its models some of its own.
        and inspect.unwrap(getattr(value, "__func__", value)).__module__ == base.__module__
    }


def properties_of(model: Any) -> set[str]:
    return {
        name for name, _ in inspect.getmembers(model, lambda member: isinstance(member, property))
    }


def test_each_method_of_a_row_is_called_here():
    assert {model: methods_of(model) for model in MODELS if methods_of(model)} == {
        model: set(calls) for model, calls in CALLS.items()
    }


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        pytest.param(*call, id=f"{model.__name__}.{name}")
        for model, calls in CALLS.items()
        for name, call in calls.items()
    ],
)
def test_what_was_just_written_answers(story, call, answer):
    assert call(story) == answer


def test_what_was_just_written_is_described(story):
    story.sign()
    rows = [row for model in MODELS for row in model._base_manager.using(HOME).all()]
    assert {Render, Share, SignatureRequest, ArchivedFile, Change} < {type(row) for row in rows}
    for row in rows:
        assert str(row) in repr(row)
        for name in properties_of(type(row)):
            getattr(row, name)


def test_a_document_that_takes_too_long_says_so(story):
    long_ago = clock.now() - timedelta(days=1)
    assert story.changed(story.render, status="queued", attempted_at=long_ago).is_overdue
    ProjectState.objects.using(HOME).update(paused_at=long_ago)
    assert not story.render.is_overdue


def test_what_was_signed_is_opened(story):
    request = story.sign()
    assert request.status == "completed"
    assert closed(request.open_signed()) == closed(request.open_certificate()) == b"%PDF-"


def test_the_document_of_a_row_is_the_one_that_it_was_made_for(story):
    share, request = story.share, story.request
    assert share.render == request.render == story.render
    share.revoke(wait=True)
    assert share.render == story.render
    people = SignatureRecipient.objects.using(HOME).prefetch_related("request__render")
    assert [one.request.render for one in people] == [story.render]
    assert story.render.source_type == ContentType.objects.db_manager(HOME).get_for_model(Order)


def test_a_receiver_reads_the_document_of_its_link(story):
    heard = []

    def hear(instance, **kwargs):
        heard.append(instance.render.key)

    share_created.connect(hear)
    try:
        story.render.share(key="s-2")
        story.craftkit.run()
    finally:
        share_created.disconnect(hear)
    assert heard == ["i-1"]


def test_rows_of_the_replica_have_the_documents_of_the_replica(story):
    Render.objects.using("other").create(pk=story.render.pk, key="there", key_hash="1")
    Share.objects.using("other").create(render_id=story.render.pk, key="s-1", key_hash="1")
    assert Share.objects.get().render.key == "there"


@pytest.mark.parametrize("tag", ["status", "share_url", "signature"])
def test_tags_show_what_they_are_given(story, tag):
    page = Template("{% load craftkit %}{% craftkit_" + tag + ' about template="invoice" %}')
    for about in (story.render, story.share, story.order, *[story.request] * (tag == "signature")):
        page.render(Context({"about": about}))
    assert bool(page.render(Context({"about": story.share}))) == (tag != "signature")


def test_a_list_is_read_where_its_caller_says(story, django_assert_num_queries):
    Render.objects.using(HOME).prefetch_for([story.order])
    (render,) = story.order._craftkit_renders
    assert [share.key for share in render.open_links] == ["s-1"]
    (request,) = render.newest_requests
    assert [one.email for one in request.recipients.all()] == [ADA.email]
