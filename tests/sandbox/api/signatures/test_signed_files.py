"""The signed PDF and the certificate: what is in them, and from when on."""

from __future__ import annotations

import io

import pytest
import requests
from pypdf import PdfReader

from django_craftkit.sandbox import SandboxServer
from tests.sandbox.api.signatures.conftest import (
    ADA,
    BEN,
    CAT,
    EVA,
    PATH,
    person,
    refusal,
)
from tests.sandbox.conftest import Api


def text(content):
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def test_the_signed_pdf_has_the_pages_of_the_render_and_who_signed_when(api, ask, sandbox, clock):
    sent = ask(person(ADA, lastName="Lovelace"), person(CAT, designation="CC"))
    clock.advance(90)
    sandbox.sign(sent["id"], ADA)
    shown = api.get(f"{PATH}/{sent['id']}").json()

    answer = api.get(shown["signedDownloadUrl"])

    address = f"{sandbox.public_url}{PATH}/{sent['id']}"
    assert shown["signedDownloadUrl"] == f"{address}/download"
    assert shown["certificateUrl"] == f"{address}/certificate"
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/pdf"
    disposition = f'attachment; filename="{sent["id"]}-signed.pdf"'
    assert answer.headers["Content-Disposition"] == disposition
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    original = PdfReader(io.BytesIO(sandbox.renders[0].pdf()))
    signed = PdfReader(io.BytesIO(answer.content))
    assert len(signed.pages) == len(original.pages) + 1
    for before, after in zip(original.pages, signed.pages, strict=False):
        lines = before.extract_text().splitlines()
        assert lines[:-1] == after.extract_text().splitlines()[:-1]  # the last one counts pages
    stamp = signed.pages[-1].extract_text()
    for wanted in ("Ada Lovelace", ADA, "2026-06-05 10:01:30 UTC", sent["id"]):
        assert wanted in stamp
    assert CAT not in stamp


def test_the_certificate_tells_what_happened(api, sandbox, crew, clock):
    for email in (ADA, BEN, EVA):
        clock.advance(60)
        sandbox.sign(crew, email)

    answer = api.get(f"{PATH}/{crew}/certificate")

    assert answer.headers["Content-Type"] == "application/pdf"
    disposition = f'attachment; filename="{crew}-certificate.pdf"'
    assert answer.headers["Content-Disposition"] == disposition
    written = text(answer.content)
    for wanted in (crew, "Charter handover", "Certificate of completion", ADA, BEN, EVA, CAT):
        assert wanted in written
    for wanted in ("Sent", "Viewed", "Signed", "Approved", "Completed"):
        assert wanted in written
    for minute in range(4):
        assert f"2026-06-05 10:0{minute}:00 UTC" in written


@pytest.mark.parametrize("name", ["Ελένη", "Владимир", "山田太郎", "नमस्ते", "Łukasz 🚢"])
def test_names_of_any_script_can_be_read_from_both_papers(api, ask, sandbox, name):
    request_id = ask({"firstName": name, "email": ADA}, name=f"{name} & co")["id"]
    sandbox.sign(request_id, ADA)

    for paper in ("download", "certificate"):
        written = text(api.get(f"{PATH}/{request_id}/{paper}").content)
        assert name in written
        assert f"{name} & co" in written
        assert ADA in written


@pytest.mark.parametrize("name", ["\ud800half", "\x00\x1b", "x" * 100, "<b>**--__", "שלום محمد"])
def test_no_name_keeps_the_papers_from_being_written(api, ask, sandbox, name, guest):
    request_id = ask({"firstName": name, "email": ADA}, name="\ud800" + "W" * 254)["id"]
    assert guest.get(sandbox.signature_mails[0].signing_url).status_code == 200
    sandbox.sign(request_id, ADA)

    for paper in ("download", "certificate"):
        assert ADA in text(api.get(f"{PATH}/{request_id}/{paper}").content)


@pytest.mark.parametrize("paper", ["download", "certificate"])
def test_a_paper_is_the_same_bytes_each_time(api, ask, sandbox, paper):
    request_id = ask({"firstName": "山田", "email": ADA})["id"]
    sandbox.sign(request_id, ADA)
    path = f"{PATH}/{request_id}/{paper}"

    assert api.get(path).content == api.get(path).content


def test_papers_are_streamed(api, ask, sandbox):
    request_id = ask()["id"]
    sandbox.sign(request_id, ADA)
    with SandboxServer(sandbox) as server, requests.Session() as session:
        far = Api(session, server.url)
        answer = far.get(f"{PATH}/{request_id}/download", stream=True)
        got = b"".join(answer.iter_content(1000))

    assert got.startswith(b"%PDF-")
    assert len(got) == int(answer.headers["Content-Length"])
    assert got == api.get(f"{PATH}/{request_id}/download").content


def test_before_the_end_there_are_no_papers(api, ask, sandbox):
    path = f"{PATH}/{ask()['id']}"

    def check_refused(status):
        for paper in ("download", "certificate"):
            answer = api.get(f"{path}/{paper}")
            assert refusal(answer) == (409, "conflict")
            assert status in answer.json()["error"]["message"]

    check_refused("sent")
    api.post(f"{path}/cancel")
    check_refused("cancelled")


def test_papers_come_a_while_after_the_completion(api, ask, sandbox, clock):
    sandbox.archive_delay = 30
    request_id = ask()["id"]
    path = f"{PATH}/{request_id}"
    clock.advance(3600)
    sandbox.sign(request_id, ADA)

    def papers():
        shown = api.get(path).json()
        assert shown["status"] == "completed"
        codes = [api.get(f"{path}/{paper}").status_code for paper in ("download", "certificate")]
        links = shown["signedDownloadUrl"], shown["certificateUrl"]
        assert [code == 200 for code in codes] == [link is not None for link in links]
        return codes

    clock.advance(29)
    assert papers() == [409, 409]
    clock.advance(1)
    assert papers() == [200, 200]


@pytest.mark.parametrize(("certificate", "codes"), [(5, [409, 200]), (60, [200, 409])])
def test_the_certificate_can_have_a_delay_of_its_own(api, ask, sandbox, clock, certificate, codes):
    sandbox.archive_delay, sandbox.certificate_delay = 30, certificate
    request_id = ask()["id"]
    sandbox.sign(request_id, ADA)
    clock.advance(5 if certificate < 30 else 30)

    shown = api.get(f"{PATH}/{request_id}").json()

    assert [
        api.get(f"{PATH}/{request_id}/{paper}").status_code for paper in ("download", "certificate")
    ] == codes
    assert (shown["signedDownloadUrl"] is None) is (codes[0] == 409)
    assert (shown["certificateUrl"] is None) is (codes[1] == 409)
