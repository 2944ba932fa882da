from __future__ import annotations

import pytest

from django_craftkit.models import SignatureRecipient, SignatureRequest
from django_craftkit.signals import SIGNALS
from tests.reconcile.signatures.helpers import send


@pytest.fixture
def sent(craftkit, ready) -> SignatureRequest:
    """A request that both people have got and nobody has opened."""
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    return request


@pytest.fixture
def there(craftkit, sent):
    """The same, at Craftkit."""
    (there,) = craftkit.sandbox.signatures
    return there


@pytest.fixture
def heard():
    """What receivers hear: which signal, about whom or in which status, and from which."""
    said = []

    def listener(name):
        def listen(sender, instance, previous_status, change, **kwargs):
            assert type(instance) is sender
            is_person = isinstance(instance, SignatureRecipient)
            said.append((name, instance.email if is_person else change.to_status, previous_status))

        return listen

    names = [name for name in SIGNALS if name.startswith("signature_")]
    listeners = {name: listener(name.removeprefix("signature_")) for name in names}
    for name, listen in listeners.items():
        SIGNALS[name].connect(listen)
    yield said
    for name, listen in listeners.items():
        SIGNALS[name].disconnect(listen)
