#!/usr/bin/env bash
# Django 5.2.19 on Gunicorn 23.0.0: the body of a request that is sent in chunks (Transfer-Encoding, no
# Content-Length) is empty in the view, without an error.
#
# Gunicorn passes the chunks on, joined, as wsgi.input, and says with wsgi.input_terminated that it
# ends where the body ends. Django reads as many bytes as CONTENT_LENGTH says, and none without it. A
# webhook that a sender or a proxy streams looks as if it had been sent empty: its signature is wrong.
# Waitress 3.0.2 counts the bytes and sets CONTENT_LENGTH: the same view reads all of them there.
#
# Seen: "gunicorn: Django read b'', and left b'hello world'" and "waitress: Django read b'hello world',
# and left b''".
set -euo pipefail
folder=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  django==5.2.19 gunicorn==23.0.0 waitress==3.0.2
cat > "$folder/site_of_one_view.py" <<'PYTHON'
from django.conf import settings

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of-a-demonstration")
import django

django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path


def view(request):
    assert request.environ["wsgi.input_terminated"]
    left = request.environ["wsgi.input"]
    text = f"Django read {request.body!r}, and left {left.read()!r}"
    return HttpResponse(text)


urlpatterns = [path("", view)]
application = get_wsgi_application()
PYTHON
cat > "$folder/send.py" <<'PYTHON'
import http.client
import sys
import time

port = int(sys.argv[1])
for _ in range(100):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("PUT", "/", iter([b"hello ", b"world"]), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
print(connection.getresponse().read().decode())
PYTHON
cd "$folder"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
first=$(free_port)
venv/bin/gunicorn --log-level error --bind "127.0.0.1:$first" site_of_one_view:application & pids+=($!)
second=$(free_port)
venv/bin/waitress-serve --listen "127.0.0.1:$second" site_of_one_view:application >/dev/null 2>&1 & pids+=($!)
on_gunicorn=$(venv/bin/python send.py "$first")
on_waitress=$(venv/bin/python send.py "$second")
printf 'gunicorn: %s\nwaitress: %s\n' "$on_gunicorn" "$on_waitress"
[ "$on_gunicorn" = "Django read b'', and left b'hello world'" ]
[ "$on_waitress" = "Django read b'hello world', and left b''" ]
