#!/usr/bin/env bash
# Django 6.0.10: EmailMessage.attach() takes an open file, and mails its repr as the attachment.
#
# Django 5.2.19 raises a TypeError, "expected bytes-like object, not BytesIO", when the message is made.
# Since 6.0 the attachment has the right name and type, and as its content the text
# "<_io.BytesIO object at 0x…>". Nothing raises and nothing warns: who gets it has a PDF that opens nowhere.
# What to attach are bytes: file.read().
# Expected by many: the content of the file, as with requests or boto3, or an error, as before.
#
# Needs Python 3.12 or newer, as Django 6.0 does; PYTHON names it.
#
# Seen: "application/pdf invoice.pdf b'<_io.BytesIO object at".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check django==6.0.10
cat > "$folder/show.py" <<'PYTHON'
import io

from django.conf import settings

settings.configure()
import django

django.setup()
from django.core.mail import EmailMessage

message = EmailMessage("Your invoice", "It is attached.", "a@example.com", ["b@example.com"])
message.attach("invoice.pdf", io.BytesIO(b"%PDF-1.7 ..."), "application/pdf")
(part,) = [one for one in message.message().walk() if one.get_filename()]
content = part.get_payload(decode=True)
print(part.get_content_type(), part.get_filename(), str(content[:22]).rstrip("'"))
PYTHON
seen=$("$folder/venv/bin/python" -W error "$folder/show.py")
echo "$seen"
[ "$seen" = "application/pdf invoice.pdf b'<_io.BytesIO object at" ]
