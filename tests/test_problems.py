"""What went wrong is stored as a code and what belongs to it, and worded for whoever reads it."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from django_craftkit.client import CraftkitError
from django_craftkit.models.problems import NO_PROBLEM, ErrorCode, Problem, StepError


@pytest.mark.parametrize("code", ErrorCode)
def test_each_code_has_a_text_in_the_readers_language(code):
    with override("en"):
        english = str(Problem(code, "xyz"))
    with override("de"):
        german = str(Problem(code, "xyz"))
    assert "xyz" in english
    assert "xyz" in german
    assert english != german
    assert "%" not in english + german


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        pytest.param(NO_PROBLEM, "", id="none"),
        pytest.param(Problem(detail="KeyError: 'x'"), "KeyError: 'x'", id="an exception's words"),
        pytest.param(Problem("conflict", "Too late."), "Too late.", id="Craftkit's words"),
        pytest.param(Problem("conflict"), "", id="Craftkit's code without words"),
        pytest.param(
            Problem(ErrorCode.WORKERS_ENDED, "4"), "4 workers ended while on it.", id="a value"
        ),
        pytest.param(
            Problem(ErrorCode.RENDER_FAILED, "No ink."),
            "Its document has ended without a PDF. No ink.",
            id="words that follow",
        ),
        pytest.param(
            Problem(ErrorCode.RENDER_FAILED, ErrorCode.WITHDRAWN),
            "Its document has ended without a PDF. It was withdrawn before it was sent.",
            id="a code that follows",
        ),
        pytest.param(
            Problem("expired", "The file's time is over."),
            "It had expired before it could be sent. The file's time is over.",
            id="a code of Craftkit's that is one of ours as well",
        ),
        pytest.param(
            Problem(ErrorCode.SOURCE_GONE, "100 %(x)s %d"),
            "100 %(x)s %d does not exist any more.",
            id="a value with placeholders",
        ),
    ],
)
def test_words_of_others_are_never_left_out(problem, text):
    with override("en"):
        assert str(problem) == text
    assert bool(problem) == bool(problem.code or problem.detail)


def test_an_error_becomes_a_problem_that_every_database_can_store():
    assert Problem.of(KeyError("x")) == Problem(detail="KeyError: 'x'")
    assert Problem.of(StepError(ErrorCode.WORKERS_ENDED, 4)) == Problem("workers_ended", "4")
    refused = Problem.of(CraftkitError("No.", code="c" * 100))
    assert (refused.code, "No." in refused.detail) == ("c" * 64, True)
    assert Problem("x", "a\0b").columns == {"error_code": "x", "error": "ab"}
