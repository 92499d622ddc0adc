"""A Hub on this machine that holds folders as repositories, or misbehaves as it is told."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

COMMIT = "c0ffee" * 6 + "cafe"


class Hub(ThreadingHTTPServer):
    """What it holds, what it was asked, and how it misbehaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Path] = {}  # id to folder
        self.fetched: list[str] = []  # the files, each by its path in its repository
        self.misbehave: Callable[[BaseHTTPRequestHandler], bool] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running() -> Iterator[Hub]:
    """A Hub for the length of a with block."""
    hub = Hub()
    thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


def answer(handler, status: int, body: bytes = b"", kind: str = "application/json", **headers):
    """One answer; underscores in the names of headers stand for hyphens."""
    handler.send_response(status)
    headers = {"Content-Type": kind, "Content-Length": str(len(body))} | headers
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
    return True


def says(status: int, body: bytes = b"{}", kind: str = "application/json", **headers):
    """A Hub that gives one answer to everything."""
    return lambda handler: answer(handler, status, body, kind, **headers)


def hangs_up(handler) -> bool:
    handler.close_connection = True
    return True


def sleeps(handler) -> bool:
    time.sleep(0.5)
    return True


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.server.misbehave is not None and self.server.misbehave(self):
            return
        path = unquote(self.path.partition("?")[0]).strip("/")
        for name, folder in self.server.repositories.items():
            if path.startswith((f"api/models/{name}/revision/", f"api/models/{name}/tree/")):
                self.list(name, folder, "/tree/" in path)
                return
            if path == f"api/models/{name}":
                self.list(name, folder, False)
                return
            if path.startswith(f"{name}/resolve/"):
                self.give(folder, path.removeprefix(f"{name}/resolve/").partition("/")[2])
                return
        answer(self, 404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")

    def list(self, name, folder, tree):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        paths = [path.relative_to(folder).as_posix() for path in files]
        if tree:
            sizes = [path.stat().st_size for path in files]
            value = [
                {"type": "file", "path": path, "size": size, "oid": _tag(folder / path)}
                for path, size in zip(paths, sizes, strict=True)
            ]
        else:
            siblings = [{"rfilename": path} for path in paths]
            value = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings}
            value |= {"private": False, "tags": [], "downloads": 0, "likes": 0}
        answer(self, 200, json.dumps(value).encode())

    def give(self, folder, path):
        if not (folder / path).is_file():
            answer(self, 404, X_Error_Code="EntryNotFound", X_Error_Message="Entry not found")
            return
        if self.command == "GET":
            self.server.fetched.append(path)
        headers = {"ETag": f'"{_tag(folder / path)}"', "X-Repo-Commit": COMMIT}
        body = (folder / path).read_bytes()
        answer(self, 200, body, "application/octet-stream", **headers)


def _tag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
