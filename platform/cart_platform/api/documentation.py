"""The page `/docs`: Swagger UI, served whole from here, because a shop may have no way to the outside."""

from collections.abc import Iterator
from importlib.resources import files

from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Mount, Route

PAGE = "/docs"
ASSETS = "/docs/assets"


class Documentation:
    """The page that shows an application's OpenAPI document.

    Args:
        title: What the page is called.
        openapi_url: The path of the document.
    """

    def __init__(self, title: str, openapi_url: str) -> None:
        self._title = title
        self._openapi_url = openapi_url

    def routes(self) -> Iterator[BaseRoute]:
        """The routes of the page and of what it loads."""
        yield Route(PAGE, self.page, include_in_schema=False)
        yield Mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))

    async def page(self, _request: Request) -> HTMLResponse:
        """The page."""
        return get_swagger_ui_html(
            openapi_url=self._openapi_url,
            title=self._title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )
