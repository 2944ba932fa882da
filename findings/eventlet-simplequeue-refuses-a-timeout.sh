#!/usr/bin/env bash
# eventlet 0.41.3 on CPython: queue.SimpleQueue.get(block=False, timeout=0.0) raises ValueError.
#
# monkey_patch() puts the SimpleQueue that is written in Python in the place of the one in C. The one in
# C takes a timeout where it is not to wait, and ignores it; the one in Python hands it to a semaphore,
# which refuses it. A worker that asks its queue "wait for so many seconds, or for none" runs with
# prefork, threads and gevent, and fails with eventlet in the moment in which there is nothing to wait for.
# timeout=None where nothing is waited for suits all of them.
#
# Seen: "as it is: Empty; patched by gevent: Empty; patched by eventlet: ValueError".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check eventlet==0.41.3 gevent==25.9.1
cat > "$folder/show.py" <<'PYTHON'
import sys
import warnings

warnings.simplefilter("ignore")
if sys.argv[1] == "gevent":
    import gevent.monkey

    gevent.monkey.patch_all()
elif sys.argv[1] == "eventlet":
    import eventlet

    eventlet.monkey_patch()
import queue

try:
    queue.SimpleQueue().get(block=False, timeout=0.0)
except Exception as error:
    print(type(error).__name__)
PYTHON
show() { "$folder/venv/bin/python" "$folder/show.py" "$1"; }
seen="as it is: $(show nothing); patched by gevent: $(show gevent); patched by eventlet: $(show eventlet)"
echo "$seen"
[ "$seen" = "as it is: Empty; patched by gevent: Empty; patched by eventlet: ValueError" ]
