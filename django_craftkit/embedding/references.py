"""Who may have a session renewed: what a page carries of its session, signed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from django.core import signing
from django.views.decorators.debug import sensitive_variables

from django_craftkit import clock, credentials, tenants
from django_craftkit.models import EmbedSession, Template

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from django.db.models import Model

#: So that nothing else that this site signs is taken for one.
_SALT = "django_craftkit.embedding"
#: What it takes to publish and save in the builder; of templates, and not of a session's source.
DESIGN = "craftkit.design_template"
#: How long after its end a session is still renewed: a machine may sleep with the page over night.
LATEST = timedelta(hours=24)


class Reference(NamedTuple):
    """A session, and what must still be so when it is renewed."""

    row: int
    #: The primary key of the user it was minted for; "": whoever has the page.
    user: str
    #: What this user must be permitted, as ``app_label.codename``.
    permissions: tuple[str, ...]
    #: Seconds since 1970, when a guest's link expires; 0: never.
    until: int

    @classmethod
    @sensitive_variables("token")
    def read(cls, token: str) -> Self:
        """Return what a page has sent; raise ``BadSignature`` for what no page of ours has."""
        row, user, permissions, until = signing.loads(token, salt=tenants.apart(_SALT))
        return cls(row, user, tuple(permissions), until)

    @property
    def token(self) -> str:
        return signing.dumps(self, salt=tenants.apart(_SALT))

    def find(self, user: Any) -> EmbedSession | None:
        """Return the session where this visitor may still have it renewed."""
        if self.until and clock.now().timestamp() >= self.until:
            return None
        is_there = user.is_authenticated and user.is_active
        if self.user and not (is_there and str(user.pk) == self.user):
            return None
        row = EmbedSession.objects.writer().filter(pk=self.row).first()
        if row is None or not credentials.has_project(row.project):
            return None
        if row.expires_at is not None and clock.now() > row.expires_at + LATEST:
            return None
        return row if self._permits(row, user) else None

    def _permits(self, row: EmbedSession, user: Any) -> bool:
        if not self.permissions:
            return True
        template = Template.objects.get_known(row.project, row.template)
        source = row.source if row.is_in_schema else None
        return all(
            permits(user, one, template if one == DESIGN else source) for one in self.permissions
        )


def permits(user: AbstractBaseUser | AnonymousUser | None, name: str, about: Model | None) -> bool:
    """Whether a user has a permission, for everything or for this object; a guest has none."""
    if user is None:
        return False
    person: Any = user
    return person.has_perm(name) or (about is not None and person.has_perm(name, about))
