"""The look of the sandbox's pages: one frame, one style sheet, no asset from elsewhere."""

from __future__ import annotations

import json
import secrets
from html import escape
from typing import TYPE_CHECKING, Final, TypeVar

from werkzeug.wrappers import Response

from django_craftkit.sandbox.core.moments import moment_in_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")

_SHOWN: Final = 50
_STYLE: Final = """
:root { color-scheme: light dark;
  --ground: #f4f5f7; --paper: #fff; --ink: #1c2028; --faint: #5d6675; --line: #dde1e7;
  --accent: #2255cc; --on-accent: #fff; --shade: 0 1px 2px rgb(20 30 50 / 6%), 0 8px 24px
  rgb(20 30 50 / 6%); }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171c; --paper: #1d2128; --ink: #e9ecf1; --faint: #9ba5b4; --line: #343b46;
  --accent: #8db2ff; --on-accent: #0d1626; --shade: none; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
main.wide { max-width: 84rem; }
.brand { color: var(--faint); font-size: .8125rem; letter-spacing: .02em; margin: 0 0 1rem; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: .75rem;
  box-shadow: var(--shade); padding: 1.5rem; margin-bottom: 1rem; overflow-wrap: anywhere; }
h1 { font-size: clamp(1.375rem, 1rem + 2vw, 1.875rem); line-height: 1.2; margin: 0 0 .375rem;
  text-wrap: balance; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
p { margin: 0 0 .5rem; } .faint { color: var(--faint); }
blockquote { margin: 1rem 0 0; padding: .125rem 0 .125rem .875rem; white-space: pre-wrap;
  border-left: 3px solid var(--accent); }
.actions { display: flex; flex-wrap: wrap; gap: .625rem; margin-top: 1.25rem; }
.actions form { display: contents; }
.button { font: inherit; font-weight: 600; padding: .5625rem 1.125rem; border-radius: .5rem;
  border: 1px solid var(--line); background: none; color: inherit; text-decoration: none;
  cursor: pointer; min-height: 2.75rem; display: inline-flex; align-items: center; }
.button:hover { border-color: currentColor; }
.button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.button.main:hover { filter: brightness(1.08); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
details[open] { flex: 1 1 100%; } summary { list-style: none; width: fit-content; }
summary::-webkit-details-marker { display: none; }
label { display: block; font-weight: 600; margin: 1rem 0 .375rem; }
textarea { font: inherit; color: inherit; background: var(--ground); width: 100%;
  min-height: 6rem; padding: .625rem .75rem; border: 1px solid var(--line);
  border-radius: .5rem; display: block; margin-bottom: .75rem; }
.viewer { width: 100%; height: min(80vh, 70rem); border: 1px solid var(--line);
  border-radius: .75rem; background: var(--paper); display: block; }
@media (max-width: 40rem) { .viewer { display: none; } .actions .button { flex: 1 1 100%;
  justify-content: center; } .actions details { flex: 1 1 100%; }
  .actions details .button { width: 100%; } }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; padding: .375rem .75rem .375rem 0; border-top: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; }
th { color: var(--faint); font-weight: 600; border-top: 0; }
a { color: var(--accent); } img { display: block; }
@media print { body { background: none; } .actions, .brand { display: none; } }
"""


def page(
    title: str,
    body: str,
    *,
    status: int = 200,
    script: str = "",
    style: str = "",
    config: object = None,
    wide: bool = False,
    framed_by: Sequence[str] | None = None,
) -> Response:
    """A whole HTML page; `body` is HTML, `title` is text. Nothing may cache it.

    `config` is what the script finds as JSON in the element of this id. `framed_by` are the
    origins that may frame the page: any if there are none on the list, and none if there is no
    list. The address of a page that may be framed goes nowhere as a referrer.
    """
    nonce = secrets.token_urlsafe(16)
    ancestors = "'none'" if framed_by is None else " ".join(framed_by) or "*"
    frames = "'self'" if framed_by is None else "'self' blob:"
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style nonce="{nonce}">{_STYLE}{style}</style>
</head>
<body>
<main{' class="wide"' if wide else ""}>
<p class="brand">Craftkit sandbox</p>
{body}
</main>
{_json(config)}
{f'<script nonce="{nonce}">{script}</script>' if script else ""}
</body>
</html>
"""
    return Response(
        # A lone surrogate from somebody's JSON must not break the page it is shown on.
        html.encode("utf-8", "replace"),
        status,
        content_type="text/html; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin" if framed_by is None else "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
                f"img-src 'self' data:; frame-src {frames}; connect-src 'self'; "
                f"form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
            ),
        },
    )


def _json(config: object) -> str:
    """A block of data, in which nothing can end the block."""
    if config is None:
        return ""
    text = json.dumps(config).replace("<", "\\u003c")
    return f'<script type="application/json" id="config">{text}</script>'


class Html(str):
    """HTML, in which nothing is left to be escaped."""

    __slots__ = ()


def link(url: str | None, text: str) -> Html:
    """A link, or the text alone."""
    return Html(f'<a href="{escape(url)}">{escape(text)}</a>' if url else escape(text))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, or nothing if it has no rows; cells are text, but for `Html`."""
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    if not lines:
        return ""
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody>'
        "</table></div>"
    )


def _cell(content: object) -> str:
    return f"<td>{content if isinstance(content, Html) else escape(str(content))}</td>"


def newest(items: Iterable[T]) -> list[T]:
    """The last 50, the last one first."""
    return list(items)[: -_SHOWN - 1 : -1]


def notice(
    title: str, text: str, status: int, *, framed_by: Sequence[str] | None = None
) -> Response:
    """A page that only says something."""
    body = f'<div class="card"><h1>{escape(title)}</h1><p class="faint">{escape(text)}</p></div>'
    return page(title, body, status=status, framed_by=framed_by)


def day(moment: float) -> str:
    """The day of a moment, for people: `5 June 2026`."""
    date = moment_in_utc(moment)
    return f"{date.day} {date:%B %Y}"


def minute(moment: float) -> str:
    """A moment, for people: `5 June 2026, 10:00 UTC`."""
    return f"{day(moment)}, {moment_in_utc(moment):%H:%M} UTC"


def not_found_page() -> Response:
    """What a browser gets for an address that is none."""
    return notice("Nothing here", "This address does not lead anywhere.", 404)


def redirect_page(address: str) -> Response:
    """What leads a browser elsewhere, and tells a program that it called no API."""
    response = notice("Not the API", "There is no API at this address.", 302)
    response.headers["Location"] = address
    return response


def proxy_page(status: int, body: str | None) -> Response:
    """What a proxy sends when it has its own opinion: HTML where JSON was expected."""
    html = body or (
        f"<html>\r\n<head><title>{status} Bad Gateway</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} Bad Gateway</h1></center>\r\n<hr><center>proxy</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return Response(html, status, content_type="text/html")
