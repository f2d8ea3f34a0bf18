"""/ and /web/...: the dashboard, plain files from web/."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).resolve().parents[2] / "web"
router = APIRouter(include_in_schema=False)
files = StaticFiles(directory=FOLDER)


@router.get("/", response_class=FileResponse)
async def show_dashboard() -> FileResponse:
    """The one page; what it shows is told by the part of the address after #."""
    return FileResponse(FOLDER / "index.html", headers={"Cache-Control": "no-cache"})
