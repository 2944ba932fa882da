from __future__ import annotations

import threading
import uuid

import pytest

from django_craftkit.sandbox import Polls, Sandbox
from tests.sandbox.conftest import DATA, INVOICE, Api


def test_a_render_is_queued_first_and_done_at_the_first_look(api, clock):
    answer = api.render()

    assert answer.status_code == 202
    receipt = answer.json()
    assert uuid.UUID(receipt["id"]).version == 7
    assert receipt == {
        "id": receipt["id"],
        "status": "queued",
        "pollUrl": f"http://127.0.0.1:9100/v1/renders/{receipt['id']}",
        "downloadUrl": None,
        "errorMessage": None,
        "createdAt": "2026-06-05T10:00:00.000Z",
    }
    render = api.get(receipt["pollUrl"]).json()
    url = render.pop("downloadUrl")
    assert url.startswith("http://127.0.0.1:9100/files/renders/")
    assert render == {
        "id": receipt["id"],
        "status": "succeeded",
        "pollUrl": receipt["pollUrl"],
        "errorMessage": None,
        "createdAt": "2026-06-05T10:00:00.000Z",
        "completedAt": "2026-06-05T10:00:00.000Z",
        "durationMs": 0,
    }


def test_a_render_can_take_seconds_of_the_clock(api, sandbox, clock):
    sandbox.render_time = 2.0
    path = f"/v1/renders/{api.render().json()['id']}"

    statuses = []
    for _ in range(5):
        statuses.append(api.get(path).json()["status"])
        clock.advance(0.5)

    assert statuses == ["queued", "rendering", "rendering", "rendering", "succeeded"]
    done = api.get(path).json()
    assert done["durationMs"] == 2000
    assert done["completedAt"] == "2026-06-05T10:00:02.000Z"


@pytest.mark.parametrize(
    ("polls", "statuses"),
    [
        (0, ["succeeded"]),
        (1, ["rendering", "succeeded"]),
        (3, ["queued", "rendering", "rendering", "succeeded", "succeeded"]),
    ],
)
def test_a_render_can_take_a_number_of_polls(api, sandbox, polls, statuses):
    sandbox.render_time = Polls(polls)
    path = f"/v1/renders/{api.render().json()['id']}"

    assert [api.get(path).json()["status"] for _ in statuses] == statuses


def test_a_render_without_a_time_waits_until_it_is_told(api, sandbox, clock):
    sandbox.render_time = None
    first, second = (f"/v1/renders/{api.render().json()['id']}" for _ in range(2))
    clock.advance(1e6)
    assert api.get(first).json()["status"] == "queued"

    sandbox.renders[0].finish()
    sandbox.renders[1].fail("Out of paper")

    assert api.get(first).json()["status"] == "succeeded"
    assert api.get(second).json()["errorMessage"] == "Out of paper"
    with pytest.raises(ValueError, match="has ended"):
        sandbox.renders[0].fail("too late")


def test_a_render_fails_when_it_is_told_to(api, sandbox):
    sandbox.put_template("offer", manifest=INVOICE)
    sandbox.faults.add("render_failed", template="invoice", message="Font not found")

    fine = api.get(f"/v1/renders/{api.render(slug='offer').json()['id']}").json()
    failed = api.get(f"/v1/renders/{api.render().json()['id']}").json()
    later = api.get(f"/v1/renders/{api.render().json()['id']}").json()

    assert [fine["status"], failed["status"], later["status"]] == [
        "succeeded",
        "failed",
        "succeeded",
    ]
    assert failed["errorMessage"] == "Font not found"
    assert failed["downloadUrl"] is None
    assert failed["completedAt"] is not None
    answer = api.get(f"/v1/renders/{failed['id']}/download")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_ready")


def test_the_same_key_gets_the_same_render_in_its_current_state(api, sandbox, clock):
    sandbox.render_time = 1.0
    first = api.render(key="handover-7")
    clock.advance(5)

    again = api.render({"other": "data"}, key="handover-7")

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["status"] == "succeeded"
    assert again.json()["downloadUrl"]
    assert "completedAt" not in again.json()
    assert len(sandbox.renders) == 1
    assert sandbox.renders[0].idempotency_key == "handover-7"


def test_a_replay_answers_even_when_the_template_is_gone(api):
    first = api.render(key="k").json()["id"]
    api.delete("/v1/templates/invoice")

    assert api.render(key="k").json()["id"] == first
    assert api.render(key="other").status_code == 404


def test_a_failed_render_is_replayed_as_failed(api, sandbox):
    sandbox.faults.add("render_failed", message="No")
    api.render(key="k")

    replay = api.render(key="k").json()

    assert (replay["status"], replay["errorMessage"]) == ("failed", "No")


def test_the_job_id_is_a_key_too_and_the_header_wins(api):
    first = api.render(jobId="job-1").json()["id"]

    assert api.render(jobId="job-1").json()["id"] == first
    assert api.render(key="job-1").json()["id"] == first
    assert api.render(key="other", jobId="job-1").json()["id"] != first
    assert api.render(jobId="").status_code == 400
    assert api.render(jobId="x" * 201).status_code == 400


def test_without_a_key_nothing_is_the_same(api):
    assert api.render().json()["id"] != api.render().json()["id"]


def test_a_refused_call_does_not_use_up_its_key(api):
    assert api.render({}, key="k").status_code == 400
    assert api.render(key="k").status_code == 202


def test_of_calls_at_one_time_with_one_key_one_makes_the_render(sandbox):
    threads, answers, ready = 8, [], threading.Barrier(8)

    def call() -> None:
        api = Api(sandbox.session(), "https://api.craftkit.test")
        ready.wait()
        answers.append(api.render(key="one"))

    running = [threading.Thread(target=call) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(sandbox.renders) == 1


def test_projects_share_neither_keys_nor_templates_nor_renders(clock):
    sandbox = Sandbox(clock=clock, api_keys={"ck_a": "north", "ck_a2": "north", "ck_b": "south"})
    for project in ("north", "south"):
        sandbox.put_template("invoice", manifest=INVOICE, project=project)
    sandbox.put_template("only-north", manifest=INVOICE, project="north")
    base = "https://api.craftkit.test"
    north, second, south = (Api(sandbox.session(), base, key) for key in ("ck_a", "ck_a2", "ck_b"))

    ours = north.render(key="same").json()["id"]

    assert second.render(key="same").json()["id"] == ours
    assert south.render(key="same").json()["id"] != ours
    assert second.get(f"/v1/renders/{ours}").status_code == 200
    assert south.get(f"/v1/renders/{ours}").json()["error"]["code"] == "not_found"
    assert south.get("/v1/templates/only-north").status_code == 404
    assert [render.project.name for render in sandbox.renders] == ["north", "south"]


def test_the_pdf_comes_by_three_ways(api, guest):
    render = api.get(f"/v1/renders/{api.render().json()['id']}").json()

    attached = api.get(f"/v1/renders/{render['id']}/download", stream=True)
    inline = api.get(f"/v1/embed/renders/{render['id']}/download")
    public = guest.get(render["downloadUrl"])

    assert attached.headers["Content-Type"] == "application/pdf"
    assert attached.headers["Content-Disposition"] == f'attachment; filename="{render["id"]}.pdf"'
    content = b"".join(attached.iter_content(512))
    assert int(attached.headers["Content-Length"]) == len(content)
    assert content.startswith(b"%PDF-")
    assert inline.headers["Content-Disposition"].startswith("inline")
    assert inline.headers["Cache-Control"] == "private, max-age=3600"
    assert content == inline.content == public.content


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("invoice-2026-005.pdf", 'attachment; filename="invoice-2026-005.pdf"'),
        ('a"b\r\nX-Evil: 1/../c.pdf', 'attachment; filename="abX-Evil: 1..c.pdf"'),
        ("Rechnung Grün.pdf", "attachment; filename*=UTF-8''Rechnung%20Gr%C3%BCn.pdf"),
    ],
)
def test_a_file_name_that_was_asked_for_is_given(api, filename, header):
    render_id = api.render(options={"filename": filename}).json()["id"]

    answer = api.get(f"/v1/renders/{render_id}/download")

    assert answer.headers["Content-Disposition"] == header


def test_there_is_no_pdf_before_the_end(api, sandbox, guest):
    sandbox.render_time = None
    render_id = api.render().json()["id"]

    assert api.get(f"/v1/renders/{render_id}/download").json()["error"]["code"] == "not_ready"
    embed = api.get(f"/v1/embed/renders/{render_id}/download")
    assert (embed.status_code, embed.json()) == (404, {"error": "not_found"})
    render = sandbox.renders[0]
    public = f"/files/renders/{render.project.id}/{render.id}.pdf"
    assert guest.get(public).status_code == 404


def test_without_a_public_bucket_there_is_no_download_url(clock):
    sandbox = Sandbox(clock=clock, public_bucket=False)
    sandbox.put_template("invoice", manifest=INVOICE)
    api = Api(sandbox.session(), "https://api.craftkit.test")

    render = api.get(f"/v1/renders/{api.render().json()['id']}").json()

    assert (render["status"], render["downloadUrl"]) == ("succeeded", None)


@pytest.mark.parametrize("render_id", ["nothing", "0193c2c3-1111-7aaa-8bbb-000000000001", "%2e%2e"])
def test_what_is_no_render_of_the_project_is_not_found(api, render_id):
    for path in ("", "/download", "/shares", "/engagement"):
        answer = api.get(f"/v1/renders/{render_id}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"data": {"total": NaN}}', "invalid_json"),
        (b'{"data": "\xff"}', "invalid_json"),
        (b'{"data": {"total": ' + b"9" * 5000 + b"}}", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"[]", "invalid_request"),
        (b"{}", "invalid_request"),
        (b'{"data": []}', "invalid_request"),
        (b'{"data": {}, "options": {"versionNumber": 1.5}}', "invalid_request"),
        (b'{"data": {}, "options": {"versionNumber": true}}', "invalid_request"),
        (b'{"data": {}, "options": {"versionNumber": 1e999}}', "invalid_request"),
        (b'{"data": {}, "options": {"sync": 1}}', "invalid_request"),
    ],
)
def test_a_body_that_is_none_is_refused(api, body, code):
    answer = api("POST", "/v1/templates/invoice/render", data=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


def test_the_data_that_were_kept_can_be_looked_at(api, sandbox):
    api.render({**DATA, "total": "42", "unknown": 1})

    assert sandbox.renders[0].data == {
        "customer": {"name": "Ada Lovelace"},
        "total": 42,
        "lines": [],
    }
    assert sandbox.renders[0].template == "invoice"
    assert sandbox.renders[0].status == "succeeded"


def test_a_lenient_sandbox_takes_any_template_and_any_data(clock):
    sandbox = Sandbox(clock=clock, lenient=True)
    api = Api(sandbox.session(), "https://api.craftkit.test")
    data = {"a": {"b": None}, "rows": [{"x": 1}, {"y": [2]}], "list": [1, "two"]}

    answer = api.render(data, slug="never-seen")

    assert answer.status_code == 202
    assert sandbox.renders[0].data == data
    download = api.get(f"/v1/renders/{answer.json()['id']}/download")
    assert download.content.startswith(b"%PDF-")
    assert api.get("/v1/templates/never-seen").json()["published"] is True
    assert api.get("/v1/templates/Never Seen").status_code == 404


def test_a_strict_sandbox_can_have_one_template_that_takes_any_data(api, sandbox):
    sandbox.put_any_template("notes", name="Notes")

    assert api.render({"anything": [1]}, slug="notes").status_code == 202
    assert sandbox.renders[0].data == {"anything": [1]}
    assert api.render(slug="other").status_code == 404
