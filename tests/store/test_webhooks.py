"""A change of a job and its messages for webhooks are one; messages are tried again, in order, and not for ever."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from store import deliveries, jobs, leases, reaper, retention, webhooks
from store.clock import from_now
from store.errors import DeliveryNotFound, TooManyWebhooks, WebhookNotFound
from store.sealing import Sealer
from store.settings import Settings
from store.webhook_tables import webhook_deliveries
from store.webhook_tables import webhooks as webhooks_table
from store.webhook_values import EVENT_TYPES, Delivery, Due, Outcome
from tests.store.conftest import Bench

SEALER = Sealer([bytes(range(32))])
FAILED = Outcome(503, "answered 503")
TAKEN = Outcome(200)


class Hooks:
    """Short ways to the webhooks of the tenant `default`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def create(self, *events: Any, tenant: str = "default") -> str:
        made, secret = self.bench.do(
            webhooks.create, SEALER, tenant, url="https://shop.example/", events=events or EVENT_TYPES, description=""
        )
        assert secret.startswith("whsec_") and secret not in repr(made)
        return made.id

    def messages(self, webhook_id: str, **wanted: Any) -> list[Delivery]:
        return list(reversed(self.bench.read(deliveries.list_deliveries, webhook_id, **wanted)))

    def take(self, *busy: str, seconds: float = 60.0) -> Due | None:
        return self.bench.do(deliveries.take, busy, seconds)

    def hasten(self) -> None:
        with self.bench.database.begin() as session:
            session.execute(update(webhook_deliveries).values(next_at=from_now(-1)))


@pytest.fixture
def hooks(bench: Bench) -> Hooks:
    return Hooks(bench)


def opened(due: Due) -> list[str]:
    return [SEALER.open(each, tenant=due.tenant, name=due.webhook_id) for each in due.sealed_secrets]


def live(bench: Bench) -> str:
    lease = bench.running(labels={"team": "retail"}, name="shelf")
    bench.do(jobs.request_pause, lease.job_id)
    bench.do(leases.finish_paused, lease)
    bench.do(jobs.request_resume, lease.job_id)
    bench.do(leases.fail, bench.claim(lease.job_id), {"code": "INTERNAL", "message": "m"})
    return lease.job_id


def test_every_state_that_was_wanted_is_a_message_with_the_seq_of_its_event(bench: Bench, hooks: Hooks) -> None:
    every, endings = hooks.create(), hooks.create("job.failed", "job.succeeded")
    job_id = live(bench)
    told = hooks.messages(every)
    assert [one.type for one in told] == [
        "job.queued", "job.running", "job.pausing", "job.paused", "job.queued", "job.running", "job.failed",
    ]  # fmt: skip
    seqs = [one.seq for one in told]
    assert seqs == sorted(set(seqs)) and {one.job_id for one in told} == {job_id}
    (ending,) = hooks.messages(endings)
    assert (ending.type, ending.seq, ending.state, ending.tries) == ("job.failed", seqs[-1], "pending", 0)
    assert len({one.message_id for one in (*told, ending)}) == 8
    due = hooks.take()
    assert due is not None
    body = json.loads(due.body)
    assert (body["type"], body["data"]["job_id"], body["data"]["state"]) == ("job.queued", job_id, "queued")
    assert body["data"]["labels"] == {"team": "retail"} and body["data"]["name"] == "shelf"


def test_plans_other_tenants_and_disabled_webhooks_are_told_nothing(bench: Bench, hooks: Hooks) -> None:
    mine, other, off = hooks.create(), hooks.create(tenant="other"), hooks.create()
    bench.do(webhooks.change, "default", off, {"enabled": False})
    bench.submit(kind="plan")
    assert hooks.messages(mine) == []
    bench.submit()
    assert [len(hooks.messages(one)) for one in (mine, other, off)] == [1, 0, 0]
    for act, more in ((webhooks.get, ()), (webhooks.remove, ()), (webhooks.rotate, (SEALER,))):
        with pytest.raises(WebhookNotFound):
            bench.do(act, *more, "default", other)
    assert [one.id for one in bench.read(webhooks.list_webhooks, "other")] == [other]


def test_a_change_that_is_rolled_back_tells_nobody(bench: Bench, hooks: Hooks) -> None:
    webhook = hooks.create()
    with pytest.raises(RuntimeError), bench.database.begin() as session:
        jobs.submit(session, bench.spec())
        raise RuntimeError
    assert hooks.messages(webhook) == [] and not bench.read(deliveries.is_due)


def test_the_reaper_tells_too_and_the_message_outlives_the_job(bench: Bench, hooks: Hooks) -> None:
    webhook = hooks.create("job.failed")
    lease = bench.running()
    bench.expire(lease.job_id)
    bench.do(reaper.reap, 1)
    bench.do(jobs.delete, lease.job_id)
    due = hooks.take()
    assert due is not None and json.loads(due.body)["data"]["error"]["code"] == "WORKER_LOST"
    assert hooks.messages(webhook)[0].id == due.id


def test_the_messages_of_a_job_are_taken_one_after_the_other_and_those_of_others_meanwhile(
    bench: Bench, hooks: Hooks
) -> None:
    webhook = hooks.create()
    first, second = bench.submit().id, bench.submit().id
    bench.do(jobs.request_cancel, first)
    taken = [hooks.take(), hooks.take(), hooks.take()]
    assert [json.loads(one.body)["data"]["job_id"] for one in taken if one] == [first, second]
    assert taken[0] is not None and taken[2] is None
    bench.do(deliveries.settle, taken[0], FAILED)
    assert hooks.take() is None  # the later message of `first` waits for the earlier one
    assert taken[1] is not None
    bench.do(deliveries.settle, taken[1], TAKEN)
    hooks.hasten()
    assert hooks.take(webhook) is None  # the endpoint is busy
    again = hooks.take()
    assert again is not None and (again.id, again.tries, again.message_id) == (taken[0].id, 2, taken[0].message_id)
    bench.do(deliveries.settle, again, TAKEN)
    later = hooks.take()
    assert later is not None and json.loads(later.body)["type"] == "job.cancelled"


def test_a_message_whose_sender_died_is_taken_by_another_and_the_first_settles_nothing(
    bench: Bench, hooks: Hooks
) -> None:
    webhook = hooks.create()
    bench.submit()
    dead = hooks.take(seconds=-1.0)
    alive = hooks.take()
    assert dead is not None and alive is not None
    assert (alive.id, alive.message_id, alive.tries) == (dead.id, dead.message_id, 2)
    bench.do(deliveries.settle, dead, FAILED)
    assert hooks.messages(webhook)[0].error is None
    bench.do(deliveries.settle, alive, TAKEN)
    bench.do(deliveries.settle, dead, FAILED)
    (message,) = hooks.messages(webhook)
    assert (message.state, message.status, message.next_at) == ("delivered", 200, None)


def test_a_message_is_tried_with_growing_pauses_and_is_dead_in_the_end(bench: Bench, hooks: Hooks) -> None:
    webhook = hooks.create("job.queued")
    bench.submit()
    pauses = []
    for _ in range(len(deliveries.PAUSES_SECONDS) + 1):
        hooks.hasten()
        due = hooks.take()
        assert due is not None
        bench.do(deliveries.settle, due, FAILED)
        (message,) = hooks.messages(webhook)
        if message.next_at is not None:
            pauses.append((message.next_at - bench.database.now()).total_seconds())
    assert pauses == pytest.approx(deliveries.PAUSES_SECONDS, rel=0.25, abs=2)
    assert (message.state, message.status, message.error) == ("dead", 503, "answered 503")
    assert hooks.take() is None
    assert bench.do(deliveries.replay_dead, webhook) == 1
    due = hooks.take()
    assert due is not None and (due.message_id, due.tries) == (message.message_id, 1)
    bench.do(deliveries.settle, due, TAKEN)
    assert bench.do(deliveries.replay, webhook, due.id).state == "pending"
    with pytest.raises(DeliveryNotFound):
        bench.do(deliveries.replay, hooks.create(), due.id)


def test_an_endpoint_that_asks_for_patience_gets_it_within_bounds(bench: Bench, hooks: Hooks) -> None:
    webhook = hooks.create("job.queued")
    for asked, at_least, at_most in ((600.0, 590.0, 610.0), (1e9, 3000.0, 3700.0)):
        bench.submit()
        due = hooks.take()
        assert due is not None
        bench.do(deliveries.settle, due, Outcome(429, "answered 429", asked))
        next_at = hooks.messages(webhook)[-1].next_at
        assert next_at is not None
        assert at_least < (next_at - bench.database.now()).total_seconds() < at_most


def test_an_endpoint_that_takes_nothing_for_days_is_disabled_and_one_that_is_gone_at_once(
    bench: Bench, hooks: Hooks
) -> None:
    silent, gone = hooks.create("job.queued"), hooks.create("job.queued")
    bench.submit()
    while due := hooks.take():
        reason = bench.do(deliveries.settle, due, FAILED if due.webhook_id == silent else Outcome(410, "answered 410"))
        assert (reason is not None) == (due.webhook_id == gone)
    assert [bench.read(webhooks.get, "default", one).enabled for one in (silent, gone)] == [True, False]
    assert bench.read(webhooks.get, "default", silent).failing_since is not None
    with bench.database.begin() as session:
        session.execute(update(webhooks_table).values(failing_since=from_now(-6 * 86_400)))
    hooks.hasten()
    due = hooks.take()
    assert due is not None and bench.do(deliveries.settle, due, FAILED) is not None
    webhook = bench.read(webhooks.get, "default", silent)
    assert not webhook.enabled and "5 days" in webhook.disabled_reason
    assert hooks.messages(silent)[0].state == "dead"
    enabled = bench.do(webhooks.change, "default", silent, {"enabled": True})
    assert (enabled.enabled, enabled.disabled_reason, enabled.failing_since) == (True, None, None)


def test_after_a_rotation_both_secrets_sign_for_a_while(bench: Bench, hooks: Hooks) -> None:
    webhook = hooks.create("job.queued")
    _, second = bench.do(webhooks.rotate, SEALER, "default", webhook)
    bench.submit()
    due = hooks.take()
    assert due is not None and len(due.sealed_secrets) == 2
    assert opened(due)[0] == second and second.encode() not in due.sealed_secrets[0]
    bench.do(webhooks.rotate, SEALER, "default", webhook, 0.0)
    bench.submit()
    due = hooks.take()
    assert due is not None and len(due.sealed_secrets) == 1


def test_old_messages_are_swept_and_webhooks_are_bounded(bench: Bench, hooks: Hooks) -> None:
    webhook = hooks.create("job.queued")
    for _ in range(3):
        bench.submit()
    ids = [one.id for one in hooks.messages(webhook)]
    with bench.database.begin() as session:
        for number, (state, days) in enumerate((("delivered", 8), ("dead", 8), ("pending", 400))):
            values = {"state": state, "ended_at": from_now(-timedelta(days=days).total_seconds())}
            session.execute(update(webhook_deliveries).where(webhook_deliveries.c.id == ids[number]).values(values))
    swept = {one.kind: one.removed_count for one in retention.sweep(bench.database, retention.rules(Settings()))}
    assert (swept["delivered webhook messages"], swept["dead webhook messages"]) == (1, 0)
    assert [one.state for one in hooks.messages(webhook)] == ["dead", "pending"]
    assert [one.id for one in hooks.messages(webhook, state="dead")] == [ids[1]]
    for _ in range(webhooks.MOST_WEBHOOKS - 1):
        hooks.create()
    with pytest.raises(TooManyWebhooks):
        hooks.create()
    hooks.create(tenant="other")
    bench.do(webhooks.remove, "default", webhook)
    assert hooks.messages(webhook) == []
