"""The page at `/`: plain HTML made here, forms that post, and a little script; nothing from outside."""
