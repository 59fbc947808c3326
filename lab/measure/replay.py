"""Answers of a daemon's HTTP server that were recorded in the lab, given again on this machine to a browser or a
Prometheus: byte for byte, the header that matters among them; a path that was recorded several times, in that order."""

import contextlib
import http.server
import json
import pathlib
import threading

HEADERS = ("Content-Type", "Content-Security-Policy", "Cache-Control", "X-Content-Type-Options", "Referrer-Policy")


class Recording:
    """What one host answered. `take(path, status, headers, text)` while it is recorded, then `save`."""

    def __init__(self):
        self.answers: dict[str, list[dict]] = {}

    def take(self, path: str, headers: dict[str, str], text: str) -> None:
        kept = {name: headers[name] for name in HEADERS if name in headers}
        self.answers.setdefault(path, []).append({"headers": kept, "text": text})

    def save(self, file: pathlib.Path) -> None:
        file.write_text(json.dumps(self.answers))


class Server(http.server.ThreadingHTTPServer):
    """`asked` counts the requests by path. `policy`: one more Content-Security-Policy for all answers."""

    daemon_threads = True

    def __init__(self, file: pathlib.Path, policy: str | None = None):
        self.policy = policy
        self.answers = json.loads(file.read_text())
        self.asked: dict[str, int] = {}
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answers = self.server.answers.get(self.path)
        number = self.server.asked.get(self.path, 0)
        self.server.asked[self.path] = number + 1
        if not answers:
            return self.send_error(404)
        answer = answers[min(number, len(answers) - 1)]
        content = answer["text"].encode()
        self.send_response(200)
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        if self.server.policy:
            self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(file: pathlib.Path, policy: str | None = None):
    server = Server(file, policy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
