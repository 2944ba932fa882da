#!/usr/bin/env bash
# kombu 5.7.0, transport "filesystem": who sends to an exchange while another process makes its table
# gets a JSONDecodeError.
#
# A queue is bound by opening the table's file for writing, which makes it empty, and locking it then.
# Whoever reads the table in between locks it first and finds nothing: no JSON. Fan-out is hit by it: a
# ping of Celery's workers while the first of them starts ends with that error, and so does a second
# worker's start, since to bind is to read, too. Here one process binds a queue to 3,000 exchanges, and
# another looks at each until it has the queue.
#
# Seen: "errors while a table was made: JSONDecodeError".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check kombu==5.7.0
seen=$("$folder/venv/bin/python" - "$folder" <<'PYTHON'
import multiprocessing
import pathlib
import sys

from kombu import Connection

folder = pathlib.Path(sys.argv[1], "broker")
folder.mkdir()
options = {
    "data_folder_in": str(folder),
    "data_folder_out": str(folder),
    "control_folder": str(folder / "control"),
}
NUMBER = 3000


def bind() -> None:
    with Connection("filesystem://", transport_options=options) as connection:
        channel = connection.default_channel
        for number in range(NUMBER):
            channel._queue_bind(f"exchange{number}", "", "", "queue")


errors = set()
with Connection("filesystem://", transport_options=options) as connection:
    channel = connection.default_channel
    other = multiprocessing.get_context("fork").Process(target=bind)
    other.start()
    for number in range(NUMBER):
        while True:
            try:
                if channel.get_table(f"exchange{number}"):
                    break
            except ValueError as error:
                errors.add(type(error).__name__)
    other.join()
print("errors while a table was made:", ", ".join(sorted(errors)) or "none")
PYTHON
)
echo "$seen"
[ "$seen" = "errors while a table was made: JSONDecodeError" ]
