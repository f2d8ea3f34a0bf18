"""`AsyncRetort` and `Retort` are one implementation: the same requests, the same answers, and types of their own."""

import asyncio
import hashlib
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted import Answer, Request, Scripted

from retort import AsyncJob, AsyncRetort, Job, JobFailed, Retort, Unreachable, blocking
from retort.service import Service

CONTENT = bytes(range(256)) * 8192
SHA256 = hashlib.sha256(CONTENT).hexdigest()
STREAM = {"Content-Type": "text/event-stream"}
ERROR = {"code": "DATASET_INVALID", "category": "user", "message": "no images", "hint": ""}


def view(state: str, **more: Any) -> dict[str, Any]:
    done = state in ("succeeded", "failed", "cancelled")
    return {"id": "job_1", "state": state, "done": done, "phase": None, "progress": None, "error": None, **more}


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def event(number: int) -> bytes:
    return f'id: {number}\nevent: log\ndata: {{"line": {number}}}\n\n'.encode()


def pages() -> list[Answer | Callable[[Request], Answer]]:
    """The whole life of a job with connections that break, and then a list over two pages."""
    artifact = {"name": "model.onnx", "sha256": SHA256, "size_bytes": len(CONTENT), "href": "/model"}
    half = len(CONTENT) // 2
    rest = {"Content-Range": f"bytes {half}-{len(CONTENT) - 1}/{len(CONTENT)}"}
    return [
        Answer(cut=0),
        as_json(view("queued"), 201),
        Answer(200, event(1) + b"id: 2\ndata", STREAM, cut=len(event(1)) + 5),
        Answer(200, event(2), STREAM),
        as_json(view("running")),
        Answer(200, event(3), STREAM),
        as_json(view("succeeded")),
        as_json({"data": [artifact]}),
        Answer(200, CONTENT, cut=half),
        Answer(206, CONTENT[half:], rest),
        as_json({"data": [view("queued"), view("running")], "has_more": True, "next_cursor": "c"}),
        as_json({"data": [view("failed")], "has_more": False, "next_cursor": None}),
    ]


async def asynchronous(url: str, folder: Path) -> list[Any]:
    async with AsyncRetort(url) as retort:
        job = await retort.submit(student="nano", idempotency_key="k")
        events = [one.data["line"] async for one in job.events()]
        paths = await job.download(folder)
        return [await job.wait(), events, paths[0].read_bytes(), [one["state"] async for one in retort.jobs()]]


def synchronous(url: str, folder: Path) -> list[Any]:
    with Retort(url) as retort:
        job = retort.submit(student="nano", idempotency_key="k")
        events = [one.data["line"] for one in job.events()]
        paths = job.download(folder)
        return [job.wait(), events, paths[0].read_bytes(), [one["state"] for one in retort.jobs()]]


def test_both_clients_send_the_same_requests_and_give_the_same_answers(server: Scripted, tmp_path: Path) -> None:
    server.script = pages()
    given = [synchronous(server.url, tmp_path / "blocking")]
    asked = server.requests.copy()
    server.requests.clear()
    server.script = pages()
    given.append(asyncio.run(asynchronous(server.url, tmp_path / "async")))
    assert given[0] == given[1] == [view("succeeded"), [1, 2, 3], CONTENT, ["queued", "running", "failed"]]
    ranges = [request.headers.get("range") for request in asked]
    assert [request.headers.get("range") for request in server.requests] == ranges
    assert [(one.method, one.path, one.body) for one in asked] == [
        (one.method, one.path, one.body) for one in server.requests
    ]


def test_tasks_run_beside_a_request_that_waits(server: Scripted) -> None:
    def slowly(request: Request) -> Answer:
        time.sleep(0.5)
        return as_json({"data": []})

    server.script = [slowly]

    async def ticks() -> int:
        count = 0
        async with AsyncRetort(server.url) as retort:
            asking = asyncio.create_task(retort.methods())
            while not asking.done():
                count += 1
                await asyncio.sleep(0.01)
        return count

    assert asyncio.run(ticks()) > 1


def test_errors_are_the_same(server: Scripted, closed_port: int) -> None:
    server.script = [as_json(view("failed", error=ERROR))]

    async def wait() -> None:
        await (await AsyncRetort(server.url).job("job_1")).wait()

    with pytest.raises(JobFailed, match="no images"):
        asyncio.run(wait())
    with pytest.raises(Unreachable, match="no Retort service answers"):
        asyncio.run(AsyncRetort(f"http://127.0.0.1:{closed_port}", patience_seconds=0).methods())


def test_a_blocking_client_works_inside_a_running_event_loop(server: Scripted) -> None:
    server.script = [as_json({"data": [view("queued")] * 3, "has_more": False, "next_cursor": None})]

    async def inside() -> str:
        return next(Retort(server.url).jobs())["state"]

    assert asyncio.run(inside()) == "queued"


def test_a_coroutine_that_suspends_is_an_error_and_not_a_result() -> None:
    with pytest.raises(RuntimeError, match="suspended without an event loop"):
        blocking.run(asyncio.sleep(0))


@pytest.mark.parametrize(("facade", "implementation"), [(Retort, Service), (Job, AsyncJob)])
def test_the_blocking_class_has_every_method_with_parameters_and_docstring(facade: type, implementation: type) -> None:
    public = {name: method for name, method in vars(implementation).items() if inspect.isfunction(method)}
    public = {name: method for name, method in public.items() if not name.startswith("_")}
    assert public
    for name, method in public.items():
        offered = getattr(facade, name)
        assert offered.__doc__ == method.__doc__ and method.__doc__
        assert inspect.signature(offered).parameters == inspect.signature(method).parameters
        assert "Async" not in str(inspect.signature(offered).return_annotation)


SNIPPET = """
from collections.abc import AsyncIterator, Iterator
from typing import assert_type
from retort import AsyncJob, AsyncRetort, Job, Retort
from retort.models import JobView

assert_type(Retort().submit(student="nano"), Job)
assert_type(Retort().submit(student="nano").cancel().wait(timeout_seconds=1), JobView)
assert_type(Retort().jobs(limit=3), Iterator[JobView])

async def use(retort: AsyncRetort) -> None:
    job = await retort.job("job_1")
    assert_type(job, AsyncJob)
    assert_type(await job.wait(), JobView)
    assert_type(retort.jobs(), AsyncIterator[JobView])

Retort().jobs(limt=3)  # wrong
Retort().job(1)  # wrong
Retort().job("job_1").wait()["stat"]  # wrong
"""


@pytest.mark.slow
def test_type_checkers_see_both_clients(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(SNIPPET)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "use.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    wrong = [number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# wrong")]
    found = [int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line]
    assert found == wrong, done.stdout
