"""The blocking client: the classes of `retort.service` and `retort.job`, run to the end of each call."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, cast

import httpx

from retort.blocking import Facade, Method, Parameters, blocking, derived, run
from retort.connection import Connection
from retort.job import AsyncJob
from retort.models import JobView, State
from retort.service import PATIENCE_SECONDS, Service, default_url


def returning_job(
    method: Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, AsyncJob]],
) -> "Method[Parameters, Job]":
    """As `blocking`, for a method whose result is a handle on a job."""
    return cast("Method[Parameters, Job]", derived(method, lambda coroutine: Job(run(coroutine)), "Job"))


class Job(Facade):
    """One job. `view` is the job as the service last gave it; the methods ask the service."""

    _asynchronous: AsyncJob

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.state})"

    @property
    def view(self) -> JobView:
        """The job as the service last gave it."""
        return self._asynchronous.view

    @property
    def id(self) -> str:
        """The id, such as job_01J..."""
        return self.view["id"]

    @property
    def state(self) -> State:
        """The state when last seen."""
        return self.view["state"]

    @property
    def done(self) -> bool:
        """Whether the job had ended when last seen: succeeded, failed or cancelled."""
        return self.view["done"]

    refresh = blocking(AsyncJob.refresh)
    changes = blocking(AsyncJob.changes)
    wait = blocking(AsyncJob.wait)
    cancel = returning_job(AsyncJob.cancel)
    pause = returning_job(AsyncJob.pause)
    resume = returning_job(AsyncJob.resume)
    retry = returning_job(AsyncJob.retry)
    change = returning_job(AsyncJob.change)
    delete = blocking(AsyncJob.delete)
    metrics = blocking(AsyncJob.metrics)
    events = blocking(AsyncJob.events)
    logs = blocking(AsyncJob.logs)
    artifacts = blocking(AsyncJob.artifacts)
    download = blocking(AsyncJob.download)


class Retort(Facade):
    """A Retort service at an address; by default that of RETORT_URL, or http://127.0.0.1:8000.

    `api_key`: by default that of RETORT_API_KEY; without one, that of the service which the same user runs on this
    machine with `retort up`. `patience_seconds`: for how long a request that can safely be repeated is repeated while
    nobody answers.

        job = Retort().submit(teacher="torchvision/resnet50", dataset="file:///data/photos.zip", student="small")
        job.wait()
        job.download("models/photos")
    """

    _asynchronous: Service

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        url = url or default_url()
        connection = Connection.blocking(url, api_key=api_key, patience_seconds=patience_seconds, transport=transport)
        super().__init__(Service(connection))

    def __enter__(self) -> "Retort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._asynchronous.url

    close = blocking(Service.close)
    submit = returning_job(Service.submit)
    plan = blocking(Service.plan)
    job = returning_job(Service.job)
    jobs = blocking(Service.jobs)
    methods = blocking(Service.methods)
    teachers = blocking(Service.teachers)
    students = blocking(Service.students)
    workers = blocking(Service.workers)
    upload = blocking(Service.upload)
    dataset = blocking(Service.dataset)
    datasets = blocking(Service.datasets)
    delete_dataset = blocking(Service.delete_dataset)
    set_secret = blocking(Service.set_secret)
    secrets = blocking(Service.secrets)
    remove_secret = blocking(Service.remove_secret)
    webhooks = blocking(Service.webhooks)
    create_webhook = blocking(Service.create_webhook)
    change_webhook = blocking(Service.change_webhook)
    rotate_webhook = blocking(Service.rotate_webhook)
    delete_webhook = blocking(Service.delete_webhook)
    deliveries = blocking(Service.deliveries)
    replay_webhook = blocking(Service.replay_webhook)
    keys = blocking(Service.keys)
    create_key = blocking(Service.create_key)
    rotate_key = blocking(Service.rotate_key)
    revoke_key = blocking(Service.revoke_key)
    audit = blocking(Service.audit)
    garbage = blocking(Service.garbage)
    remove_garbage = blocking(Service.remove_garbage)
    sign_in_link = blocking(Service.sign_in_link)
