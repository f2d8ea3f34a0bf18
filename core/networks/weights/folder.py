"""Which file of a folder holds the weights."""

from pathlib import Path

from core.errors import TeacherLoadFailed

# What core.results.export writes for every job, and Hugging Face for a model.
JOB_WEIGHTS = "model.safetensors"
NAMED = (JOB_WEIGHTS, f"{JOB_WEIGHTS}.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
SUFFIXES = ((".safetensors",), (".pth", ".pt", ".th", ".ckpt", ".bin", ".tar"))
LISTED = 5
# Files that tell what a folder is instead.
FOREIGN = {
    "saved_model.pb": "a TensorFlow SavedModel; convert it to a torch state dict",
    ".metadata": "a distributed checkpoint of torch; join it: python -m torch.distributed.checkpoint.format_utils "
    "dcp_to_torch <folder> weights.pth",
    "zero_to_fp32.py": "a DeepSpeed checkpoint; join it with the zero_to_fp32.py in it",
    "tf_model.h5": "TensorFlow weights; give those of torch",
    "flax_model.msgpack": "Flax weights; give those of torch",
}


def weights_in(folder: Path, uri: str, pointer: str) -> Path:
    """The weights file of a folder: model.safetensors, else the usual names, else the only file of a usual ending.

    Raises TeacherLoadFailed, which lists what is there.
    """
    for name in NAMED:
        if (folder / name).is_file():
            return folder / name
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    for suffixes in SUFFIXES:
        found = [name for name in names if name.lower().endswith(suffixes)]
        if len(found) == 1:
            return folder / found[0]
        if found:
            raise TeacherLoadFailed(
                f"{uri} is a folder with {len(found)} weights files: {_some(found)}",
                hint="name one of them",
                pointer=pointer,
            )
    what = next((told for name, told in FOREIGN.items() if name in names), None)
    detail = f"it is {what}" if what else f"it has {_some(names)}" if names else "it has no files"
    raise TeacherLoadFailed(f"{uri} is a folder that holds no {JOB_WEIGHTS}: {detail}", pointer=pointer)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
