"""Files and folders that operating systems, file servers and tools leave in every folder: they belong to no dataset."""

import re

# In lower case, since file systems of Windows and macOS fold it.
_NAMES = frozenset(
    {
        # macOS
        "__macosx", ".ds_store", ".localized", ".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems",
        ".documentrevisions-v100", ".apdisk", ".appledouble", ".appledb", ".appledesktop", ".lsoverride", "icon\r",
        "network trash folder", "temporary items", ".volumeicon.icns",
        # Windows
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin",
        "system volume information", "folder.jpg:zone.identifier",
        # NAS boxes and Linux
        "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", ".@__thumb", "@tmp", "@synoeastream",
        "@synoresource", "lost+found", ".directory", ".trash", ".thumbnails", ".snapshot", ".zfs",
        # tools of programmers
        ".ipynb_checkpoints", "__pycache__", ".git", ".gitattributes", ".gitignore", ".gitkeep", ".keep", ".svn", ".hg",
        ".cache", ".huggingface", ".idea", ".vscode", ".pytest_cache", ".dvc", ".dvcignore", ".dropbox",
        ".dropbox.cache", ".sync", ".stfolder", ".stversions", ".nomedia", ".picasa.ini", "picasa.ini",
        ".picasaoriginals", ".comments", ".tmp.drivedownload", ".tmp.driveupload",
    }
)  # fmt: skip
# AppleDouble files, Linux trash per user, locks of office programs, streams that Windows attaches to downloads.
_PATTERNS = re.compile(r"^(\._.*|\.trash-\d+|~\$.*|\.~lock\..*#|\.nfs[0-9a-f]+|\.fuse_hidden.*|.*:zone\.identifier)$")


def is_litter(path: str) -> bool:
    """Whether a part of a path with forward slashes is such a name."""
    return any(part in _NAMES or bool(_PATTERNS.match(part)) for part in path.lower().split("/"))


def is_hidden(path: str) -> bool:
    """Whether a part of a path starts with a dot, as what file browsers do not show does."""
    if not path.startswith(".") and "/." not in path:  # nearly every path
        return False
    return any(part.startswith(".") and part not in (".", "..") for part in path.split("/"))
