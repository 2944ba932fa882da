"""This site's own addresses of documents: who may open them, and what they answer."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.base import ContentFile
from django.db import OperationalError, connections
from django.http import Http404
from django.test import Client
from django.urls import NoReverseMatch, resolve, reverse
from django.utils import timezone

from django_craftkit.client import CraftkitError
from django_craftkit.database import database
from django_craftkit.failures import is_in_transaction
from django_craftkit.models import ArchivedFile, EngagementEvent, Render, RenderWithdrawn
from django_craftkit.models.archive import archive_storage
from django_craftkit.models.downloading import GuestLink
from tests.admin.conftest import make_render
from tests.helpers import NEVER, grant
from tests.seams import before_writing
from tests.shop.models import Account, Order

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 400
OWN = {
    "DOWNLOAD_PERMISSION": "django_craftkit.downloads.own_documents",
    "API_OWNERS": {"shop.Account": "owner"},
}


def user(name: str, *codenames: str, **more: Any) -> User:
    made: User = User.objects.create_user(name, **more)
    grant(made, *codenames)
    return made


def browser(person: User | None = None) -> Client:
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


@pytest.fixture
def staff() -> Client:
    """Somebody who may open every document."""
    return browser(user("staff", "download_render"))


def archive(render: Render, content: bytes = PDF, *, size: int | None = None) -> ArchivedFile:
    """Keep a file of a document; ``size`` is what the row says of it."""
    name = archive_storage().save(f"craftkit/{render.pk}.pdf", ContentFile(content))
    return ArchivedFile.objects.create(
        kind="render",
        object_id=render.pk,
        name=name,
        size=len(content) if size is None else size,
        sha256=hashlib.sha256(content).hexdigest(),
    )


@pytest.fixture
def kept(ready: Render) -> Render:
    """A document that the archive has."""
    archive(ready)
    return ready


def failing() -> None:
    raise OperationalError("The database has gone away.")


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what this package has logged."""
    return [one.getMessage() for one in caplog.records if one.name.startswith("django_craftkit")]


def downloaded() -> int:
    return EngagementEvent.objects.filter(type="downloaded").count()


class TestTheAddress:
    def test_is_of_this_site(self, ready):
        assert ready.get_download_url() == f"/craftkit/documents/{ready.pk}/"
        assert ready.get_download_url(guest=True, expires=60).startswith(
            "/craftkit/documents/guest/"
        )

    @pytest.mark.parametrize("expires", NEVER, ids=lambda one: f"{one!r:.40}")
    def test_of_a_guest_expires(self, ready, expires):
        with pytest.raises(ValueError, match="expires"):
            ready.get_download_url(guest=True, expires=expires)

    def test_of_whoever_has_the_right_does_not(self, ready):
        with pytest.raises(ValueError, match="guest"):
            ready.get_download_url(expires=60)

    def test_of_a_guest_is_not_made_once_the_document_is_withdrawn(self, ready):
        ready.withdraw()
        with pytest.raises(RenderWithdrawn):
            ready.get_download_url(guest=True, expires=60)

    @pytest.mark.urls("tests.api.test_schema")
    def test_is_missing_where_the_urls_are_not_included(self, ready, monkeypatch):
        import tests.api.test_schema as empty

        monkeypatch.setattr(empty, "urlpatterns", [], raising=False)
        with pytest.raises(NoReverseMatch):
            ready.get_download_url()


class TestTheRule:
    def test_opens_nothing_that_was_erased(self, kept, staff, caplog):
        Render.objects.filter(pk=kept.pk).erase()
        caplog.clear()
        assert staff.get(kept.get_download_url()).status_code == 410
        assert logged(caplog) == []

    def test_is_the_permission_for_all_documents_or_for_one(self, kept, staff, settings):
        assert staff.get(kept.get_download_url()).status_code == 200
        settings.AUTHENTICATION_BACKENDS = [
            "django.contrib.auth.backends.ModelBackend",
            "guardian.backends.ObjectPermissionBackend",
        ]
        from guardian.shortcuts import assign_perm

        customer = user("customer")
        other = make_render()
        assign_perm("craftkit.download_render", customer, kept)
        assert browser(customer).get(kept.get_download_url()).status_code == 200
        assert browser(customer).get(other.get_download_url()).status_code == 403

    def test_refuses_whoever_has_logged_in(self, kept):
        somebody = browser(user("somebody", "view_render", is_staff=True))
        assert somebody.get(kept.get_download_url()).status_code == 403
        # Nor does it tell which documents there are.
        assert somebody.get("/craftkit/documents/987654/").status_code == 403

    def test_sends_others_to_the_login_and_back(self, kept, settings):
        settings.LOGIN_URL = "/login/"
        url = kept.get_download_url()
        for path in (url, "/craftkit/documents/987654/"):
            response = browser().get(path)
            assert (response.status_code, response.url) == (302, f"/login/?next={path}")

    @pytest.mark.parametrize("login_url", ["", None])
    def test_refuses_others_where_there_is_no_login(self, kept, settings, login_url):
        settings.LOGIN_URL = login_url
        assert browser().get(kept.get_download_url()).status_code == 403

    def test_refuses_others_where_the_default_login_leads_nowhere(self, kept):
        assert browser().get(kept.get_download_url()).status_code == 403

    def test_finds_nothing_for_those_who_may_open_everything(self, staff):
        for pk in (987654, 10**17):
            assert staff.get(f"/craftkit/documents/{pk}/").status_code == 404

    def test_may_be_the_projects_own(self, kept, settings):
        settings.CRAFTKIT = {"DOWNLOAD_PERMISSION": f"{__name__}.with_the_basket"}
        client = browser()
        assert client.get(kept.get_download_url()).status_code == 403
        session = client.session
        session["basket"] = kept.key
        session.save()
        assert client.get(kept.get_download_url()).status_code == 200

    def test_login_is_not_required_before_it(self, kept, settings):
        settings.CRAFTKIT = {"DOWNLOAD_PERMISSION": f"{__name__}.anybody"}
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
        for url in (kept.get_download_url(), kept.get_download_url(guest=True, expires=60)):
            assert browser().get(url).status_code == 200

    def test_is_asked_without_sessions_and_users(self, kept, settings):
        settings.MIDDLEWARE = []
        assert browser().get(kept.get_download_url()).status_code == 403
        assert browser().get(kept.get_download_url(guest=True, expires=60)).status_code == 200


def with_the_basket(request, render):
    return request.session.get("basket") == render.key


def anybody(request, render):
    return True


class TestDocumentsAboutMyOwnObjects:
    @pytest.fixture(autouse=True)
    def own(self, settings):
        settings.CRAFTKIT = OWN
        settings.LOGIN_URL = "/login/"

    def test_are_opened(self, kept):
        owner = user("owner")
        kept.source = Account.objects.create(owner=owner)
        kept.save()
        assert browser(owner).get(kept.get_download_url()).status_code == 200

    def test_and_of_others_there_are_none(self, kept):
        kept.source = Account.objects.create(owner=user("owner"))
        kept.save()
        other = browser(user("other", "view_render"))
        refused = other.get(kept.get_download_url())
        missing = other.get("/craftkit/documents/987654/")
        assert refused.status_code == missing.status_code == 404
        assert refused.content == missing.content
        path = kept.get_download_url()
        (one, none) = (browser().get(url) for url in (path, "/craftkit/documents/987654/"))
        assert one.status_code == none.status_code == 302

    def test_are_none_about_nothing_or_what_is_gone(self, kept):
        owner = browser(user("owner"))
        assert owner.get(kept.get_download_url()).status_code == 404
        account = Account.objects.create(owner=User.objects.get())
        kept.source = account
        kept.save()
        account.delete()
        assert owner.get(kept.get_download_url()).status_code == 404

    def test_are_none_about_an_object_of_the_same_number(self, kept):
        owner = user("owner")
        account = Account.objects.create(owner=owner)
        kept.source = Order.objects.create(pk=account.pk, number="1")
        kept.save()
        assert browser(owner).get(kept.get_download_url()).status_code == 404
        kept.source = account
        kept.source_db = "other"
        kept.save()
        assert browser(owner).get(kept.get_download_url()).status_code == 404

    def test_are_gone_once_withdrawn_and_staff_still_open_them(self, kept):
        owner = user("owner")
        kept.source = Account.objects.create(owner=owner)
        kept.save()
        kept.withdraw()
        assert browser(owner).get(kept.get_download_url()).status_code == 410
        grant(owner, "download_render")
        # As on their pages of the admin.
        assert browser(User.objects.get()).get(kept.get_download_url()).status_code == 200

    def test_are_nobodys_for_whoever_has_not_logged_in(self, kept, rf):
        from django_craftkit.downloads import own_documents

        request = rf.get("/")
        request.user = AnonymousUser()
        assert own_documents(request, kept) is False
        request.user = user("somebody")
        with pytest.raises(Http404):
            own_documents(request, kept)


class TestAGuest:
    def test_opens_the_document(self, kept):
        response = browser().get(kept.get_download_url(guest=True, expires=60))
        assert response.status_code == 200
        assert body(response) == PDF
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["X-Robots-Tag"] == "noindex"
        assert set(response["Cache-Control"].split(", ")) == {"private", "no-store"}

    @pytest.mark.parametrize("expires", [3600, 3600.5, timedelta(hours=1)])
    def test_opens_it_until_the_link_expires(self, craftkit, kept, expires):
        url = kept.get_download_url(guest=True, expires=expires)
        craftkit.pass_time(3500)
        assert browser().get(url).status_code == 200
        craftkit.pass_time(102)
        response = browser().get(url)
        assert response.status_code == 410
        assert response["Referrer-Policy"] == "no-referrer"
        assert "expired" in response.text

    def test_opens_nothing_with_a_link_that_was_changed(self, kept):
        url = kept.get_download_url(guest=True, expires=60)
        start = len("/craftkit/documents/guest/")
        client = browser()
        for place in range(start, len(url) - 1):
            other = "b" if url[place] == "a" else "a"
            changed = f"{url[:place]}{other}{url[place + 1 :]}"
            # The last character of a signature has bits that nobody reads.
            if place < len(url) - 2:
                assert client.get(changed).status_code == 404, place
        assert client.get(f"{url[:-2]}/").status_code == 404
        assert client.get(f"{url[:start]}{kept.pk}/").status_code == 404

    def test_opens_no_other_document_with_it(self, kept):
        token = kept.get_download_url(guest=True, expires=60).rstrip("/").rpartition("/")[2]
        said, _, signature = token.partition(":")
        other = make_render()
        forged = "-".join([str(other.pk), *said.split("-")[1:]])
        url = f"/craftkit/documents/guest/{forged}:{signature}/"
        assert browser().get(url).status_code == 404

    def test_opens_nothing_with_what_was_signed_for_something_else(self, kept):
        from django.core.signing import Signer

        said = "-".join(map(str, GuestLink.to(kept, 60)))
        for salt in ("django_craftkit.badges", "django.core.signing.Signer"):
            token = Signer(salt=salt).sign(said)
            assert browser().get(f"/craftkit/documents/guest/{token}/").status_code == 404

    def test_opens_nothing_of_another_document_of_the_same_number(self, kept):
        """As another tenant may have, whose tables are signed for by the same key."""
        url = kept.get_download_url(guest=True, expires=60)
        Render.objects.update(requested_at=timezone.now())
        assert browser().get(url).status_code == 410

    def test_opens_nothing_once_it_is_withdrawn_whatever_comes_after(self, craftkit):
        render = Render.objects.request("invoice", {"number": "1"}, key="i-1")
        url = render.get_download_url(guest=True, expires=60)
        assert browser().get(url).status_code == 404
        render.withdraw()
        assert browser().get(url).status_code == 410
        craftkit.run()
        render.refresh_from_db()
        assert render.retry()
        craftkit.run()
        render.refresh_from_db()
        assert (render.status, render.withdrawn_at) == ("succeeded", None)
        assert browser().get(url).status_code == 410
        assert browser().get(render.get_download_url(guest=True, expires=60)).status_code == 200

    def test_opens_nothing_of_a_document_that_is_there_no_more(self, kept):
        url = kept.get_download_url(guest=True, expires=60)
        kept.delete()
        assert browser().get(url).status_code == 410

    def test_keeps_the_link_when_the_secret_key_is_replaced(self, kept, settings):
        url = kept.get_download_url(guest=True, expires=60)
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [django_settings.SECRET_KEY]
        assert browser().get(url).status_code == 200
        settings.SECRET_KEY_FALLBACKS = []
        assert browser().get(url).status_code == 404

    def test_needs_no_session_and_no_user(self, kept, django_assert_num_queries):
        url = kept.get_download_url(guest=True, expires=60)
        browser().get(url)
        # The document, its file, and whether it was recorded lately.
        with django_assert_num_queries(3):
            browser().get(url)


class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        ("status", "words"),
        [("pending", "not ready"), ("queued", "not ready"), ("failed", "no PDF")],
    )
    def test_is_told_in_words(self, staff, status, words):
        render = make_render(status)
        guest = render.get_download_url(guest=True, expires=60)
        for response in (staff.get(render.get_download_url()), browser().get(guest)):
            assert response.status_code == 404
            assert words in response.text
            assert "no-store" in response["Cache-Control"]

    def test_the_page_may_be_the_projects_own(self, staff, settings, tmp_path):
        (tmp_path / "craftkit").mkdir()
        (tmp_path / "craftkit" / "no_download.html").write_text("Sorry: {{ message }}")
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        response = staff.get(make_render("failed").get_download_url())
        assert response.text.startswith("Sorry: ")

    def test_craftkit_has_it_no_more(self, staff, ready, craftkit, caplog):
        craftkit.sandbox.reset()
        response = staff.get(ready.get_download_url())
        assert response.status_code == 410
        (line,) = logged(caplog)
        assert line.startswith(f"A file of render {ready.pk} could not be opened")

    def test_craftkit_is_down(self, staff, ready, craftkit):
        craftkit.sandbox.faults.add("status", status=503)
        response = staff.get(ready.get_download_url())
        assert (response.status_code, response["Retry-After"]) == (503, "60")
        assert not downloaded()


class TestTheArchive:
    def test_is_where_it_comes_from(self, staff, kept, craftkit):
        calls = len(craftkit.sandbox.requests)
        assert body(staff.get(kept.get_download_url())) == PDF
        assert len(craftkit.sandbox.requests) == calls

    @pytest.mark.parametrize("loss", ["gone", "half", "other"])
    def test_has_lost_it_and_craftkit_has_not(self, staff, ready, craftkit, caplog, loss):
        content = {"gone": PDF, "half": PDF[:1000], "other": PDF + PDF}[loss]
        archived = archive(ready, content, size=len(PDF))
        if loss == "gone":
            archive_storage().delete(archived.name)
        caplog.clear()
        response = staff.get(ready.get_download_url())
        assert response.status_code == 200
        assert body(response) == craftkit.renders[0].pdf()
        (line,) = logged(caplog)
        assert line.startswith("The archive did not hand out")
        with ready.open() as file:
            assert file.read() == craftkit.renders[0].pdf()

    def test_has_lost_it_and_so_has_craftkit(self, staff, craftkit, caplog):
        render = make_render()
        archive_storage().delete(archive(render).name)
        caplog.clear()
        response = staff.get(render.get_download_url())
        assert response.status_code == 410
        assert len(logged(caplog)) == 1

    def test_has_a_file_that_ends_early(self, staff, ready, monkeypatch, caplog):
        """Of a storage that can't seek, so that nobody could tell before."""
        archive(ready, PDF[:1000], size=len(PDF))
        monkeypatch.setattr("django_craftkit.models.archive.is_seekable", lambda file: False)
        monkeypatch.setattr("django_craftkit.files.is_seekable", lambda file: False)
        response = staff.get(ready.get_download_url())
        assert response["Content-Length"] == str(len(PDF))
        with pytest.raises(OSError, match="missing"):
            body(response)
        assert logged(caplog)[-1].startswith(f"A download of render {ready.pk} broke off")


class TestCraftkit:
    def test_is_where_it_comes_from_otherwise(self, staff, ready, craftkit):
        response = staff.get(ready.get_download_url())
        content = craftkit.renders[0].pdf()
        assert body(response) == content
        assert response["Content-Length"] == str(len(content))
        assert "Accept-Ranges" not in response
        assert "ETag" not in response
        (call,) = [one for one in craftkit.sandbox.requests if one.path.endswith("/download")]
        assert call.path.startswith("/v1/renders/")

    def test_gives_all_of_it_to_whoever_wants_a_part(self, staff, ready, craftkit):
        response = staff.get(ready.get_download_url(), headers={"range": "bytes=0-9"})
        assert response.status_code == 200
        assert body(response) == craftkit.renders[0].pdf()

    def test_cuts_it_off_and_whoever_downloads_sees_that(self, staff, ready, craftkit, caplog):
        craftkit.sandbox.faults.add("truncated", path="*/download")
        response = staff.get(ready.get_download_url())
        whole = len(craftkit.renders[0].pdf())
        assert response["Content-Length"] == str(whole)
        got = []
        with pytest.raises(CraftkitError):
            got.extend(response.streaming_content)
        assert len(b"".join(got)) < whole
        assert logged(caplog)[-1].startswith(f"A download of render {ready.pk} broke off")
        assert not ArchivedFile.objects.exists()

    def test_is_not_led_to(self, staff, ready, craftkit):
        """No answer has Craftkit's public address, which needs no right and never ends."""
        response = staff.get(ready.get_download_url())
        assert response.status_code == 200
        assert "Location" not in response
        assert "craftkit.sandbox" not in str(response.headers)


LAST = len(PDF) - 1


class TestAPart:
    @pytest.mark.parametrize(
        ("given", "start", "stop"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=0-99", 0, 100),
            ("bytes=100-199", 100, 200),
            ("Bytes = 5 - 6".replace(" ", ""), 5, 7),
            ("bytes=70000-", 70000, LAST + 1),
            (f"bytes={LAST}-{LAST}", LAST, LAST + 1),
            (f"bytes=5-{10**17}", 5, LAST + 1),
            ("bytes=-100", LAST - 99, LAST + 1),
            (f"bytes=-{10**17}", 0, LAST + 1),
        ],
    )
    def test_is_given(self, staff, kept, given, start, stop):
        response = staff.get(kept.get_download_url(), headers={"range": given})
        assert response.status_code == 206
        assert response["Content-Range"] == f"bytes {start}-{stop - 1}/{len(PDF)}"
        assert response["Content-Length"] == str(stop - start)
        assert response["Accept-Ranges"] == "bytes"
        assert body(response) == PDF[start:stop]

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=0-1,5-6",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=-1-2",
            "bytes=٣-٤",
            "bytes=1",
            f"bytes=0-{'9' * 100}",
            "pages=1-2",
        ],
    )
    def test_that_is_none_is_all_of_it(self, staff, kept, given):
        given = given.encode().decode("latin-1")
        response = staff.get(kept.get_download_url(), headers={"range": given})
        assert response.status_code == 200
        assert "Content-Range" not in response
        assert body(response) == PDF

    @pytest.mark.parametrize(
        "given", [f"bytes={LAST + 1}-", f"bytes={10**17}-{10**17}", "bytes=-0"]
    )
    def test_beyond_the_end_is_refused(self, staff, kept, given):
        response = staff.get(kept.get_download_url(), headers={"range": given})
        assert response.status_code == 416
        assert response["Content-Range"] == f"bytes */{len(PDF)}"
        assert response.content == b""
        assert not downloaded()

    def test_continues_only_the_same_file(self, staff, kept):
        url = kept.get_download_url()
        etag = staff.get(url)["ETag"]
        wants = {"range": "bytes=5-"}
        assert staff.get(url, headers={**wants, "if-range": etag}).status_code == 206
        for other in ('"other"', f"W/{etag}", "Wed, 21 Oct 2015 07:28:00 GMT", ""):
            assert staff.get(url, headers={**wants, "if-range": other}).status_code == 200

    def test_is_no_second_download(self, staff, kept):
        url = kept.get_download_url()
        staff.get(url, headers={"range": "bytes=5-"})
        assert not downloaded()
        staff.get(url, headers={"range": "bytes=0-4"})
        assert downloaded() == 1


class TestTheOtherAddresses:
    """Of the admin and of the API: the same answers."""

    @pytest.fixture(params=["admin", "api"])
    def desk(self, request, kept) -> tuple[Client, str]:
        boss = browser(User.objects.create_superuser("boss"))
        path = {"admin": "/admin/craftkit/render/{}/pdf/", "api": "/api/craftkit/renders/{}/pdf/"}
        return boss, path[request.param].format(kept.pk)

    def test_give_a_part(self, desk):
        client, path = desk
        response = client.get(path, headers={"range": "bytes=5-9"})
        assert (response.status_code, body(response)) == (206, PDF[5:10])
        assert not EngagementEvent.objects.exists()
        assert not LogEntry.objects.exists()
        assert client.get(path, headers={"range": f"bytes={LAST + 1}-"}).status_code == 416

    def test_give_the_file_its_name(self, desk, kept):
        client, path = desk
        Render.objects.update(filename="契約.pdf")
        assert "%E5%A5%91%E7%B4%84.pdf" in client.get(path)["Content-Disposition"]

    def test_give_craftkits_where_the_archive_has_lost_it(self, desk, craftkit):
        client, path = desk
        archive_storage().delete(ArchivedFile.objects.get().name)
        assert body(client.get(path)) == craftkit.renders[0].pdf()


class TestHead:
    @pytest.mark.parametrize("is_archived", [True, False])
    def test_says_what_get_would_without_the_file(self, staff, ready, craftkit, is_archived):
        if is_archived:
            archive(ready)
        url = ready.get_download_url()
        head, got = staff.head(url), staff.get(url)
        assert head.status_code == 200
        assert head.content == b""
        assert dict(head.items()) == dict(got.items())

    def test_of_a_part_is_that_of_the_whole(self, staff, kept):
        head = staff.head(kept.get_download_url(), headers={"range": "bytes=0-4"})
        assert (head.status_code, head["Content-Length"]) == (200, str(len(PDF)))

    def test_is_no_download(self, staff, kept):
        staff.head(kept.get_download_url())
        assert not downloaded()

    @pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
    def test_nothing_else_is_answered(self, staff, kept, method):
        assert getattr(staff, method)(kept.get_download_url()).status_code == 405


class TestTheName:
    @pytest.mark.parametrize(
        ("filename", "header"),
        [
            ("", 'inline; filename="invoice-{pk}.pdf"'),
            ("Invoice 7.pdf", 'inline; filename="Invoice 7.pdf"'),
            ("Invoice 7", 'inline; filename="Invoice 7.pdf"'),
            ("Ναύλο.PDF", "inline; filename*=utf-8''%CE%9D%CE%B1%CF%8D%CE%BB%CE%BF.PDF"),
            ("契約.pdf", "inline; filename*=utf-8''%E5%A5%91%E7%B4%84.pdf"),
            ('a";b.pdf', r'inline; filename="a\";b.pdf"'),
        ],
    )
    def test_is_right_in_any_script(self, staff, kept, filename, header):
        Render.objects.update(filename=filename)
        response = staff.get(kept.get_download_url())
        assert response["Content-Disposition"] == header.replace("{pk}", str(kept.pk))


class TestTheRecord:
    def test_is_one_in_five_minutes(self, staff, kept, craftkit):
        for _ in range(2):
            staff.get(kept.get_download_url())
        browser().get(kept.get_download_url(guest=True, expires=60))
        event = EngagementEvent.objects.get(type="downloaded")
        assert event.metadata == {"source": "site"}
        craftkit.run()
        kept.refresh_from_db()
        assert kept.counts["downloaded"] == 1
        EngagementEvent.objects.update(occurred_at=timezone.now() - timedelta(minutes=6))
        browser().get(kept.get_download_url(guest=True, expires=60))
        newest = EngagementEvent.objects.filter(type="downloaded").latest("pk")
        assert newest.metadata == {"source": "guest link"}

    @pytest.mark.parametrize("url", ["site", "admin"])
    def test_that_fails_leaves_no_file_open(self, admin_client, kept, monkeypatch, url):
        closed: list[str] = []
        open_file = Render.open_file

        def noted(self, **how):
            opened = open_file(self, **how)
            monkeypatch.setattr(opened.file, "close", lambda: closed.append(url))
            return opened

        monkeypatch.setattr(Render, "open_file", noted)
        before_writing(monkeypatch, EngagementEvent, failing)
        page = reverse("admin:craftkit_render_pdf", args=[kept.pk])
        admin_client.raise_request_exception = False
        response = admin_client.get(kept.get_download_url() if url == "site" else page)
        assert response.status_code == 500
        assert closed == [url]

    def test_is_none_where_settings_say_so(self, staff, kept, settings):
        settings.CRAFTKIT = {"RECORD_DOWNLOADS": False}
        staff.get(kept.get_download_url())
        assert not downloaded()

    def test_is_none_of_what_craftkit_does_not_have(self, staff):
        render = make_render()
        archive(render)
        assert staff.get(render.get_download_url()).status_code == 200
        assert not downloaded()


@pytest.mark.django_db(transaction=True, databases="__all__")
class TestATransaction:
    def test_is_kept_out_for_every_database(self, ready):
        for url in (ready.get_download_url(), ready.get_download_url(guest=True, expires=60)):
            assert resolve(url).func._non_atomic_requests == set(connections)

    def test_is_not_open_while_craftkit_is_called(self, staff, ready, craftkit, monkeypatch):
        for one in connections.all():
            monkeypatch.setitem(one.settings_dict, "ATOMIC_REQUESTS", True)
        asked = Render._open_remote
        seen = []

        def opening(self, timeout):
            seen.append(is_in_transaction(connections[database()]))
            return asked(self, timeout)

        monkeypatch.setattr(Render, "_open_remote", opening)
        for url in (ready.get_download_url(), ready.get_download_url(guest=True, expires=60)):
            assert staff.get(url).status_code == 200
        assert seen == [False, False]


def test_no_page_no_answer_and_no_tag_hands_out_craftkits_public_address():
    """Craftkit serves every PDF at an address that needs no right and never ends."""
    from tests.docs.pages import ROOT

    package = ROOT / "django_craftkit"
    # Where it is left out, or cut out of what Craftkit has sent; and what stands in for Craftkit.
    known = {
        "privacy.py",
        "admin/common/truncate.py",
        "client/renders.py",
        "client/types.py",
        "testing/webhooks.py",
    }
    named = {
        str(path.relative_to(package))
        for path in package.rglob("*")
        if path.suffix in (".py", ".html", ".js") and "sandbox" not in path.parts
        if re.search(r"downloadUrl|download_url\b(?!\()", _plain(path.read_text()))
    }
    assert named == known


def _plain(text: str) -> str:
    """Return source without this site's own addresses."""
    return text.replace("get_download_url", "").replace("craftkit_download_url", "")
