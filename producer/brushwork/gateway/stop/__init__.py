"""The stop of a gateway, during which no request is lost."""
