"""An engine for tests of the worker: the same flags, events and exit statuses as `python -m core`, but what it does is
said by the job's labels, and its training is a chain of hashes.

labels: act (a name in ACTS), steps, seconds (per step), gate (a file without which the last step is not begun),
warnings (codes, with commas), trace (log each step)
"""

import argparse
import hashlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

FACTS = {"architecture": "cifar/resnet8", "num_params": 1, "macs": 1, "bytes": 4, "input_size": 8, "num_classes": 2}
DATASET = {
    "uri": "builtin:digits", "format": "builtin", "fingerprint": "0" * 64, "classes": ["0", "1"], "num_train": 2,
    "num_validation": 2, "num_test": 2, "images_per_class": {}, "native_size": [8, 8], "resident_bytes": 1,
}  # fmt: skip
interrupted = threading.Event()


def say(event: str, **values: object) -> None:
    print(json.dumps({"event": event, "at": datetime.now(UTC).isoformat(), **values}), flush=True)


def resolve(spec: dict) -> None:
    say("phase", phase="preparing")
    for code in filter(None, spec["labels"].get("warnings", "").split(",")):
        say("warning", warning={"code": code, "message": f"{code} \0 was found", "hint": "look", "count": 3})
    say("resolved", spec=spec, dataset=DATASET, student=FACTS, estimate={"steps": 1})
    say("phase", phase="training")


def train(spec: dict, out: Path, resume: bool) -> int:
    steps, seconds = int(spec["labels"].get("steps", 3)), float(spec["labels"].get("seconds", 0))
    step, state = (0, "") if not resume else load(out)
    say("log", message=f"training from step {step} in process {os.getpid()}")
    resolve(spec)
    while step < steps:
        if interrupted.is_set():
            save(out, step, state)
            return 75
        if step == steps - 1 and not passed(spec["labels"].get("gate")):
            continue
        step += 1
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
        time.sleep(seconds)
        if "trace" in spec["labels"]:
            say("log", message=f"step {step} in process {os.getpid()}")
        say("metric", step=step, values={"train/loss": 1 / step, "train/top1": None})
        say("progress", fraction=step / steps, run="student", epoch=step, epochs=steps, step=step, steps=steps)
        save(out, step, state)
    (out / "artifacts").mkdir(exist_ok=True)
    (out / "artifacts/model.safetensors").write_bytes(state.encode() * 40_000)  # some blocks of a blob
    announce(out, "artifact", "artifacts/model.safetensors", name="model.safetensors", media_type="application/x-test")
    say("result", student=FACTS, metrics={"state": state}, baselines={})
    return 0


def passed(gate: str | None) -> bool:
    """Whether the gate is open; a moment's wait where it is not."""
    if gate is None or Path(gate).exists():
        return True
    time.sleep(0.02)
    return False


def load(out: Path) -> tuple[int, str]:
    (path,) = out.glob("checkpoint-*")
    found = json.loads(path.read_text())
    return found["step"], found["state"]


def save(out: Path, step: int, state: str) -> None:
    older = list(out.glob("checkpoint-*"))
    path = out / f"checkpoint-{step}-{os.getpid()}"
    path.write_text(json.dumps({"step": step, "state": state}))
    announce(out, "checkpoint", path.name, step=step)
    for one in older:
        if one != path:
            one.unlink()


def announce(out: Path, event: str, path: str, **more: object) -> None:
    data = (out / path).read_bytes()
    say(event, path=path, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), **more)


def segfault(spec: dict, out: Path, resume: bool) -> int:
    print("about to fall", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def killed(spec: dict, out: Path, resume: bool) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def spin(spec: dict, out: Path, resume: bool) -> int:
    """Computes for ever and says nothing."""
    say("log", message="round and round")
    while not interrupted.is_set():
        pass
    return 75


def flood(spec: dict, out: Path, resume: bool) -> int:
    line = json.dumps({"event": "log", "at": "2026-01-01T00:00:00Z", "message": "x" * 20_000})
    for _ in range(1000):
        sys.stdout.write(f"{line}\n" * 12)
    for _ in range(1000):
        sys.stderr.write("y" * 10_000 + "\n")
    return train(spec, out, resume)


def garbage(spec: dict, out: Path, resume: bool) -> int:
    sys.stdout.flush()
    for junk in (b"\x00\xff\xfe\n", b'{"event": "no such"}\n', b"[" * 100_000 + b"\n", b"not json\n" * 50, b"\n"):
        os.write(1, junk)
    return train(spec, out, resume)


def deaf(spec: dict, out: Path, resume: bool) -> int:
    """Heeds no SIGTERM, and has a child that does not either."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    say("log", message=f"pids {os.getpid()} {child.pid}")
    time.sleep(600)
    return 0


def runaway(spec: dict, out: Path, resume: bool) -> int:
    """Ends well, and leaves a child in another session that holds its stdout."""
    status = train(spec, out, resume)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"], start_new_session=True)
    say("log", message=f"pids {os.getpid()} {child.pid}")
    return status


def mute(spec: dict, out: Path, resume: bool) -> int:
    print("the reason stands here", file=sys.stderr)
    return 1


def refuse(spec: dict, out: Path, resume: bool) -> int:
    say("error", code="DATASET_INVALID", category="user", message="class cup has no images", hint="add some")
    return 3


def defect(spec: dict, out: Path, resume: bool) -> int:
    """Reports a defect of the engine's own, with the traceback on stderr."""
    print("Traceback (most recent call last): in stand_in.py", file=sys.stderr)
    say("error", code="INTERNAL", category="internal", message="KeyError: 7", hint="the log has the traceback")
    return 1


def full(spec: dict, out: Path, resume: bool) -> int:
    say("error", code="DISK_FULL", category="infrastructure", message="no space was left", hint="free some")
    return 4


def broken(spec: dict, out: Path, resume: bool) -> int:
    say("error", code="DEVICE_FAILED", category="infrastructure", message="the GPU is lost", hint="")
    return 4


def hoard(spec: dict, out: Path, resume: bool) -> int:
    """Takes memory until there is none, and tells so as the engine does."""
    resource.setrlimit(resource.RLIMIT_DATA, (256 << 20, 256 << 20))
    held = []
    try:
        while True:
            held.append(bytearray(8 << 20))
    except MemoryError:
        held.clear()
    say("error", code="OUT_OF_MEMORY", category="infrastructure", message="out of memory", hint="take less")
    return 4


def bomb(spec: dict, out: Path, resume: bool) -> int:
    """Starts processes that start processes, all deaf to SIGTERM, then dies."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(5):  # 31 processes besides this one
        if os.fork() == 0:
            continue
    if os.getpid() != os.getpgrp():
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def worry(spec: dict, out: Path, resume: bool) -> int:
    for number in range(500):
        say("warning", warning={"code": f"CODE_{number}", "message": "m" * 10_000})
    return train(spec, out, resume)


def forge(spec: dict, out: Path, resume: bool) -> int:
    """Announces a link to a file outside its folder as a result."""
    resolve(spec)
    out.mkdir(exist_ok=True)
    (out / "stolen").symlink_to("/etc/hostname")
    announce(out, "artifact", "stolen", name="model.safetensors", media_type="text/plain")
    say("result", student=FACTS, metrics={}, baselines={})
    return 0


def tell(spec: dict, out: Path, resume: bool) -> int:
    """Says what it sees: its environment, its folder, its policy."""
    say("log", message=json.dumps(sorted(os.environ)))
    say("log", message=json.dumps(sorted(str(path.relative_to(out.parent)) for path in out.parent.rglob("*"))))
    say("log", message=(out.parent / "policy.json").read_text())
    return train(spec, out, resume)


WAYS = (
    train,
    segfault,
    killed,
    spin,
    flood,
    garbage,
    deaf,
    runaway,
    mute,
    refuse,
    defect,
    full,
    broken,
    hoard,
    bomb,
    worry,
    forge,
    tell,
)
ACTS = {act.__name__: act for act in WAYS}


def end_with_parent(descriptor: int, seconds: float) -> None:
    while select.select([descriptor], [], [], seconds)[0] and os.read(descriptor, 4096):
        pass
    os._exit(75)  # interrupted, as the engine says


def main() -> int:
    if sys.argv[1:] == ["catalogue"]:
        print(json.dumps({"students": [{"name": "nano"}], "teachers": []}))
        return 0
    if sys.argv[1:] == ["check"]:
        return 0
    if sys.argv[1:] == ["wait"]:
        return wait()
    return run(sys.argv[1:])


def wait() -> int:
    """Say that all is loaded, then run the one job that comes."""
    print(flush=True)
    line = sys.stdin.readline()
    if not line:
        return 0
    request = json.loads(line)
    os.chdir(request["folder"])
    return run(request["arguments"])


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    for name in ("spec", "out", "policy", "inputs", "cache", "events"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--parent-pipe", type=int, required=True)
    parser.add_argument("--parent-seconds", type=float, required=True)
    parser.add_argument("--spent-seconds", type=float, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--plan", action="store_true")
    flags = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: interrupted.set())
    threading.Thread(target=end_with_parent, args=(flags.parent_pipe, flags.parent_seconds), daemon=True).start()
    spec = json.loads(flags.spec.read_text())
    if flags.plan:
        resolve(spec)
        return 0
    return ACTS[spec["labels"].get("act", "train")](spec, flags.out, flags.resume)


if __name__ == "__main__":
    sys.exit(main())
