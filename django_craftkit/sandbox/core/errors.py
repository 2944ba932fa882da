"""What Craftkit refuses, and why; `http/answers.py` makes an answer of it."""

from __future__ import annotations

from dataclasses import dataclass, field


class Refusal(ValueError):
    """What was called for is not done: a stable `code`, a message for people, `issues`."""

    def __init__(self, code: str, message: str, issues: Issues | None = None) -> None:
        super().__init__(message if issues is None else f"{message} {issues}")
        self.code = code
        self.message = message
        self.issues = None if issues is None else issues.as_json()


@dataclass
class Issues:
    """What is wrong with an input, in the shape of Zod's `flatten()`; paths are dotted."""

    form: list[str] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: str, message: str) -> None:
        """Note `message` at `path`; an empty path is the body itself."""
        if path:
            self.fields.setdefault(path, []).append(message)
        else:
            self.form.append(message)

    def refuse(
        self,
        code: str = "invalid_request",
        message: str = "Request body did not match expected shape.",
    ) -> None:
        """Raise `Refusal` if anything was noted."""
        if self.form or self.fields:
            raise Refusal(code, message, self)

    def as_json(self) -> dict[str, object]:
        """The `issues` of an answer."""
        return {"formErrors": self.form, "fieldErrors": self.fields}

    def __str__(self) -> str:
        fields = [f"{path}: {', '.join(messages)}" for path, messages in self.fields.items()]
        return "; ".join([*self.form, *fields])
