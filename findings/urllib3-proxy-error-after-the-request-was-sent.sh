#!/usr/bin/env bash
# urllib3 2.8.0 with requests 2.34.2: "Unable to connect to proxy" for a request that the proxy has got.
#
# A plain HTTP proxy that reads a POST and closes the connection without an answer is reported as
# ProxyError('Unable to connect to proxy', RemoteDisconnected(...)), as one that could not be reached
# is. Who takes that for a proof that nothing was sent, and sends again, sends twice. Without a proxy
# the same is a ConnectionError around a ProtocolError.
#
# Seen: "the proxy got: POST http://shop.example/pay HTTP/1.1; the client says: ProxyError, Unable to
# connect to proxy, RemoteDisconnected".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import socket
import threading

import requests

listener = socket.create_server(("127.0.0.1", 0))
got = []


def proxy():
    connection, _address = listener.accept()
    data = b""
    while not data.endswith(b"\r\n\r\nx"):
        data += connection.recv(4096)
    got.append(data.split(b"\r\n")[0].decode())
    connection.close()


thread = threading.Thread(target=proxy)
thread.start()
address = f"http://127.0.0.1:{listener.getsockname()[1]}"
try:
    requests.post("http://shop.example/pay", data=b"x", proxies={"http": address}, timeout=10)
    said = "nothing"
except requests.RequestException as error:
    reason = error.args[0].reason
    said = ", ".join([type(reason).__name__, reason.args[0], type(reason.original_error).__name__])
thread.join()
print(f"the proxy got: {got[0]}; the client says: {said}")
PYTHON
)
echo "$seen"
wanted="the proxy got: POST http://shop.example/pay HTTP/1.1; the client says: ProxyError, Unable to"
[ "$seen" = "$wanted connect to proxy, RemoteDisconnected" ]
