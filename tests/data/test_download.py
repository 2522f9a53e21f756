from __future__ import annotations

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from freeml.data import catalogue, get
from freeml.data import download as download_module
from freeml.data.catalogue import DataFile, Entry
from freeml.errors import BadData

PAYLOAD = b"the published content" * 1000
PACKED = gzip.compress(PAYLOAD)


@pytest.fixture
def site(monkeypatch):
    """A web server of path -> content; a content shorter than its declared length is cut off."""
    contents: dict[str, tuple[bytes, int]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content, declared = contents.get(self.path, (b"", -1))
            self.send_response(404 if declared < 0 else 200)
            self.send_header("Content-Length", str(max(declared, 0)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    contents_url = f"http://127.0.0.1:{server.server_port}"
    yield contents, contents_url
    server.shutdown()
    server.server_close()


@pytest.fixture
def published(site, monkeypatch):
    """A data set `made` of one gzip file with two addresses; serve(path, content) puts one on the web."""
    contents, url = site
    sha256 = hashlib.sha256(PAYLOAD).hexdigest()
    file = DataFile("made/a.gz", len(PAYLOAD), sha256, (f"{url}/first", f"{url}/second"), ("made/a",))
    made = Entry("made", "a made set", "MIT", "https://example.org/made", "none", (file,))
    monkeypatch.setattr(download_module, "entry", {"made": made}.__getitem__)

    def serve(path: str, content: bytes, declared: int | None = None) -> None:
        contents[f"/{path}"] = (content, len(content) if declared is None else declared)

    return serve


def test_a_download_lands_in_the_data_folder_and_is_reported(published, empty_data_dir):
    published("first", PACKED)
    seen = []
    (path,) = get("made", progress=lambda *step: seen.append(step))
    assert path == empty_data_dir / "made" / "a.gz"
    assert path.read_bytes() == PACKED
    assert seen[-1] == ("a.gz", len(PACKED), len(PACKED))
    assert [p.name for p in path.parent.iterdir()] == ["a.gz"]


def test_a_differently_compressed_copy_is_the_same_content(published, empty_data_dir):
    published("first", gzip.compress(PAYLOAD, 1))
    assert gzip.decompress(get("made")[0].read_bytes()) == PAYLOAD


def test_a_mirror_is_tried_when_the_first_address_fails(published, empty_data_dir):
    published("first", b"a login page")
    published("second", PACKED)
    assert get("made")[0].read_bytes() == PACKED


FAULTS = {
    "its sha256 is": (gzip.compress(PAYLOAD[:-1] + b"!"), None),
    "it has more than": (gzip.compress(PAYLOAD + b"!"), None),
    "it has 20999 bytes, not 21000": (gzip.compress(PAYLOAD[:-1]), None),
    "damaged": (b"a login page", None),
    "Error": (PACKED[:50], len(PACKED)),
    "more than the": (bytes(1 << 20), None),
}


@pytest.mark.parametrize("message", FAULTS)
def test_anything_but_the_published_content_is_refused_and_nothing_is_left(published, empty_data_dir, message):
    content, declared = FAULTS[message]
    published("first", content, declared)
    with pytest.raises(BadData, match=message) as caught:
        get("made")
    assert "404" in caught.value.what  # the mirror was asked too
    assert "https://example.org/made" in caught.value.hint
    assert not empty_data_dir.exists()


def test_an_interrupted_download_leaves_nothing(published, empty_data_dir):
    published("first", PACKED)

    def interrupt(*step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get("made", progress=interrupt)
    assert not empty_data_dir.exists()


def test_files_beside_a_failed_download_are_kept(published, empty_data_dir):
    (empty_data_dir / "made").mkdir(parents=True)
    (empty_data_dir / "made" / "mine").write_text("kept")
    with pytest.raises(BadData):
        get("made")
    assert [p.name for p in (empty_data_dir / "made").iterdir()] == ["mine"]


def test_a_file_that_is_there_is_checked_and_not_fetched_again(published, empty_data_dir):
    (empty_data_dir / "made").mkdir(parents=True)
    (empty_data_dir / "made" / "a").write_bytes(PAYLOAD)
    assert get("made") == (empty_data_dir / "made" / "a",)
    (empty_data_dir / "made" / "a").write_bytes(PAYLOAD[1:])
    with pytest.raises(BadData, match="not the published file"):
        get("made")
    assert (empty_data_dir / "made" / "a").read_bytes() == PAYLOAD[1:]


@pytest.mark.parametrize("name", ["har", "kws", "cifar10-jpeg", "cifar10-lossless"])
def test_a_set_without_a_direct_address_says_where_it_is_published_and_how_to_place_it(name, empty_data_dir):
    entry = next(e for e in catalogue() if e.name == name)
    with pytest.raises(BadData) as caught:
        get(name)
    assert entry.source in caught.value.what
    assert caught.value.hint == entry.placing
    assert not empty_data_dir.exists()


def test_digits_need_no_download():
    assert get("digits") == ()


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(BadData) as caught:
        get("imagenet")
    assert "mnist" in caught.value.hint


@pytest.mark.needs_data
def test_the_catalogue_knows_the_files_that_are_there(data_dir):
    from freeml.data.download import _difference

    files = [f for e in catalogue() for f in e.files if f.local is not None]
    assert len(files) >= 8
    assert [f.path for f in files if _difference(f.local, f)] == []
