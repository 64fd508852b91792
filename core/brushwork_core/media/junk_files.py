"""Files that systems and programs leave in folders of pictures, and that nobody means to send."""

import re

# In these folders, everything is junk.
_FOLDERS = {
    "__macosx",
    "@eadir",
    "#recycle",
    "@recycle",
    "#snapshot",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "network trash folder",
    "temporary items",
    "lost+found",
    "__pycache__",
}
_FILES = {
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "desktop.db",
    "folder.ini",
    "icon\r",
    "picasa.ini",
    "zbthumbnail.info",
    "sync.ffs_db",
    "pspbrwse.jbf",
    "thumbdata3",
    "synofile_thumb",
}
# These lead to other folders; `archive` refuses them.
_STEPS = {".", ".."}
# Downloads that did not end, files that an editor has open, and attributes that Windows adds to downloads.
_NAMES = re.compile(r"~\$.*|.*~|.*\.(?:part|crdownload|tmp|swp|lnk|url)|.*:zone\.identifier", re.IGNORECASE)


def is_junk(name: str) -> bool:
    """Return whether a file is junk by its name, hidden files among them.

    Args:
        name: Name of the file, with `/` between its folders.
    """
    *folders, file = name.removeprefix("./").split("/")
    lower = file.lower()
    return (
        any(part.startswith(".") and part not in _STEPS for part in (*folders, file))
        or any(part.lower() in _FOLDERS for part in folders)
        or lower in _FILES
        or lower.removesuffix(":encryptable") in _FILES
        or _NAMES.fullmatch(file) is not None
    )
