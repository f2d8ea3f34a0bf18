"""The states of a job and what moves it between them.

submit            -> queued
claim             queued -> running
release, reap     running -> queued (reap: -> failed after too many crashes without a new checkpoint)
succeed           running -> succeeded
fail              running -> failed
request_cancel    queued -> cancelled; running -> cancelling
finish_cancelled, succeed, fail, release, reap    cancelling -> cancelled
retry             failed, cancelled -> queued
delete            succeeded, failed, cancelled -> gone
"""

from typing import Literal, get_args

State = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
Kind = Literal["job", "plan"]
Outcome = Literal["succeeded", "failed", "cancelled", "released", "lost"]

STATES: tuple[State, ...] = get_args(State)
TERMINAL: tuple[State, ...] = ("succeeded", "failed", "cancelled")
HELD: tuple[State, ...] = ("running", "cancelling")  # a worker has the lease
