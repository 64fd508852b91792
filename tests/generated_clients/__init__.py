"""Programs on clients that are generated from the gateway's OpenAPI document, and what they need."""
