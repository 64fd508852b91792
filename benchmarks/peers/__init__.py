"""Alternatives to brushwork, written like in their documentation."""
