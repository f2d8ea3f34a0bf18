"""The examples of the OpenAPI document; a test holds each against its schema."""

from typing import Any

JOB_ID = "job_01KAK3P0V6T6Y1F5S9W1QKX0ZD"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

SMALLEST_JOB: dict[str, Any] = {
    "teacher": "torchvision/resnet50",
    "dataset": "s3://shelf/photos.zip",
    "student": "small",
}
FULLER_JOB: dict[str, Any] = {
    "name": "shelf-v3",
    "labels": {"team": "retail"},
    "teacher": {"architecture": "cifar/resnet56", "weights": "file:///teachers/resnet56.safetensors"},
    "dataset": {"uri": "s3://shelf/photos.zip", "classes": ["cup", "bottle"], "class_map": {"mug": "cup"}},
    "student": {"budget": {"max_params": 300_000, "max_latency_ms": 5}},
    "method": {"name": "skd", "weight": 1.0},
    "training": {"epochs": 60, "batch_size": 64, "early_stopping": {"metric": "val/top1", "patience": 10}},
    "evaluation": {"baselines": ["scratch", "finetune"]},
    "exports": ["safetensors", "onnx"],
}
COMBINED_JOB: dict[str, Any] = {
    **SMALLEST_JOB,
    "method": ["kd", {"name": "skd", "weight": 10}],
    "training": {"devices": "cuda:4", "teacher_pass": "stored", "stored_views": 8},
}
ADAPTING_JOB: dict[str, Any] = {
    "teacher": "timm/resnet50.a1_in1k",
    "dataset": {"uri": "s3://shelf/photos.zip", "target_uri": "s3://shelf/night.zip", "classes": ["cup", "bottle"]},
    "student": "tiny",
    "method": "kd_uda",
}
ROUTE_JOB: dict[str, Any] = {
    "teacher": {
        "architecture": "cifar/resnet56",
        "weights": "file:///teachers/resnet56.safetensors",
        "trajectory": ["file:///teachers/epoch-080.safetensors", "file:///teachers/epoch-160.safetensors"],
    },
    "dataset": "s3://shelf/photos.zip",
    "student": "nano",
    "method": {"name": "rco", "num_anchors": 3},
}
SEVERAL_TEACHERS_JOB: dict[str, Any] = {
    **SMALLEST_JOB,
    "more_teachers": ["torchvision/resnet101"],
    "method": {"name": "simkd", "factor": 4},
}
JOB_BODIES = {
    "smallest": {"summary": "Three strings", "value": SMALLEST_JOB},
    "fuller": {"summary": "Objects that say more", "value": FULLER_JOB},
    "combined": {"summary": "Two methods added up, on four GPUs, the teacher's pass stored", "value": COMBINED_JOB},
    "adapting": {"summary": "A second domain without labels", "value": ADAPTING_JOB},
    "route": {"summary": "The checkpoints of the teacher's own training", "value": ROUTE_JOB},
    "several_teachers": {"summary": "Several teachers at once", "value": SEVERAL_TEACHERS_JOB},
}

CHANGE: dict[str, Any] = {"priority": 10, "labels": {"team": "retail", "draft": None}}

QUEUED_JOB: dict[str, Any] = {
    "id": JOB_ID,
    "kind": "job",
    "name": "shelf-v3",
    "labels": {"team": "retail"},
    "priority": 0,
    "state": "queued",
    "phase": None,
    "done": False,
    "progress": None,
    "summary": {"teacher": "torchvision/resnet50", "student": "small", "method": "skd"},
    "spec": {**SMALLEST_JOB, "name": "shelf-v3"},
    "student": None,
    "plan": None,
    "result": None,
    "error": None,
    "warnings": [],
    "attempts": [],
    "queue": {"position": 1, "eligible_workers": 1, "reason": None},
    "runtime_seconds": 0.0,
    "created_at": "2026-11-21T12:00:00.125000Z",
    "started_at": None,
    "cancel_requested_at": None,
    "finished_at": None,
    "version": 1,
}
WARNING: dict[str, Any] = {
    "code": "DATASET_FILES_SKIPPED",
    "message": "20 files were passed over: 20 x .txt",
    "hint": "only image files are read; remove the others or name the folder of the images",
    "count": 20,
}
STUDENT: dict[str, Any] = {
    "architecture": "cifar/resnet8x4",
    "num_params": 1_209_834,
    "macs": 177_000_000,
    "bytes": 4_850_000,
    "input_size": 32,
    "num_classes": 2,
}
RUNNING_JOB: dict[str, Any] = {
    **QUEUED_JOB,
    "state": "running",
    "phase": "training",
    "progress": {
        "fraction": 0.4,
        "run": "student",
        "epoch": 24,
        "epochs": 60,
        "step": 1200,
        "steps": 3000,
        "images_per_second": 812.5,
        "eta_seconds": 141.8,
        "updated_at": "2026-11-21T12:02:00Z",
    },
    "student": STUDENT,
    "warnings": [WARNING],
    "attempts": [{"number": 1, "worker": "gpu-3-4711", "started_at": "2026-11-21T12:00:01Z"}],
    "queue": None,
    "runtime_seconds": 119.0,
    "started_at": "2026-11-21T12:00:01Z",
    "version": 57,
}
CANCELLING_JOB = {**RUNNING_JOB, "state": "cancelling", "cancel_requested_at": "2026-11-21T12:02:01Z", "version": 58}
PAUSING_JOB = {**RUNNING_JOB, "state": "pausing", "version": 58}
JOB_PAGE = {"data": [{**RUNNING_JOB, "spec": None}], "has_more": True, "next_cursor": JOB_ID}
PLAN: dict[str, Any] = {
    "spec": FULLER_JOB,
    "dataset": {
        "uri": "s3://shelf/photos.zip",
        "format": "folder",
        "classes": ["cup", "bottle"],
        "num_train": 812,
        "num_validation": 90,
        "num_test": 100,
        "native_size": [480, 640],
    },
    "student": STUDENT,
    "teacher": {**STUDENT, "architecture": "cifar/resnet56", "num_params": 861_620},
    "teacher_validation_top1": 0.944,
    "estimate": {"steps": 780, "training_seconds": 66.0, "memory_bytes": 900_000_000, "reason": "12 steps measured"},
    "warnings": [WARNING],
}
EVENT_PAGE: dict[str, Any] = {
    "data": [
        {"seq": 1, "attempt": 0, "kind": "state", "data": {"state": "queued"}, "at": "2026-11-21T12:00:00Z"},
        {
            "seq": 2,
            "attempt": 1,
            "kind": "state",
            "data": {"state": "running", "worker": "gpu-3-4711"},
            "at": "2026-11-21T12:00:01Z",
        },
    ],
    "has_more": False,
    "next_cursor": 2,
}
EVENT_STREAM = (
    'id: 1\nevent: state\ndata: {"seq":1,"attempt":0,"kind":"state","data":{"state":"queued"},'
    '"at":"2026-11-21T12:00:00Z"}\n\n'
)
LOG_PAGE: dict[str, Any] = {
    "data": [
        {
            "seq": 4,
            "attempt": 1,
            "level": "info",
            "message": "read 1002 images of 2 classes",
            "at": "2026-11-21T12:00:02Z",
        }
    ],
    "has_more": False,
    "next_cursor": 4,
}
SERIES_LIST: dict[str, Any] = {
    "data": [
        {"name": "val/top1", "points": [[50, 0.61, "2026-11-21T12:00:09Z"], [100, 0.74, "2026-11-21T12:00:14Z"]]},
        {"name": "train/loss", "points": [[50, 1.32, "2026-11-21T12:00:09Z"], [100, None, "2026-11-21T12:00:14Z"]]},
    ]
}
ARTIFACT_LIST: dict[str, Any] = {
    "data": [
        {
            "name": "model.onnx",
            "media_type": "application/octet-stream",
            "size_bytes": 4_851_234,
            "sha256": SHA256,
            "created_at": "2026-11-21T12:05:00Z",
            "href": f"/v1/jobs/{JOB_ID}/artifacts/model.onnx",
        }
    ]
}
WORKER_LIST: dict[str, Any] = {
    "data": [
        {
            "id": "gpu-3-4711",
            "host": "gpu-3",
            "pid": 4711,
            "devices": ["NVIDIA H200"],
            "version": "0.1.0",
            "slots": 1,
            "guards": {"own_user": False, "worker_hidden": True, "network_filter": True, "memory_limit": True},
            "started_at": "2026-11-21T09:00:00Z",
            "last_seen_at": "2026-11-21T12:02:00Z",
            "alive": True,
            "state": "busy",
            "unfit": None,
            "jobs": [JOB_ID],
        }
    ]
}
GARBAGE_LIST: dict[str, Any] = {
    "data": [
        {
            "place": "database",
            "kind": "checkpoints",
            "reason": "of jobs that ended more than 7 days ago",
            "due_count": 2,
            "due_bytes": 48_234_496,
            "kept_count": 0,
            "kept_bytes": 0,
            "removed_count": 17,
            "removed_bytes": 0,
            "at": "2026-11-21T12:02:00Z",
        }
    ]
}
METHOD_LIST: dict[str, Any] = {
    "data": [
        {
            "name": "kd",
            "summary": "Hinton's distillation.",
            "source": "Hinton, Vinyals, Dean 2015, arXiv:1503.02531",
            "fidelity": "as published",
            "needs": ["teacher", "labels", "common classes"],
            "can_be_combined": True,
            "takes_more_teachers": False,
            "knobs": {"type": "object", "properties": {"temperature": {"type": "number", "default": 4.0}}},
        }
    ]
}
CATALOGUE: dict[str, Any] = {
    "data": [{"architecture": "cifar/resnet8x4", "num_params": 1_233_540, "macs": 177_000_000, "weights": "none"}],
    "published_at": "2026-11-21T09:00:05Z",
    "note": None,
}
READINESS: dict[str, Any] = {
    "status": "ready",
    "database": "reachable",
    "blob_store": "database",
    "schema_current": True,
    "workers_alive": 1,
    "workers_quarantined": 0,
}
SECRETS = {
    "data": [
        {"name": "photos", "created_at": "2026-11-21T12:00:00.125000Z", "updated_at": "2026-11-21T12:00:00.125000Z"}
    ]
}
WEBHOOK: dict[str, Any] = {
    "id": "wh_01KAK3P0V6T6Y1F5S9W1QKX0ZD",
    "url": "https://shop.example/retort",
    "events": ["job.succeeded", "job.failed", "job.cancelled"],
    "description": "the shop's backend",
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "created_at": "2026-11-21T12:00:00Z",
}
NEW_WEBHOOK = {name: WEBHOOK[name] for name in ("url", "events", "description")}
WEBHOOK_WITH_SECRET = {**WEBHOOK, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}
WEBHOOK_LIST = {"data": [WEBHOOK]}
DELIVERY: dict[str, Any] = {
    "id": 17,
    "message_id": "msg_01KAK3P0V6T6Y1F5S9W1QKX0ZE",
    "job_id": JOB_ID,
    "seq": 41,
    "type": "job.succeeded",
    "state": "pending",
    "tries": 1,
    "next_at": "2026-11-21T12:05:05Z",
    "status": 503,
    "error": "answered 503 Service Unavailable",
    "created_at": "2026-11-21T12:05:00Z",
    "ended_at": None,
}
DELIVERY_PAGE: dict[str, Any] = {"data": [DELIVERY], "has_more": False, "next_cursor": None}
