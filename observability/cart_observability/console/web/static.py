"""The files of the page: as they are on disk at this moment, and never kept longer than they are the same."""

import os
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

ASSETS: Final = Path(__file__).parent.parent / "assets"

MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".map": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
"""Of all that is served; what the machine takes a file name for is nothing to rely on, a module must be JavaScript."""


class Assets(StaticFiles):
    """Files of known types in some folders, with an ETag each; browsers ask each time whether it is still the same."""

    def __init__(self, *folders: Path) -> None:
        super().__init__(html=True)
        self.all_directories = [str(folder) for folder in folders]

    def add(self, folder: Path) -> None:
        """Serve another folder's files as well."""
        self.all_directories.append(str(folder))

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Where a file is; files of other types are not there."""
        full_path, found = super().lookup_path(path)
        is_known = Path(full_path).suffix in MEDIA_TYPES or not Path(full_path).suffix
        return (full_path, found) if is_known else ("", None)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The answer with a file, or that it has not changed."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        if "content-type" in response.headers:
            response.headers["Content-Type"] = MEDIA_TYPES[Path(full_path).suffix]
        return response
