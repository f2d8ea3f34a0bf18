"""A client under chaos: submits with idempotency keys until it is answered, cancels, pauses, resumes, and tries to see
the jobs of another tenant. It remembers what it was promised."""

import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.world import TENANTS, World

STEPS = 12
STEP_SECONDS = 0.35  # a job outlives its worker's sleep
MOST_AT_ONCE = 5


@dataclass
class Promised:
    """What the service has said: jobs by idempotency key, and answers that it must never give."""

    jobs: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)


class Load(threading.Thread):
    """Runs until `ending` is set."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(name="load", daemon=True)
        self._world = world
        self._chance = random.Random(seed)
        self.promised = Promised()
        self.ending = threading.Event()

    def run(self) -> None:
        clients = {tenant: self._client(tenant) for tenant in TENANTS}
        while not self.ending.is_set():
            tenant = self._chance.choice(TENANTS)
            try:
                self._act(clients[tenant], clients[TENANTS[tenant == TENANTS[0]]])
            except (httpx.HTTPError, KeyError, ValueError):  # the answer may be a problem, or cut off
                time.sleep(0.1)
            time.sleep(self._chance.uniform(0.05, 0.3))

    def _client(self, tenant: str) -> httpx.Client:
        key = self._world.keys[tenant]
        address = f"http://127.0.0.1:{self._world.api_port}"
        return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=3)

    def _act(self, mine: httpx.Client, others: httpx.Client) -> None:
        running = mine.get("/v1/jobs?state=queued&state=running&state=paused").json()["data"]
        if len(running) < MOST_AT_ONCE:
            self._submit(mine, others)
        elif running:
            job_id = self._chance.choice(running)["id"]
            action = self._chance.choice(("cancel", "pause", "look", "look", "look", "look", "look", "look"))
            if action == "look":
                self._expect(mine.get(f"/v1/jobs/{job_id}"), 200, job_id)
            elif mine.post(f"/v1/jobs/{job_id}/{action}").status_code == 202 and action == "cancel":
                self.promised.cancelled.add(job_id)
        for job in running:
            if job["state"] == "paused":
                mine.post(f"/v1/jobs/{job['id']}/resume")

    def _submit(self, mine: httpx.Client, others: httpx.Client) -> None:
        key, body = str(uuid.uuid4()), self._body()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                answer = mine.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                time.sleep(0.1)
                continue
            if answer.status_code < 300:
                job_id = answer.json()["id"]
                if self.promised.jobs.setdefault(key, job_id) != job_id:
                    self.promised.broken.append(f"the key {key} made {job_id} and {self.promised.jobs[key]}")
                if self._chance.random() < 0.5:
                    break
                self._expect(others.get(f"/v1/jobs/{job_id}"), 404, job_id)
                continue  # as a client that never saw the answer
            if answer.status_code not in (429, 503):
                self.promised.broken.append(f"a submission was answered {answer.status_code}: {answer.text[:200]}")
                break
            time.sleep(0.1)

    def _expect(self, answer: httpx.Response, status: int, job_id: str) -> None:
        if answer.status_code not in (status, 503):
            self.promised.broken.append(f"{answer.request.url} was answered {answer.status_code}, not {status}")

    def _body(self) -> dict[str, Any]:
        labels = {"steps": str(STEPS), "seconds": str(STEP_SECONDS), "trace": "1"}
        training = {"checkpoint_seconds": 0.01}
        return {"dataset": "builtin:digits", "student": "nano", "labels": labels, "training": training}
