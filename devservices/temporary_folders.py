"""Temporary folders that another system user can reach."""

import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from devservices.errors import ServiceStartError


def private_folder(prefix: str, owner: str | None = None) -> Path:
    """A new temporary folder, closed to other users; it belongs to `owner` if one is given (root only)."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_base(owner)))
    if owner is not None:
        account = pwd.getpwnam(owner)
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove it with all that is in it, as far as possible."""
    shutil.rmtree(folder, ignore_errors=True)


def _base(owner: str | None) -> str:
    temporary = tempfile.gettempdir()
    if owner is None:
        return temporary
    for candidate in (temporary, "/var/tmp"):  # noqa: S108 - the folder made in it is closed to others
        if _open_to_all(Path(candidate)):
            return candidate
    raise ServiceStartError(f"user {owner} cannot reach {temporary}; set TMPDIR to a folder open to all")


def _open_to_all(folder: Path) -> bool:
    way = [folder, *folder.parents]
    return all(part.is_dir() and part.stat().st_mode & stat.S_IXOTH for part in way)
