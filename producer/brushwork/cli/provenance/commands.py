"""`brushwork provenance`."""

import typer

from brushwork.cli.operations import OperationCommand
from brushwork.cli.provenance.certificates import check, init
from brushwork.cli.provenance.reading import read

provenance = typer.Typer(help="What files say about their origin, and who signs it.", no_args_is_help=True)
provenance.command()(read)
provenance.command(cls=OperationCommand)(init)
provenance.command(cls=OperationCommand)(check)
