"""`brushwork review`: results that policies hold, over HTTP or with the database."""

from brushwork.cli.review.commands import review

__all__ = ["review"]
