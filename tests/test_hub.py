"""Checkpoints from the Hub: what is fetched, what a broken cache says, and every refusal by name.

The Hub's own client talks to a Hub on this machine (hub_server.py).
"""

import errno
import json
import logging
import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from mdx import hub, loading
from mdx.hub_errors import explained
from tests import hub_server, tiny
from tests.hub_server import says

NAME = "someone/tiny"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache for the Hub's client."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def server():
    with hub_server.running() as running:
        yield running


@pytest.fixture
def there(server, cache, monkeypatch):
    """The Hub that the client asks, empty and well-behaved."""
    at(monkeypatch, server.address)
    server.repositories.clear()
    server.fetched.clear()
    server.misbehave = None
    return server


def at(monkeypatch, address):
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


HALVES = {
    "unet": "diffusion_pytorch_model.fp16.safetensors",
    "vae": "diffusion_pytorch_model.fp16.safetensors",
    "text_encoder": "model.fp16.safetensors",
}


def repository(checkpoint, halves=(), plain=("unet", "vae", "text_encoder")):
    """The tiny checkpoint with fp16 files of some parts, plain ones of some, and other files."""
    for part in HALVES:
        path = checkpoint / part / HALVES[part].replace(".fp16", "")
        if part in halves:
            shutil.copyfile(path, checkpoint / part / HALVES[part])
        if part not in plain:
            path.unlink()
        path.with_suffix(".bin").touch()
    (checkpoint / "README.md").touch()
    (checkpoint / "v1-5-pruned.safetensors").touch()
    return checkpoint


def weights_of(server):
    return {path for path in server.fetched if path.endswith(".safetensors")}


PLAIN = {f"{part}/{name.replace('.fp16', '')}" for part, name in HALVES.items()}
FETCHES = {
    "float32": (HALVES, HALVES, {}, PLAIN),
    "float16": (HALVES, HALVES, {"dtype": "float16"}, {f"{p}/{n}" for p, n in HALVES.items()}),
    "fp16": (HALVES, HALVES, {"variant": "fp16"}, {f"{p}/{n}" for p, n in HALVES.items()}),
    "float16 where there is no fp16": ((), HALVES, {"dtype": "float16"}, PLAIN),
    "float16 by part": (
        ["unet"],
        HALVES,
        {"dtype": "float16"},
        PLAIN - {"unet/diffusion_pytorch_model.safetensors"} | {f"unet/{HALVES['unet']}"},
    ),
    "bfloat16 where there is no bf16": (HALVES, HALVES, {"dtype": "bfloat16"}, PLAIN),
    "fp16 of what has nothing else": (
        ["unet"],
        ["vae", "text_encoder"],
        {"variant": "fp16"},
        PLAIN - {"unet/diffusion_pytorch_model.safetensors"} | {f"unet/{HALVES['unet']}"},
    ),
}


@pytest.mark.parametrize(("halves", "plain", "options", "expected"), FETCHES.values(), ids=FETCHES)
def test_one_set_of_weights_is_fetched(there, checkpoint, halves, plain, options, expected):
    """Of each part the files that are then loaded, once; they load again without the Hub."""
    there.repositories[NAME] = repository(checkpoint, halves, plain)
    folder = loading.found(NAME, **options)
    assert weights_of(there) == expected
    assert not [path for path in there.fetched if path.endswith((".bin", ".md"))]
    assert hub.commit(folder) == hub_server.COMMIT
    loaded = loading.load(NAME, **options)
    assert len(there.fetched) == len(set(there.fetched))
    there.misbehave = says(500)
    again = loading.load(NAME, **options, offline=True)
    assert again.unet.places.keys() == loaded.unet.places.keys()


def test_a_vae_alone_is_fetched_from_either_place(there, checkpoint):
    there.repositories[NAME] = repository(checkpoint, ["vae"])
    loading.load_vae(NAME, dtype="float16")
    assert weights_of(there) == {f"vae/{HALVES['vae']}"}
    there.repositories["someone/vae"] = checkpoint / "vae"
    loading.load_vae("someone/vae")
    assert weights_of(there) == {f"vae/{HALVES['vae']}", "diffusion_pytorch_model.safetensors"}


def test_what_the_repository_lacks_is_said_before_anything_is_fetched(there, checkpoint):
    there.repositories[NAME] = repository(checkpoint, ["unet"], ["vae", "text_encoder"])
    with pytest.raises(FileNotFoundError, match=r'tiny/unet has no .*; load with variant="fp16"'):
        loading.load(NAME)
    with pytest.raises(FileNotFoundError, match="tiny has no weights of variant 'ema'; there are"):
        loading.load(NAME, variant="ema")
    (checkpoint / "unet" / HALVES["unet"]).unlink()
    with pytest.raises(FileNotFoundError, match="tiny/unet has only pickled weights"):
        loading.load(NAME)
    assert set(there.fetched) <= {"model_index.json"}  # which says what is wanted


GONE = (
    r"{file} is a link to a file that is gone .*; the Hub's cache holds only a part .* network "
    r"connection.*delete .*models--someone--tiny"
)
# A file's link that leads nowhere, and what is said. The client looks after some itself.
LINKS = {
    "unet/diffusion_pytorch_model.safetensors": GONE,
    "text_encoder/model.safetensors": GONE,
    "unet/config.json": GONE,
    "tokenizer/vocab.json": f"{GONE}|is not .wholly. in the Hub's cache",
    "tokenizer/merges.txt": f"{GONE}|is not .wholly. in the Hub's cache",
    "tokenizer/tokenizer_config.json": f"{GONE}|is not .wholly. in the Hub's cache",
    "scheduler/scheduler_config.json": f"{GONE}|is not .wholly. in the Hub's cache",
    "model_index.json": f"{GONE}|is not .wholly. in the Hub's cache",
}


@pytest.mark.parametrize(("file", "message"), LINKS.items(), ids=LINKS)
def test_a_link_that_leads_nowhere_is_mended_by_the_network(there, checkpoint, file, message):
    there.repositories[NAME] = checkpoint
    folder = loading.found(NAME)
    (folder / file).resolve().unlink()
    with pytest.raises(FileNotFoundError, match=message.replace("{file}", file)):
        loading.load(NAME, offline=True)
    # By its folder the client has no say.
    with pytest.raises(FileNotFoundError, match=GONE.replace("{file}", file)):
        loading.load(folder)
    assert loading.load(NAME)
    assert loading.load(NAME, offline=True)


def test_a_download_that_was_broken_off(there, checkpoint, cache):
    """Some files are there, one is half there."""
    there.repositories[NAME] = checkpoint
    unet = checkpoint / "unet" / "diffusion_pytorch_model.safetensors"
    there.misbehave = lambda handler: (
        "unet/diffusion" in handler.path and hub_server.answer(handler, 404)
    )
    with pytest.raises(FileNotFoundError, match=r"has nothing of that name .404."):
        loading.load(NAME)
    blobs = cache / "models--someone--tiny" / "blobs"
    (blobs / "0123.incomplete").write_bytes(unet.read_bytes()[:1000])
    with pytest.raises(
        FileNotFoundError, match=r"the Hub's cache holds only a part|is not .wholly"
    ):
        loading.load(NAME, offline=True)
    there.misbehave = None
    assert loading.load(NAME)
    assert loading.load(NAME, offline=True)


ERROR = {"X_Error_Message": "in the server's words"}
PAGE = b"<!DOCTYPE html><html>Welcome to the hotel! Please log in.</html>"

# How the Hub behaves, the error, and what is said.
REFUSALS = {
    "404": (
        says(404, X_Error_Code="RepoNotFound", **ERROR),
        FileNotFoundError,
        "no folder and no Hub repository is called 'someone/tiny'",
    ),
    "404 of another server": (
        says(404, b"Not Found", "text/plain"),
        FileNotFoundError,
        "asked for someone/tiny at revision 'v9', has nothing of that name .404.: .* HF_ENDPOINT",
    ),
    "404 of the revision": (
        says(404, X_Error_Code="RevisionNotFound", **ERROR),
        FileNotFoundError,
        "someone/tiny has no revision 'v9'",
    ),
    "401": (
        says(401, X_Error_Message="Invalid credentials in Authorization header"),
        PermissionError,
        "does not accept the login .401.: log in again with `hf auth login`",
    ),
    "403 of a gate": (
        says(403, X_Error_Code="GatedRepo", **ERROR),
        PermissionError,
        "someone/tiny asks for its terms to be accepted",
    ),
    "403": (says(403, **ERROR), PermissionError, "forbids it .403.: ask for access"),
    "418": (says(418), ConnectionError, "refuses it .418."),
    "429": (says(429), ConnectionError, "too many requests from here .429.: wait some minutes"),
    "500": (says(500), ConnectionError, "is out of order .500.: try again later"),
    "502": (says(502, PAGE, "text/html"), ConnectionError, "is out of order .502."),
    "503": (says(503), ConnectionError, "is out of order .503.: try again later"),
    "a page": (
        says(200, PAGE, "text/html"),
        ConnectionError,
        "something else answers in its place; a network may want a login .* HF_ENDPOINT",
    ),
    "other JSON": (
        says(200, b'{"message": "hello"}'),
        ConnectionError,
        "something else answers in its place",
    ),
    "a list": (says(200, b"[]"), ConnectionError, "something else answers in its place"),
    "nothing": (says(200, b""), ConnectionError, "something else answers in its place"),
    "hanging up": (hub_server.hangs_up, ConnectionError, "the Hub cannot be reached to fetch"),
    "no answer": (hub_server.sleeps, ConnectionError, "it does not answer in time"),
}


@pytest.mark.parametrize(("behaviour", "kind", "message"), REFUSALS.values(), ids=REFUSALS)
def test_every_refusal_by_its_name(there, monkeypatch, behaviour, kind, message):
    there.misbehave = behaviour
    if behaviour is hub_server.sleeps:
        monkeypatch.setattr(hub, "TIMEOUT", 0.1)
    with pytest.raises(kind, match=message) as error:
        loading.load(NAME, revision="v9")
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert "\n" not in str(error.value)
    assert "someone/tiny" in str(error.value)


@pytest.mark.parametrize("behaviour", [says(429), says(503), says(200, PAGE), hub_server.hangs_up])
def test_the_cache_serves_while_the_hub_does_not(there, checkpoint, caplog, behaviour):
    there.repositories[NAME] = checkpoint
    folder = loading.found(NAME)
    there.misbehave = behaviour
    with caplog.at_level(logging.WARNING, "mdx"):
        assert loading.found(NAME, dtype="float16") == folder
    [record] = [record for record in caplog.records if record.name == "mdx"]
    assert record.getMessage().endswith("; what its cache holds is used")


# Addresses at which there is no Hub, and what is said.
ADDRESSES = {
    "nobody listens": ("http://127.0.0.1:9", "the connection is refused; check the network"),
    "no address": ("hub.example", "HF_ENDPOINT is no address as https"),
    "another protocol": ("ftp://127.0.0.1", "HF_ENDPOINT is no address as https"),
}


@pytest.mark.parametrize(("address", "message"), ADDRESSES.values(), ids=ADDRESSES)
def test_where_no_hub_is(cache, monkeypatch, address, message):
    at(monkeypatch, address)
    with pytest.raises(ConnectionError, match=f"to fetch someone/tiny: {message}"):
        loading.load(NAME)


def test_no_secure_connection(there, monkeypatch):
    at(monkeypatch, there.address.replace("http:", "https:"))
    with pytest.raises(
        ConnectionError, match=r"no secure connection can be made; .* SSL_CERT_FILE"
    ):
        loading.load(NAME)


def behind(outer, *causes):
    """An error that was raised for others."""
    for before, after in zip([outer, *causes], causes, strict=False):
        before.__cause__ = after
    return outer


class ProxyError(OSError):
    """As network libraries call it."""


class ConnectTimeout(TimeoutError):
    """As network libraries call it."""


# Errors that cannot be had from a Hub on this machine, as the client raises them.
RAISED = {
    "DNS": (
        behind(OSError("no"), socket.gaierror(-2, "Name or service not known")),
        "its address is not known .DNS.",
    ),
    "a proxy": (ProxyError("no"), "the proxy does not answer; check HTTPS_PROXY"),
    "a certificate": (
        behind(OSError("no"), ssl.SSLCertVerificationError(1, "self-signed certificate")),
        "no secure connection can be made",
    ),
    "time": (behind(OSError("no"), ConnectTimeout()), "it does not answer in time"),
    "of no kind": (OSError("broken\nin two lines"), r"cannot be reached .* \(broken\); check"),
}


@pytest.mark.parametrize(("raised", "message"), RAISED.values(), ids=RAISED)
def test_network_errors(raised, message):
    clear = explained(raised, NAME, None, False)
    assert isinstance(clear, ConnectionError)
    with pytest.raises(ConnectionError, match=message):
        raise clear
    assert "\n" not in str(clear)


def test_errors_that_are_not_the_hubs_stay():
    assert explained(KeyError("a bug"), NAME, None, False) is None
    assert explained(RuntimeError("a bug"), NAME, None, False) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_cache_that_cannot_be_written(there, checkpoint, monkeypatch, number):
    there.repositories[NAME] = checkpoint

    def full(*_, **__):
        raise OSError(number, os.strerror(number), "blob")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    where = rf"someone/tiny cannot be kept in the Hub's cache, {constants.HF_HUB_CACHE}"
    with pytest.raises(OSError, match=f"{where}: {os.strerror(number)}; make room") as error:
        loading.load(NAME)
    assert error.value.errno == number


def test_a_cache_in_the_home_of_nobody(there, checkpoint, monkeypatch):
    there.repositories[NAME] = checkpoint
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~nobody-of-this-name/cache")

    def expanding(*_, **__):  # as the client does, in some versions
        Path(constants.HF_HUB_CACHE).expanduser()

    monkeypatch.setattr(huggingface_hub, "snapshot_download", expanding)
    message = r"cache, ~nobody-of-this-name/cache: .*home.* HF_HUB_CACHE"
    with pytest.raises(FileNotFoundError, match=message):
        loading.load(NAME)


def test_offline_by_the_clients_own_setting(there, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=r"not .wholly. in the Hub's cache and offline is"):
        loading.load(NAME)


def test_that_setting_is_read_where_the_client_was_not_imported():
    """Of the client itself: its modules are not there before somebody imports them."""
    code = "from mdx import hub; print(hub.told_offline())"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True\n"


# Names that are neither a folder's nor a Hub id, and what is said.
NAMES = {
    "~nobody-of-this-name/x": "is the home of a user whom this machine does not know",
    "~nobody-of-this-name": "is the home of a user whom this machine does not know",
    "n" * 5000: r"'nnn.*nnn\.\.\.' is neither a folder nor a Hub id",
    "a\0b": r"is neither a folder nor a Hub id",
    "\ud83d": "is neither a folder nor a Hub id",
    "": "source is empty: give a Hub id or a folder, or None",
}


@pytest.mark.parametrize(("name", "message"), NAMES.items(), ids=range(len(NAMES)))
def test_names_that_are_no_checkpoints(name, message):
    with pytest.raises(FileNotFoundError, match=message) as error:
        loading.load(name)
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("name", [3, 2.5, ["a/b"], b"a/b"])
def test_names_that_are_no_text(name):
    with pytest.raises(TypeError, match="source must be a Hub id, a folder or None, not"):
        loading.load(name)


@pytest.mark.parametrize("variant", ["../../x", "fp16/", 16])
def test_variants_are_checked_before_anything_is_read(variant):
    with pytest.raises((ValueError, TypeError), match="variant must be None or a word"):
        loading.load(variant=variant)
    with pytest.raises((ValueError, TypeError), match="variant must be None or a word"):
        loading.load_vae(variant=variant)


def test_indices_of_other_variants_do_not_mislead(there, checkpoint):
    """All of a part's JSON files are fetched, also the index of weights that are not."""
    there.repositories[NAME] = repository(checkpoint)
    shard = "model.fp16-00001-of-00001.safetensors"
    index = checkpoint / "text_encoder" / "model.safetensors.index.fp16.json"
    tiny.write_json(index, {"weight_map": {"a": shard}})
    shutil.copyfile(checkpoint / "text_encoder" / "model.safetensors", index.with_name(shard))
    loading.load(NAME)
    assert not [path for path in there.fetched if "fp16" in path and path.endswith("safetensors")]
    # Now the cache has the index and not its shards.
    kept = loading.found(NAME, offline=True) / index.relative_to(checkpoint)
    assert json.loads(kept.read_text())
    assert loading.load(NAME, dtype="float16", offline=True)
