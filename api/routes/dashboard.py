"""/ and /web/...: the dashboard, plain files from web/."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).resolve().parents[2] / "web"
router = APIRouter(include_in_schema=False)


class Files(StaticFiles):
    """Files that a browser asks about each time (304 mostly), so that an upgrade never mixes old scripts with new."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """The file, or 304."""
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


files = Files(directory=FOLDER)


@router.get("/", response_class=FileResponse)
async def show_dashboard() -> FileResponse:
    """The one page; what it shows is told by the part of the address after #."""
    return FileResponse(FOLDER / "index.html", headers={"Cache-Control": "no-cache"})
