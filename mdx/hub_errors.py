"""What kept a download from the Hub from succeeding, each by its name, and the way out.

The Hub's client has changed its network library twice, and wraps errors in others as its version
goes; so all causes are looked at, and network errors are told by the names of their classes.
"""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants, utils

__all__ = ["NotTheHubError", "clear_errors", "explained"]


class NotTheHubError(Exception):
    """What answered did not answer as a Hub does."""


# What the Hub says by its status: the error, what it means, and what to do.
STATUS = {
    401: (PermissionError, "does not accept the login", "log in again with `hf auth login`"),
    403: (
        PermissionError,
        "forbids it",
        "ask for access on its page, and log in (`hf auth login`) with a token that may read it",
    ),
    404: (
        FileNotFoundError,
        "has nothing of that name",
        "check the spelling, and HF_ENDPOINT if it is set",
    ),
    429: (
        ConnectionError,
        "has had too many requests from here",
        "wait some minutes, or log in with `hf auth login`, which allows more",
    ),
}
OUT_OF_ORDER = (ConnectionError, "is out of order", "try again later")

# Names of errors, of Python and of network libraries: what they mean, and what to do.
NETWORK = {
    ("SSLError",): (
        "no secure connection can be made",
        "the login page of a network or a proxy may stand between; SSL_CERT_FILE names the "
        "certificates to trust",
    ),
    ("ProxyError",): ("the proxy does not answer", "check HTTPS_PROXY"),
    ("gaierror",): ("its address is not known (DNS)", "check the network"),
    # Before timeouts: a network library derives it from one.
    ("ConnectionRefusedError",): ("the connection is refused", "check the network"),
    ("TimeoutError", "Timeout", "TimeoutException"): (
        "it does not answer in time",
        "try again later, or check the network",
    ),
    ("NotTheHubError", "JSONDecodeError", "FileMetadataError"): (
        "something else answers in its place",
        "a network may want a login (open any page in a browser), and HF_ENDPOINT, if it is set, "
        "must be the address of a Hub",
    ),
    ("UnsupportedProtocol", "MissingSchema", "InvalidSchema", "InvalidURL"): (
        "HF_ENDPOINT is no address as https://...",
        "unset or correct it",
    ),
}


@contextmanager
def clear_errors(repo: str, revision: str | None, offline: bool) -> Iterator[None]:
    """A block in which the Hub's client is called: what it raises is `explained`."""
    try:
        yield
    except Exception as error:
        clear = explained(error, repo, revision, offline)
        if clear is None:
            raise
        raise clear from None


def explained(
    error: Exception, repo: str, revision: str | None, offline: bool
) -> OSError | ValueError | None:
    """The one clear error for what the Hub's client raised; None for what it has no part in.

    A ConnectionError may pass with time; the others do not.
    """
    asked = f"{repo} at revision {revision!r}" if revision else repo
    causes = list(_causes(error))

    def caused_by(kind: type[Exception]) -> bool:
        return any(isinstance(one, kind) for one in causes)

    if caused_by(utils.HFValidationError):
        return ValueError(f"{repo!r} is not a valid Hub id: {error}")
    if caused_by(utils.GatedRepoError):
        return PermissionError(
            f"{repo} asks for its terms to be accepted; do so on its page, then log in "
            "with `hf auth login`"
        )
    if caused_by(utils.RevisionNotFoundError):
        return FileNotFoundError(f"{repo} has no revision {revision!r}")
    if caused_by(utils.RepositoryNotFoundError):
        return FileNotFoundError(
            f"no folder and no Hub repository is called {repo!r}; check the spelling "
            "(a private repository needs `hf auth login`)"
        )
    if offline and caused_by(utils.LocalEntryNotFoundError):
        return FileNotFoundError(
            f"{asked} is not (wholly) in the Hub's cache and offline is set; "
            "load it once with a network connection"
        )
    if _is_of_disk(error):
        return _of_disk(error, asked)
    return _of_network(error, causes, asked)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, the one that it was raised for, and so on."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_of_disk(error: Exception) -> bool:
    if isinstance(error, RuntimeError):  # the cache's folder is "~name", and nobody is called so
        return "home directory" in str(error)
    own = type(error).__module__ == "builtins" and not isinstance(
        error, (ConnectionError, TimeoutError)
    )
    return own and isinstance(error, OSError) and error.errno is not None


def _of_disk(error: Exception, asked: str) -> OSError:
    kind = type(error) if isinstance(error, OSError) else FileNotFoundError
    found = kind(
        f"{asked} cannot be kept in the Hub's cache, {constants.HF_HUB_CACHE}: "
        f"{getattr(error, 'strerror', None) or error}; make room there, or name another folder in "
        "HF_HUB_CACHE"
    )
    found.errno = getattr(error, "errno", None)
    return found


def _of_network(error: Exception, causes: list[BaseException], asked: str) -> OSError | None:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    answers = [getattr(getattr(one, "response", None), "status_code", None) for one in causes]
    status = next((answer for answer in answers if isinstance(answer, int)), 0)
    if status >= 400:
        usual = (ConnectionError, "refuses it", first)
        kind, meaning, way_out = OUT_OF_ORDER if status >= 500 else STATUS.get(status, usual)
        return kind(f"the Hub, asked for {asked}, {meaning} ({status}): {way_out}")
    if isinstance(error, utils.HfHubHTTPError):
        return ConnectionError(f"the Hub refused {asked}: {first}")
    names = {kind.__name__ for one in causes for kind in type(one).__mro__}
    for known, (meaning, way_out) in NETWORK.items():
        if names.intersection(known):
            proxy = " (it is asked through a proxy)" if urllib.request.getproxies() else ""
            return ConnectionError(
                f"the Hub cannot be reached to fetch {asked}{proxy}: {meaning}; {way_out}"
            )
    # The client's own error derives from its network library's.
    if isinstance(error, (OSError, *utils.HfHubHTTPError.__bases__)):
        return ConnectionError(
            f"there is no folder {asked.split(' ')[0]!r}, and the Hub cannot be reached to fetch "
            f"{asked} ({first}); check the name and the network, or give a local folder"
        )
    return None
