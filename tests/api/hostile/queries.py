"""Hostile in what a whole request asks for: paths, queries, fields of its head."""

from urllib.parse import quote

from tests.api.hostile.request import Hostile, ask

JOBS, ARTIFACTS = "/v1/jobs", "/v1/jobs/<JOB>/artifacts"
REFUSED = (400, 422)
ABSENT = (400, 404)
HUGE = "9" * 5000
RANGES = [
    f"bytes={HUGE}-",
    f"bytes=0-{HUGE}",
    f"bytes=-{HUGE}",
    "bytes=-0",
    "bytes=5-2",
    "bytes=a-b",
    "bytes=--1",
    "bytes=1-1-1",
    "bytes=",
    "bytes=-",
    "items=0-1",
    "bytes=" + ",".join(["0-0"] * 2000),
    "bytes=0-,0-,0-",
    "bytes=\u0660-\u0661",
    "bytes=0x0-0x5",
    "bytes=1e1-",
    "bytes=18446744073709551615-18446744073709551616",
    "=0-1",
    "bytes 0-1",
]
QUERIES = [
    "label=" + "&label=".join(f"k{number}=v" for number in range(160)),
    "label=no-equals",
    "label==value",
    f"label={'k' * 20_000}=v",
    "state=nonsense",
    "state=queued'--",
    "limit=0",
    "limit=-1",
    "limit=1e3",
    f"limit={HUGE}",
    "limit=1_0_0_0",
    "limit=NaN",
    "limit=1&limit=1000000",
    f"limit={quote('１０００')}0",
    f"after={'a' * 5000}",
    "unknown=1",
    "&".join(f"k{number}=1" for number in range(3000)),
    "_method=DELETE",
    "include=spec&include=spec",
    "include=everything",
    "token=<KEY>",
]
CURSORS = ["%27%20OR%201%3D1--", "..%2f..", "job_", "0", "-1", "%F0%9F%92%A9", "%EF%BF%BF", "%ff", "null"]
PAGES = [
    ("events", f"after={2**63}"),
    ("events", f"after={HUGE}"),
    ("events", "after=-1"),
    ("events", "after=NaN"),
    ("events", "limit=100000"),
    ("logs", f"attempt={2**31}"),
    ("logs", "attempt=-1"),
    ("metrics", "max_points=1"),
    ("metrics", "max_points=1e6"),
    ("metrics", f"since_step={2**63}"),
    ("metrics", "&".join(f"name=m{number}" for number in range(3000))),
]
TRAVERSALS = [
    "../../../token",
    "..%2f..%2f..%2ftoken",
    "%2e%2e/%2e%2e/token",
    "%252e%252e%252ftoken",
    "..%5c..%5ctoken",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "%00",
    "model.bin%00.txt",
    "..;/token",
    "%c0%ae%c0%ae/token",
    "%ff%fe",
    "file:///etc/passwd",
    "a" * 20_000,
    "%0d%0aSet-Cookie:%20x=y",
]
PATHS = [
    "//evil.example/v1/jobs",
    "/v1//jobs",
    "/v1/./jobs/..%2f..",
    "/v1/jobs/%2e%2e/%2e%2e/token",
    "/v1/jobs%3flimit=1",
    "/v1/jobs/" + "a" * 20_000,
    "/v1/jobs/%ED%A0%80",
    "/v1/jobs/job_%00",
    "/v1/jobs/1'%20OR%20'1'='1",
    "/web/../pyproject.toml",
    "/web/%2e%2e%2fpyproject.toml",
    "/web/..%5c..%5cpyproject.toml",
    "/web//etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/v1/keys/..%2f..",
    "/docs",
    "/redoc",
]
# Fields that other servers obey; this one must do what the request line says.
IGNORED = [
    "X-HTTP-Method-Override: DELETE",
    "X-Method-Override: DELETE",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-For: 127.0.0.1, ' OR 1=1",
    "Forwarded: for=127.0.0.1;host=evil.example",
    "X-Original-URL: /v1/keys",
    "X-Rewrite-URL: /v1/keys",
    "X-Request-Id: " + "a" * 5000,
    'X-Request-Id: a"b<script>',
    "Prefer: wait=-1",
    f"Prefer: wait={HUGE}",
    "Prefer: wait=NaN, respond-async",
    "If-None-Match: " + ", ".join(['"a"'] * 2000),
    'If-None-Match: "' + "x" * 10_000,
    "If-Modified-Since: yesterday",
    "Accept: " + "text/html," * 500,
    "Accept-Encoding: gzip;q=NaN, *;q=-1",
    "Content-Type: application/json; charset=evil",
    "Cookie: " + "a=b; " * 2000,
    'Cookie: retort_session="\\"; x=y',
    "TE: trailers, chunked;q=0",
]
HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "[::1",
    "",
    "a" * 5000,
    "localhost\\",
    "127.0.0.1,evil.example",
]
AUTHORIZATIONS = [
    "Bearer " + "a" * 8000,
    "Bearer rtk_01K_x_y",
    "Bearer rtk_' OR 1=1--",
    "Basic OmFkbWlu",
    "Bearer",
    "bearer \u00e9\u00ff",
    "Digest username=admin",
    "Bearer null",
]
METHODS = ["TRACE", "PROPFIND", "LOCK", "PURGE", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]
ORIGINS = ["null", "https://evil.example", "http://127.0.0.1.evil.example", "http://127.0.0.1:1", "file://", "a" * 5000]
STREAM = "Accept: text/event-stream"
LAST_EVENTS = ["-1", HUGE, "abc", "1;2", "0x10", "1e3", "\u0661", "", "9223372036854775807"]
IF_MATCHES = ["*", 'W/"1"', "1", '"' + HUGE + '-x"', '"-1"', '"\u0661-x"', ", ".join(['"9-a"'] * 2000)]
IDEMPOTENCY_KEYS = ["", "a" * 300, "a\tb", "\u00e9", "k" * 20_000, "' OR 1=1--"]
SPEC = b'{"teacher": "torchvision/resnet50", "dataset": "file:///nowhere", "student": "small"}'
JSON = "Content-Type: application/json"

QUERIED: list[Hostile] = [
    *(
        ask(f"range {one[:40]}", "GET", f"{ARTIFACTS}/model.bin", f"Range: {one}", statuses=(200, 206, 416))
        for one in RANGES
    ),
    ask("if-range", "GET", f"{ARTIFACTS}/model.bin", "Range: bytes=0-1", f"If-Range: {HUGE}", statuses=(200,)),
    *(ask(f"jobs?{one[:40]}", "GET", f"{JOBS}?{one}", statuses=REFUSED) for one in QUERIES),
    *(ask(f"cursor {one}", "GET", f"{JOBS}?after={one}", statuses=(200, 422)) for one in CURSORS),
    ask("a label that is no UTF-8", "GET", f"{JOBS}?label=%ff=%fe", statuses=(200, *REFUSED)),
    ask("a state 2,000 times", "GET", f"{JOBS}?state=queued{'&state=queued' * 1999}", statuses=REFUSED),
    *(ask(f"{page}?{query[:40]}", "GET", f"{JOBS}/<JOB>/{page}?{query}", statuses=REFUSED) for page, query in PAGES),
    *(ask(f"artifact {one[:40]}", "GET", f"{ARTIFACTS}/{one}", statuses=ABSENT) for one in TRAVERSALS),
    *(ask(f"path {one[:40]}", "GET", one, statuses=ABSENT) for one in PATHS),
    *(ask(f"field {one[:40]}", "GET", f"{JOBS}/<JOB>", one, statuses=(200, 304)) for one in IGNORED),
    *(ask(f"host {one[:40]!r}", "GET", JOBS, statuses=(400, 421), host=one) for one in HOSTS),
    *(
        ask(f"authorization {one[:40]!r}", "GET", JOBS, f"Authorization: {one}", statuses=(401,), key=False)
        for one in AUTHORIZATIONS
    ),
    ask("two authorizations", "GET", JOBS, "Authorization: Bearer rtk_x", statuses=(400, 401)),
    ask("a key in the query", "GET", f"{JOBS}?access_token=<KEY>", statuses=(401,), key=False),
    *(ask(f"method {one}", one, JOBS, statuses=(200, 400, 405)) for one in METHODS),
    ask("HEAD of a stream", "HEAD", f"{JOBS}/<JOB>/events", STREAM, statuses=(200, 204)),
    *(ask(f"origin {one[:40]}", "POST", JOBS, JSON, f"Origin: {one}", statuses=(403,), body=SPEC) for one in ORIGINS),
    *(
        ask(
            f"last event {one[:40]!r}",
            "GET",
            f"{JOBS}/<JOB>/events",
            STREAM,
            f"Last-Event-ID: {one}",
            statuses=(200, 204),
        )
        for one in LAST_EVENTS
    ),
    *(
        ask(
            f"if-match {one[:40]!r}",
            "PATCH",
            f"{JOBS}/<JOB>",
            JSON,
            f"If-Match: {one}",
            statuses=(200, 412),
            body=b'{"name": "a"}',
        )
        for one in IF_MATCHES
    ),
    *(
        ask(
            f"idempotency key {one[:40]!r}",
            "POST",
            JOBS,
            JSON,
            f"Idempotency-Key: {one}",
            statuses=(400, 422),
            body=SPEC,
        )
        for one in IDEMPOTENCY_KEYS
    ),
]
