"""Files through the gateway: streamed both ways in constant memory, whole or not at all, capped."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import BodyPartReader, web

from integrations.core.errors import BadRequest, PayloadTooLarge, RequestRejected, Retryable, ServerFault, Unreachable
from integrations.gateway import client, media
from integrations.highlevel import files
from integrations.highlevel.catalogue.fill import LARGEST_IN_MEMORY
from integrations.highlevel.http import wire
from integrations.quota.permits import queries
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from tests.gateway_operations.conftest import LOCATION, credential
from tests.gateway_operations.memory import growth
from tests.gateway_operations.scripted import RATE, Scripted, json, status

UPLOAD, DOWNLOAD = "medias.upload-media-content", "conversations.get-message-recording"
MESSAGE = {"messageId": "M"}
PIECE = bytes(range(256)) * 4096  # a megabyte
BIG, LITTLE = 50, 12  # megabytes: of a body, and what sending or keeping it may take


@pytest.fixture(autouse=True)
def _granted(app: App) -> Credential:
    return credential(app, "location")


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        for _ in range(BIG):
            file.write(PIECE)
    return path


async def digest(request: web.Request) -> web.StreamResponse:
    """What the form held; the file as its name, type, size and digest."""
    found: dict[str, Any] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.filename is None:
            found[str(part.name)] = await part.text()
            continue
        seen, size = hashlib.sha256(), 0
        while chunk := await part.read_chunk(65536):
            seen.update(chunk)
            size += len(chunk)
        found[str(part.name)] = [part.filename, part.headers["Content-Type"], size, seen.hexdigest()]
    return web.json_response(found, headers=RATE)


def body_of(megabytes: int, *, cut: bool = False) -> Any:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={**RATE, "Content-Type": "audio/x-wav", "X-Trace-Id": "T"})
        response.content_length = megabytes * len(PIECE)
        await response.prepare(request)
        for _ in range(megabytes // 2 if cut else megabytes):
            await response.write(PIECE)
        if cut:
            assert request.transport is not None
            request.transport.close()
        return response

    return answer


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def upload(app: App, path: Path, **how: Any) -> Any:
    return media.upload(UPLOAD, path, app=app, location=LOCATION, **how).json


def download(app: App, to: Path, **how: Any) -> media.Downloaded:
    return media.download(DOWNLOAD, to, app=app, location=LOCATION, params=MESSAGE, **how)


def test_an_upload_arrives_whole_in_constant_memory(app: App, scripted: Scripted, big: Path) -> None:
    scripted.plan(digest, digest)
    small = big.with_name("small.csv")
    small.write_bytes(b"a,b\n")
    assert upload(app, small, body={"name": "List", "hosted": False}) == {
        "name": "List",
        "hosted": "false",
        "file": ["small.csv", "text/csv", 4, hashlib.sha256(b"a,b\n").hexdigest()],
    }
    answers: list[Any] = []
    assert growth(lambda: answers.append(upload(app, big))) < LITTLE * len(PIECE)
    assert answers[0]["file"] == ["film.mp4", "video/mp4", BIG * len(PIECE), digest_of(big)]


def test_a_download_arrives_whole_in_constant_memory(app: App, scripted: Scripted, big: Path) -> None:
    scripted.plan(body_of(1), body_of(BIG))
    to = big.with_name("copy.wav")
    download(app, to)
    found: list[media.Downloaded] = []
    assert growth(lambda: found.append(download(app, to))) < LITTLE * len(PIECE)
    assert found == [media.Downloaded(to, BIG * len(PIECE), "audio/x-wav", "T")]
    assert digest_of(to) == digest_of(big)


def test_after_a_refused_token_the_file_is_sent_from_its_start(app: App, scripted: Scripted, big: Path) -> None:
    grant = {"access_token": "another", "refresh_token": "r", "userType": "Location", "locationId": LOCATION}
    scripted.plan(status(401, "Invalid JWT"), json(grant), digest)
    assert upload(app, big)["file"][2:] == [BIG * len(PIECE), digest_of(big)]
    assert scripted.paths == ["/medias/upload-file", "/oauth/token", "/medias/upload-file"]


@pytest.mark.parametrize("size", [LARGEST_IN_MEMORY, LARGEST_IN_MEMORY + 1])
def test_what_is_held_in_memory_has_a_limit(app: App, scripted: Scripted, size: int) -> None:
    content = bytes(size)
    scripted.plan(digest)
    if size > LARGEST_IN_MEMORY:
        with pytest.raises(BadRequest, match="hand over an open file"):
            client.call(UPLOAD, app=app, location=LOCATION, body={"file": content})
        assert scripted.requests == []
    else:
        found = client.call(UPLOAD, app=app, location=LOCATION, body={"file": content}).json
        assert found["file"][2] == size


def test_an_answer_that_is_not_streamed_has_a_limit(app: App, scripted: Scripted) -> None:
    scripted.plan(body_of(17))
    with pytest.raises(PayloadTooLarge, match=r"more than [0-9,]+ bytes"):
        client.call(DOWNLOAD, app=app, location=LOCATION, params=MESSAGE)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(404), RequestRejected),
        (status(503), ServerFault),
        (body_of(4, cut=True), Unreachable),
        (body_of(9), PayloadTooLarge),
    ],
    ids=["404", "503", "cut short", "too large"],
)
def test_a_download_that_fails_leaves_what_was_there(
    app: App, scripted: Scripted, tmp_path: Path, answer: Any, error: type[Exception]
) -> None:
    scripted.plan(answer)
    to = tmp_path / "recording.wav"
    to.write_bytes(b"yesterday's")
    with pytest.raises(error):
        download(app, to, largest=8 * len(PIECE))
    assert to.read_bytes() == b"yesterday's"
    assert [path.name for path in tmp_path.iterdir()] == ["recording.wav"]


def test_a_download_is_repeated_for_somebody_who_waits(app: App, scripted: Scripted, tmp_path: Path) -> None:
    scripted.plan(body_of(4, cut=True), status(503), body_of(1))
    done = download(app, tmp_path / "recording.wav", lane=Lane.INTERACTIVE)
    assert (done.size, done.path.read_bytes()) == (len(PIECE), PIECE)
    assert len(scripted.requests) == 3


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_a_download_has_the_mode_of_any_new_file(
    app: App, scripted: Scripted, tmp_path: Path, mask: int, mode: int
) -> None:
    scripted.plan(body_of(1))
    before = os.umask(mask)
    try:
        done = download(app, tmp_path / "recording.wav")
    finally:
        os.umask(before)
    assert done.path.stat().st_mode & 0o777 == mode


def test_a_download_too_large_keeps_its_permit_spent(app: App, scripted: Scripted, tmp_path: Path) -> None:
    scripted.plan(body_of(2))
    with pytest.raises(PayloadTooLarge) as refused:
        download(app, tmp_path / "recording.wav", largest=len(PIECE))
    assert not isinstance(refused.value, Retryable), "a job would fetch it for ever"
    assert queries.snapshot(app.client_id, LOCATION).day_used == 1


def test_an_upload_of_a_file_that_is_not_there(app: App, scripted: Scripted, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        upload(app, tmp_path / "missing.png")
    assert scripted.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "ftp://example.com/a.png",
        "https:///a.png",
        "https://127.0.0.1/a.png",
        "https://localhost/a.png",
        "https://10.0.0.8/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a.png",
        "https://[::ffff:127.0.0.1]/a.png",
        "https://0.0.0.0/a.png",
        "https://224.0.0.1/a.png",
        "https://[::7f00:1]/a.png",
        "https://[::ffff:0:7f00:1]/a.png",
        "https://[64:ff9b::7f00:1]/a.png",
        "https://[64:ff9b:1::1]/a.png",
        "https://[2002:7f00:1::]/a.png",
        "https://[ff0e::1]/a.png",
    ],
)
def test_a_file_of_our_own_network_is_not_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadRequest, match="not public"):
        media.fetch(url, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"])
def test_a_public_address_is_connected_to(address: str) -> None:
    assert files.PublicBackend().resolve(address, 443) == address


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1/x?signature=secret-part",
        "https://exa\0mple.com/?signature=secret-part",
        f"https://{'a' * 70}.com/?signature=secret-part",
        "https://example.com:99999/?signature=secret-part",
        "https://example.com:port/?signature=secret-part",
        "https://ex\ud800mple.com/?signature=secret-part",
    ],
)
def test_what_is_no_address_is_named_as_such(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadRequest, match="not valid") as refused:
        media.fetch(url, tmp_path / "a.png")
    assert "secret-part" not in f"{refused.value.context} {refused.value}"
    assert list(tmp_path.iterdir()) == []


class TestFetched:
    """By URL, through a proxy that may reach this machine."""

    @pytest.fixture
    def fetch(self, scripted: Scripted, tmp_path: Path) -> Any:
        way = wire.Wire(scripted.url)

        def fetch(path: str, **how: Any) -> str:
            with (tmp_path / "fetched").open("wb") as into:
                limits = {"largest": 2 * len(PIECE), "timeout": 5.0} | how
                return files.fetch(f"{scripted.url}{path}", into, wire=way, **limits)

        yield fetch
        way.close()

    def test_it_is_written_without_any_token(self, fetch: Any, scripted: Scripted, tmp_path: Path) -> None:
        scripted.plan(body_of(1))
        assert fetch("/media/a.wav") == "audio/x-wav"
        assert (tmp_path / "fetched").read_bytes() == PIECE
        assert scripted.requests == [("GET", "/media/a.wav", "")]

    @pytest.mark.parametrize(("answer", "error"), [(404, RequestRejected), (302, RequestRejected), (500, ServerFault)])
    def test_a_refusal_is_typed(self, fetch: Any, scripted: Scripted, answer: int, error: type[Exception]) -> None:
        scripted.plan(status(answer, Location="http://127.0.0.1:1/"))
        with pytest.raises(error) as refused:
            fetch("/media/a.wav?signature=secret-part")
        assert refused.value.context["status"] == answer  # type: ignore[attr-defined]
        assert "secret-part" not in str(refused.value.context), "a signed URL grants access"  # type: ignore[attr-defined]
        assert len(scripted.requests) == 1

    def test_more_than_was_allowed_is_refused(self, fetch: Any, scripted: Scripted) -> None:
        scripted.plan(body_of(3))
        with pytest.raises(PayloadTooLarge, match=r"more than [0-9,]+ bytes"):
            fetch("/media/a.wav")
