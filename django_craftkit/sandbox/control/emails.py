"""The e-mails that were sent, as a page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from django_craftkit.sandbox.core.signatures import SignatureMail
from django_craftkit.sandbox.http.routing import Routes
from django_craftkit.sandbox.pages.emails import letter, signature_letter
from django_craftkit.sandbox.pages.frame import SHOWN, link, newest, page

from .access import PREFIX

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.emails import Mail
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="control")


@routes("GET", PREFIX + "/mails")
def mails(call: Call) -> Response:
    """The newest 50 e-mails with their text and link; to look at them here opens none."""
    state = call.state
    sent: list[Mail | SignatureMail] = [*state.mails(), *state.signature_mails()]
    sent.sort(key=lambda mail: mail.sent_at)
    off = [project.slug for project in state.projects.values() if not project.email_configured]
    notes = [f"E-mail is not configured in {name}." for name in off]
    if not sent:
        notes.append("None yet.")
    elif len(sent) > SHOWN:
        notes.append(f"The newest {SHOWN} of {len(sent)}.")
    head = "".join(f'<p class="faint">{escape(note)}</p>' for note in notes)
    letters = "".join(_mail(mail) for mail in newest(sent))
    body = f"""<div class="card"><h1>Mails</h1>{head}
<div class="actions"><a class="button" href="{PREFIX}/">Back to the desk</a></div></div>
{letters}"""
    return page("Mails", body)


def _mail(mail: Mail | SignatureMail) -> str:
    if isinstance(mail, SignatureMail):
        title = link(mail.url, mail.request.name)
        return f'<div class="card"><h2>{title}</h2>{signature_letter(mail)}</div>'
    title = link(mail.url, mail.share.render.title)
    opened = f'<p class="faint">Times opened: {mail.open_count}</p>'
    return f'<div class="card"><h2>{title}</h2>{opened}{letter(mail)}</div>'
