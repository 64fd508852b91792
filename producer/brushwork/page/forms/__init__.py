"""The forms of the page: their fields and what was entered."""
