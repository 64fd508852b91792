"""The HTTP gateway: every job, file and model by HTTP, for backends in any language. Extra: `gateway`."""
