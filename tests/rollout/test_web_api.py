"""Requests to an API: whom they go to, what is taken of an answer, and where the credentials never are."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arrowslit.rollout.credentials import read_credentials
from arrowslit.rollout.point import RolloutError
from arrowslit.rollout.web_api import AnswerError, LostError, Server, WebApi
from tests.peers.certs import Authority, Certificate, self_signed
from tests.rollout.api_server import Answer, ApiServer, serving

SECRET = "a very secret word"


class Echo:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        self.heard.append((method, path, query, body))
        return 200, {"said": body}


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "firewall.credentials"
    path.write_text(f"# made by hand\nkey=key\n secret = {SECRET} \n")
    path.chmod(0o600)
    return path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def good(authority: Authority) -> Certificate:
    return authority.issue("127.0.0.1")


@pytest.fixture
def server(good: Certificate) -> Iterator[ApiServer]:
    with serving(ApiServer(Echo()), good) as found:
        yield found


_opened: list[WebApi] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def api(server: ApiServer, credentials: Path, authority: Authority | None = None, **more: Any) -> WebApi:
    ca = None if authority is None else authority.file
    _opened.append(WebApi(Server(server.url, ca, **more), read_credentials(credentials), "key", "secret"))
    return _opened[-1]


def test_one_connection_is_kept(server: ApiServer, credentials: Path, authority: Authority) -> None:
    web = api(server, credentials, authority)
    for number in range(3):
        assert web.ask("POST", "/x", {"n": number}, {"a": "b c"}) == {"said": {"n": number}}
    assert server.fake.heard[0] == ("POST", "/x", {"a": "b c"}, {"n": 0})  # type: ignore[attr-defined]
    web.close()


def test_a_connection_that_the_server_ended_is_made_again(
    server: ApiServer, credentials: Path, authority: Authority
) -> None:
    web = api(server, credentials, authority)
    server.fault = lambda number, asked: "last"
    assert web.ask("PUT", "/x", 1) == web.ask("PUT", "/x", 1)
    server.fault = lambda number, asked: "lost after" if number == 3 else ""
    with pytest.raises(LostError):
        web.ask("PUT", "/x", 1)
    assert len(server.asked) == 3  # never sent twice
    assert web.ask("PUT", "/x", 1) == {"said": 1}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("lost before", "its answer is no HTTP|reset"),
        ("garbage", "its answer is no JSON"),
        ("deep", "its answer is no JSON"),
        ("huge", "its answer is larger than 0 MiB"),
        ("short", "its answer broke off"),
        ("hang", "no answer in 0.5 s"),
        ("drip", "no answer in 0.5 s"),
    ],
)
def test_nobody_knows_what_became_of_it(
    server: ApiServer, credentials: Path, authority: Authority, fault: str, says: str
) -> None:
    web = api(server, credentials, authority, seconds=0.5, largest=1000 * 1000)
    server.fault = lambda number, asked: fault
    began = time.monotonic()
    with pytest.raises(LostError, match=says):
        web.ask("POST", "/x", 1)
    assert time.monotonic() < began + 5
    server.fault = lambda number, asked: ""
    assert web.ask("POST", "/x", 1) == {"said": 1}


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
def test_an_answer_that_is_none(server: ApiServer, credentials: Path, authority: Authority, status: int) -> None:
    server.fault = lambda number, asked: "elsewhere" if status == 302 else str(status)
    if status == 302:
        server.fake.answer = lambda *args: (302, None)  # type: ignore[method-assign,misc,assignment]
    with pytest.raises(AnswerError, match=f"it answered {status}") as caught:
        api(server, credentials, authority).ask("GET", "/x")
    assert caught.value.status == status
    assert len(server.asked) == 1


def test_credentials_that_are_refused_are_never_told(
    server: ApiServer, credentials: Path, authority: Authority
) -> None:
    server.password = "another"
    with pytest.raises(AnswerError, match=r"does not take the credentials in .*firewall.credentials \(401\)"):
        api(server, credentials, authority).ask("GET", "/x")
    server.password, server.forbidden = SECRET, lambda path: True
    with pytest.raises(AnswerError, match=r"may not do that there \(403\)"):
        api(server, credentials, authority).ask("GET", "/x")
    server.forbidden = lambda path: False
    server.fake.answer = lambda *args: (500, {"message": f"no {SECRET} \x1b[1m here"})  # type: ignore[method-assign,misc,assignment]
    web = api(server, credentials, authority)
    with pytest.raises(AnswerError) as caught:
        web.ask("GET", "/x")
    assert str(caught.value).endswith("it answered 500: no ... ?[1m here")
    assert SECRET not in repr(web)


def test_a_certificate_that_nobody_vouches_for(
    server: ApiServer, credentials: Path, tmp_path: Path, authority: Authority
) -> None:
    for web in (
        api(server, credentials),
        api(server, credentials, Authority(tmp_path / "other")),
        api(server, credentials, fingerprint="0" * 64),
        api(server, credentials, authority, fingerprint="0" * 64),
    ):
        with pytest.raises(RolloutError, match="certificate") as caught:
            web.ask("POST", "/x", SECRET)
        assert not isinstance(caught.value, LostError)  # surely nothing was done
    assert not server.asked


def test_a_certificate_for_another_name_or_that_has_ended(credentials: Path, authority: Authority) -> None:
    for certificate in (authority.issue("firewall.example.test"), authority.issue("127.0.0.1", expired=True)):
        with (
            serving(ApiServer(Echo()), certificate) as server,
            pytest.raises(RolloutError, match="its certificate is not good"),
        ):
            api(server, credentials, authority).ask("GET", "/x")
        assert not server.asked


def test_a_fingerprint_is_enough_for_one_that_signed_itself(tmp_path: Path, credentials: Path) -> None:
    certificate = self_signed(tmp_path / "own", "firewall.example.test")
    with serving(ApiServer(Echo()), certificate) as server:
        web = api(server, credentials, fingerprint=certificate.fingerprint())
        assert web.ask("POST", "/x", 1) == {"said": 1}


def test_nobody_there_and_somebody_who_says_nothing(credentials: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        web = WebApi(Server(url, connect_seconds=0.3), read_credentials(credentials), "key", "secret")
        with pytest.raises(RolloutError, match="no answer in time"):
            web.ask("GET", "/x")
    with pytest.raises(RolloutError, match="Connection refused"):
        web.ask("GET", "/x")


def test_a_server_that_speaks_no_tls(credentials: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def greet() -> None:
            client, _ = plain.accept()
            with client:
                client.recv(1000)
                client.sendall(b"220 mail.example.test ESMTP\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{plain.getsockname()[1]}"
        with pytest.raises(RolloutError, match="it does not speak TLS as it should"):
            WebApi(Server(url), read_credentials(credentials), "key", "secret").ask("GET", "/x")
        thread.join(5)


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("key=a\n", 0o600, "has no line secret="),
        ("key=a\nsecret\n", 0o600, "line 2: write name=value"),
        ("key=a\nsecret=b\x07c\n", 0o600, "line 2: write name=value"),
        ("key=a\nsecret=b\n", 0o640, "others than its owner may use"),
        ("key=a\nsecret=b\n", 0o604, "others than its owner may use"),
        ("key=a\nsecret=" + "b" * 70_000, 0o600, "is no file of credentials"),
    ],
)
def test_a_file_of_credentials_that_will_not_do(credentials: Path, text: str, mode: int, says: str) -> None:
    credentials.write_text(text)
    credentials.chmod(mode)
    with pytest.raises(RolloutError, match=says) as caught:
        read_credentials(credentials).get("secret")
    assert "bbb" not in str(caught.value)


def test_no_file_of_credentials(tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match="No such file"):
        read_credentials(tmp_path / "none")
    with pytest.raises(RolloutError, match="is no file"):
        read_credentials(tmp_path)
    with pytest.raises(RolloutError, match="has no credentials_file"):
        read_credentials(None)
