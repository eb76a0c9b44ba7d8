"""What `webbody view` keeps in a build folder: made of the tables, and again when asked for.

It holds names, URLs and figures of faces. Whoever removes people from a build removes it.
"""

from webbody.storage import Folder

#: A folder of its own; nothing else in a build folder reads it.
VIEW_CACHE = ".view"


def forget_view(folder: Folder) -> None:
    """Remove it, if it is there."""
    if folder.fs.exists(folder.path(VIEW_CACHE)):
        folder.before_change()
        folder.fs.rm(folder.path(VIEW_CACHE), recursive=True)
