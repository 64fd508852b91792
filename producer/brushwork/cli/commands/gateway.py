"""`brushwork gateway`."""

from typing import Annotated

import typer
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import MissingExtra


def gateway(
    host: Annotated[
        str, typer.Option(help="Where it listens; elsewhere than here only with keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 is a free one.")] = 8600,
    root_path: Annotated[
        str, typer.Option(metavar="PREFIX", help="The path prefix of a proxy before it.", show_default=False)
    ] = "",
    forwarded_allow_ips: Annotated[
        str, typer.Option(help="Proxies whose X-Forwarded headers are believed.", show_default="none")
    ] = "",
    access_log: Annotated[bool, typer.Option(help="Log each request.")] = True,
) -> None:
    """Answer HTTP: jobs, files, events, metrics and the page; needs the extra `gateway`."""
    try:
        # Here, for it brings a web server along, which the other commands do without.
        from brushwork.gateway.listening import Listening
        from brushwork.gateway.serve import serve
        from brushwork.page.pages import PAGE
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"The gateway can't be loaded: {error}.", hint="Run: pip install 'brushwork[gateway]'"
        ) from error
    serve(
        Settings.load(),
        Listening(host, port, root_path.rstrip("/"), forwarded_allow_ips, access_log),
        PAGE,
    )
