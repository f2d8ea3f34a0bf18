"""Hostile on the wire: smuggling, heads and bodies without end, silence, other protocols."""

from tests.api.hostile.request import CLOSED, Hostile, ask, endless, head, raw

JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
POST = head("POST", "/v1/jobs", JSON)
GET = head("GET", "/v1/jobs")
SMUGGLED = b"0\r\n\r\nGET /v1/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer <KEY>\r\n\r\n"
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HTTP2 = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
BAD = (400, CLOSED)
# Two ways to say how long the body is, or one that servers read in different ways.
FRAMINGS = [
    "Content-Length: 6\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 6",
    "Content-Length: 6\r\nContent-Length: 5",
    "Content-Length: 6\r\nContent-Length: 6",
    "Content-Length: 5, 6",
    "Content-Length: +6",
    "Content-Length: -6",
    "Content-Length: 0x6",
    "Content-Length: 6 6",
    f"Content-Length: {'9' * 40}",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding : chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding:\x0bchunked",
    "Content-Length : 6",
]
CHUNKS = [
    "0x5\r\nhello",
    "-5\r\nhello",
    "G\r\nhello",
    f"{'F' * 40}\r\nhello",
    "5 5\r\nhello",
    "5\nhello\n0\n\n",
    "5\r\nhelloXX",
]
LINES = [
    b"GET /v1/jobs\r\n\r\n",
    b"GET /v1/jobs HTTP/9.9\r\n\r\n",
    b"GET /v1/jobs HTTX/1.1\r\n\r\n",
    b"GET  /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"get /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET\t/v1/jobs\tHTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/\xff\xfejobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\nHost: 127.0.0.1\n\n",
    b"GET /v1/jobs HTTP/1.1\rHost: 127.0.0.1\r\r",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    bytes(range(256)) * 8,
    b"\x00" * 4096,
    b"EHLO mail.example\r\nQUIT\r\n",
]
FIELDS = [
    b"A B: c",
    b"A\x00: b",
    b"A: b\x00c",
    b"A: b\rc",
    b": empty",
    b"no colon",
    b"A: b\r\n folded",
    b"\xc3\xa9: x",
    b"A(: b",
]

WIRE: list[Hostile] = [
    *(
        raw(f"framing {framing!r}", POST + framing.encode() + b"\r\n\r\n" + SMUGGLED, *BAD, 411, 415, 431)
        for framing in FRAMINGS
    ),
    *(raw(f"chunk {chunk!r}", POST + f"{CHUNKED}\r\n\r\n{chunk}\r\n0\r\n\r\n".encode(), *BAD, 408) for chunk in CHUNKS),
    raw(
        "chunks in HTTP/1.0",
        POST.replace(b"HTTP/1.1", b"HTTP/1.0") + f"{CHUNKED}\r\n\r\n0\r\n\r\n".encode() + SMUGGLED[5:],
        *BAD,
        200,
        answers=2,
    ),
    *(raw(f"line {line[:40]!r}", line, *BAD, 401, 421, 505) for line in LINES),
    *(raw(f"field {field!r}", GET + field + b"\r\nConnection: close\r\n\r\n", 400, CLOSED, 200) for field in FIELDS),
    # Heads.
    endless("a target without end", b"GET /v1/jobs?", b"a" * 4096, 431, CLOSED),
    endless("a field's value without end", GET + b"X: ", b"a" * 4096, 431, CLOSED),
    endless("a field's name without end", GET, b"a" * 4096, 431, CLOSED),
    endless("fields without end", GET, b"X: y\r\n" * 500, 431, CLOSED),
    endless("empty lines without end", b"", b"\r\n" * 500, 431, 400, CLOSED, seconds=14),
    raw("101 fields", GET + b"X: y\r\n" * 101 + b"Connection: close\r\n\r\n", 431),
    raw("a field of 40 KiB", GET + b"X: " + b"y" * 40_960 + b"\r\n\r\n", 431, CLOSED),
    raw(
        "a cookie of 20 KiB",
        GET + b"Cookie: retort_session=" + b"y" * 20_480 + b"\r\nConnection: close\r\n\r\n",
        200,
        401,
    ),
    endless("a head of a byte a second", GET + b"X: ", b"y", 408, pause=1.0, seconds=16),
    raw("half of a head, then silence", GET, 408, seconds=16),
    raw("half of a request line, then silence", b"GET /v1", 408, seconds=16),
    raw("silence", b"", CLOSED, seconds=16),
    raw("silence behind an answer", head("GET", "/livez") + b"\r\n", 200),
    endless(
        "a byte a second behind an answer",
        head("GET", "/livez") + b"\r\n",
        b"\r\n",
        200,
        pause=1.0,
        answers=2,
        seconds=24,
    ),
    # Bodies.
    endless(
        "a chunked body without end",
        POST + f"{CHUNKED}\r\n\r\n".encode(),
        b"1000\r\n" + b" " * 4096 + b"\r\n",
        413,
        CLOSED,
    ),
    endless(
        "a chunked body without end that no route reads",
        head("GET", "/livez") + f"{CHUNKED}\r\n\r\n".encode(),
        b"1\r\nx\r\n",
        200,
        pause=0.05,
        seconds=16,
    ),
    endless(
        "a body without end, without a key",
        head("POST", "/v1/jobs", JSON, CHUNKED, key=False) + b"\r\n",
        b"1\r\nx\r\n",
        401,
        pause=0.05,
        seconds=16,
    ),
    endless("a chunk's extension without end", POST + f"{CHUNKED}\r\n\r\n5;".encode(), b"x" * 4096, *BAD),
    endless("a trailer without end", POST + f"{CHUNKED}\r\n\r\n2\r\n{{}}\r\n0\r\nX: ".encode(), b"x" * 4096, *BAD),
    endless("trailers without end", POST + f"{CHUNKED}\r\n\r\n2\r\n{{}}\r\n0\r\n".encode(), b"X: y\r\n" * 500, *BAD),
    raw(
        "a key among the trailers",
        head("GET", "/v1/jobs", CHUNKED, key=False) + b"\r\n0\r\nAuthorization: Bearer <KEY>\r\n\r\n",
        401,
    ),
    raw("a length of 10 GB", POST + b"Content-Length: 10000000000\r\n\r\n{", 413, CLOSED),
    raw("a body that does not come", POST + b"Content-Length: 100\r\n\r\n", 408, seconds=26),
    endless("a body of a byte a second", POST + b"Content-Length: 1000\r\n\r\n", b" ", 408, pause=1.0, seconds=26),
    raw(
        "a body that is announced and does not come",
        POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        100,
        408,
        answers=2,
        seconds=26,
    ),
    raw(
        "100,000 chunks of a byte", POST + f"{CHUNKED}\r\n\r\n".encode() + b"1\r\n[\r\n" * 100_000 + b"0\r\n\r\n", *BAD
    ),
    # Several requests, other protocols.
    raw("500 requests at once", (head("GET", "/livez") + b"\r\n") * 500, 200, answers=500, seconds=30),
    raw("rubbish behind a request", head("GET", "/livez") + b"\r\n\x00\x01\x02", 200, answers=2),
    raw("a websocket", GET + WEBSOCKET, 200, 400, 426),
    raw("HTTP/2 by upgrade", GET + HTTP2, 200, 400),
    ask("two hosts", "GET", "/v1/jobs", "Host: 127.0.0.1", statuses=(400,), host="evil.example"),
    ask("two hosts, the first good", "GET", "/v1/jobs", "Host: evil.example", statuses=(400,)),
    ask("no host", "GET", "/v1/jobs", statuses=(400, 421), host=None),
    ask("another host in the target", "GET", "http://evil.example/v1/jobs", statuses=(200, 400, 404, 421)),
    ask("everything", "OPTIONS", "*", statuses=(400, 404, 405)),
]
