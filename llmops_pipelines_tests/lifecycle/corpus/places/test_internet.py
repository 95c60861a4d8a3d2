"""One request: pinned to a judged address, capped in size, time and redirects. A local server plays the outside."""

import gzip
import socket
import ssl
import time
import zlib

import pytest

from llmops_pipelines.lifecycle.corpus.places.addresses import Refused
from llmops_pipelines.lifecycle.corpus.places.internet import Internet
from llmops_pipelines.lifecycle.corpus.sources import UnreadableFile

from .website import HOME, Page, served


@pytest.fixture
def site():
    with served() as made:
        yield made


def get(site, path="/a", most=10_000, seconds=5, **words):
    internet = site.internet(seconds, **words)
    try:
        return internet.get(site.url(path), most)
    finally:
        internet.close()


def test_a_page_is_read_with_its_own_host_name(site):
    site.pages["/a"] = Page(b"text", kind="text/plain")
    reply = get(site)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"text", "text/plain")
    assert site.asked[0][1]["host"] == site.host
    assert not {"cookie", "authorization", "referer"} & set(site.asked[0][1])


def test_without_test_doubles_this_machine_is_out_of_reach(site):
    site.pages["/a"] = Page()
    for name in ("localhost", HOME, "[::1]"):
        internet = Internet((f"{name}:{site.port}",), 5)
        with pytest.raises(Refused, match="is not a public address"):
            internet.get(f"http://{name}:{site.port}/a", 100)
    assert site.asked == []


@pytest.mark.parametrize("number", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"])
def test_numbers_in_disguise_are_refused(site, number):
    site.pages["/a"] = Page()
    internet = Internet((f"{number}:{site.port}",), 5)
    with pytest.raises(UnreadableFile, match="is not a public address|no answer|is no address"):
        internet.get(f"http://{number}:{site.port}/a", 100)
    assert site.asked == []


def test_one_private_address_among_public_ones_refuses_the_name(site):
    for addresses in (["10.0.0.1"], [HOME, "10.0.0.1"], ["::1", HOME]):
        with pytest.raises(Refused, match="is not a public address"):
            get(site, resolve=lambda host, port, found=addresses: found)
    assert site.asked == []


def test_the_name_is_resolved_once_and_the_connection_goes_there(site):
    """DNS rebinding: the second answer would lead inside."""
    site.pages["/a"] = Page()
    answers = [[HOME], ["169.254.169.254"], ["169.254.169.254"]]
    assert get(site, resolve=lambda host, port: answers.pop(0)).status == 200
    assert len(answers) == 2


def test_the_next_address_is_tried_when_one_does_not_answer(site):
    site.pages["/a"] = Page()
    addresses = ["127.0.0.2", HOME]
    assert get(site, resolve=lambda *_: addresses, allowed=lambda address: address.startswith("127.")).status == 200


def test_redirects_are_followed_and_each_is_judged(site):
    site.pages["/a"] = Page(status=302, headers={"Location": "/b"})
    site.pages["/b"] = Page(b"there", status=308 - 7, headers={"Location": site.url("/c")})
    site.pages["/c"] = Page(b"there")
    reply = get(site)
    assert (reply.body, reply.url) == (b"there", site.url("/c"))


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data", "not among the hosts"),
        ("http://localhost/", "not among the hosts"),
        ("http://inside.test/", "leads to 10.0.0.1, which is not a public address"),
        ("file:///etc/passwd", "no http or https address"),
        ("http://me:secret@pages.test/", "user name"),
        ("/a", "more than 5 redirects"),
    ],
)
def test_redirects_lead_nowhere_else(site, target, reason):
    site.pages["/a"] = Page(status=302, headers={"Location": target})
    with pytest.raises(UnreadableFile, match=reason):
        get(site, allow=("inside.test",), resolve=lambda host, port: ["10.0.0.1"] if host == "inside.test" else [HOME])
    assert len(site.asked) == (6 if target == "/a" else 1)


def test_the_size_is_capped_whatever_the_server_claims(site):
    site.pages["/a"] = Page(b"x" * 10_001)
    with pytest.raises(UnreadableFile, match="larger than"):
        get(site)
    site.pages["/a"] = Page(b"x" * 10_000)
    assert len(get(site).body) == 10_000


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_packed_bodies_are_unpacked_and_bombs_are_not(site, pack):
    coding = {"Content-Encoding": "gzip" if pack is gzip.compress else "deflate"}
    site.pages["/a"] = Page(pack(b"text" * 100), headers=coding)
    assert get(site).body == b"text" * 100
    site.pages["/a"] = Page(pack(b"\0" * 50_000_000), headers=coding)
    with pytest.raises(UnreadableFile, match="larger than"):
        get(site)
    site.pages["/a"] = Page(pack(b"text" * 100)[:-5], headers=coding)
    with pytest.raises(UnreadableFile, match="ends early"):
        get(site)
    site.pages["/a"] = Page(b"text", headers={"Content-Encoding": "br"})
    with pytest.raises(UnreadableFile, match="packed as 'br'"):
        get(site)


def test_what_comes_after_a_packed_body_is_not_taken_in(site):
    coding = {"Content-Encoding": "gzip"}
    for more in (b"x", b"x" * 10_000_000, gzip.compress(b"a second member")):
        site.pages["/a"] = Page(gzip.compress(b"text") + more, headers=coding)
        with pytest.raises(UnreadableFile, match="goes on after the end|larger than"):
            get(site)


def test_packed_bytes_count_even_when_nothing_comes_out_of_them(site):
    start = zlib.compressobj(wbits=31).flush(zlib.Z_FULL_FLUSH)
    body = start + b"\0\0\0\xff\xff" * 20_000  # empty blocks
    site.pages["/a"] = Page(body, headers={"Content-Encoding": "gzip"})
    with pytest.raises(UnreadableFile, match="larger than"):
        get(site)


def test_a_page_that_did_not_change_leaves_the_connection_open(site):
    site.pages["/a"] = Page(headers={"ETag": "1"})
    internet = site.internet()
    for _ in range(3):
        assert internet.get(site.url("/a"), 100, {"If-None-Match": "1"}).status == 304
    internet.close()
    assert len(site.callers) == 1


def test_a_body_that_ends_early_is_not_a_page(site):
    site.pages["/a"] = Page(b"half", length=8)
    with pytest.raises(UnreadableFile, match="no answer"):
        get(site)


def test_bytes_that_trickle_in_end_with_the_time(site):
    site.pages["/a"] = Page(b"x" * 100, slow=0.05)
    start = time.monotonic()
    with pytest.raises(UnreadableFile, match=r"no whole answer in 0\.4 seconds"):
        get(site, seconds=0.4)
    assert time.monotonic() - start < 2


def test_a_server_that_never_answers_and_one_that_trickles_headers_end_with_the_time():
    import threading

    with socket.socket() as listening:
        listening.bind((HOME, 0))
        listening.listen()
        port = listening.getsockname()[1]
        held = []

        def trickle() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                held.append(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100):
                try:
                    connection.sendall(b"X: y\r\n")
                except OSError:
                    return
                time.sleep(0.05)

        server = threading.Thread(target=trickle, daemon=True)
        server.start()
        for _ in range(2):
            internet = Internet((f"x.test:{port}",), 0.3, lambda *_: [HOME], lambda _: True)
            with pytest.raises(UnreadableFile, match="no whole answer"):
                internet.get(f"http://x.test:{port}/", 100)
            internet.close()
        server.join()
        for connection in held:
            connection.close()


def test_a_connection_that_is_refused_and_a_name_that_is_unknown_are_no_answer(site):
    def unknown(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(UnreadableFile, match="no answer: .*Name or service not known"):
        get(site, resolve=unknown)
    with pytest.raises(UnreadableFile, match="no answer"):
        get(site, resolve=lambda *_: [])
    with pytest.raises(UnreadableFile, match="no answer"):
        get(site, resolve=lambda *_: ["127.0.0.3"], allowed=lambda _: True)


def test_certificates_are_checked_for_the_name_not_for_the_address(tmp_path):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate(tmp_path, "pages.test"))
    trust = ssl.create_default_context(cafile=str(tmp_path / "pages.test.pem"))
    with served(server) as site:
        site.pages["/a"] = Page(b"text")
        site.pages["/down"] = Page(status=302, headers={"Location": f"http://{site.host}/a"})
        internet = site.internet(trust=trust, allow=(f"other.test:{site.port}",))
        assert internet.get(f"https://{site.host}/a", 100).body == b"text"
        with pytest.raises(UnreadableFile, match="Hostname mismatch"):
            internet.get(f"https://other.test:{site.port}/a", 100)
        with pytest.raises(Refused, match="from https to http"):
            internet.get(f"https://{site.host}/down", 100)
        internet.close()
        untrusting = site.internet()
        with pytest.raises(UnreadableFile, match="CERTIFICATE_VERIFY_FAILED"):
            untrusting.get(f"https://{site.host}/a", 100)
        untrusting.close()


def certificate(folder, name: str) -> str:
    """A certificate for a host, signed by itself."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return str(path)
