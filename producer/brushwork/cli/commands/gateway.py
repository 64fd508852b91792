"""`brushwork gateway`."""

from typing import Annotated

import typer
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import MissingExtra
from brushwork_schemas.wording.phrase import said


def gateway(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any other than the loopback address requires API keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8600,
    root_path: Annotated[
        str, typer.Option(metavar="PREFIX", help="Path prefix that a proxy removes.", show_default=False)
    ] = "",
    forwarded_allow_ips: Annotated[
        str, typer.Option(help="Proxies whose X-Forwarded headers are trusted.", show_default="none")
    ] = "",
    access_log: Annotated[bool, typer.Option(help="Log each request.")] = True,
) -> None:
    """Run the HTTP gateway: jobs, files, events, metrics and the page. Requires the extra `gateway`."""
    try:
        # Imported here, because it imports a web server that the other commands do not need.
        from brushwork.gateway.listening import Listening
        from brushwork.gateway.serve import serve
        from brushwork.page.pages import PAGE
    except ModuleNotFoundError as error:
        raise MissingExtra(
            said("The gateway cannot be loaded: {error}.", error=error),
            hint="Run: pip install 'brushwork[gateway]'",
        ) from error
    serve(
        Settings.load(),
        Listening(host, port, root_path.rstrip("/"), forwarded_allow_ips, access_log),
        PAGE,
    )
