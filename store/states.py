"""The states of a job and what moves it between them.

submit            -> queued
claim             queued -> running
release, reap, crashed, put_back    running -> queued (all but release: -> failed after too many in a row without a new
                  checkpoint)
succeed           running, pausing -> succeeded
fail              running, pausing -> failed
request_cancel    queued, paused -> cancelled; running, pausing -> cancelling
finish_cancelled, succeed, fail, finish_paused, release, reap, crashed, put_back    cancelling -> cancelled
request_pause     queued -> paused; running -> pausing
finish_paused, release, reap, crashed, put_back    pausing -> paused (or failed, as above)
request_resume    paused -> queued
retry             failed, cancelled -> queued
delete            succeeded, failed, cancelled -> gone
"""

from typing import Literal, get_args

State = Literal["queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"]
Kind = Literal["job", "plan"]
Outcome = Literal["succeeded", "failed", "cancelled", "released", "paused", "lost"]
WorkerState = Literal["idle", "busy", "draining", "quarantined", "silent"]
Asked = Literal["cancel", "pause"]  # of a job that a worker holds

KINDS: tuple[Kind, ...] = get_args(Kind)
STATES: tuple[State, ...] = get_args(State)
TERMINAL: tuple[State, ...] = ("succeeded", "failed", "cancelled")
HELD: tuple[State, ...] = ("running", "pausing", "cancelling")  # a worker has the lease
