"""The connections of the gateway: how long each may take, and how many there may be."""
