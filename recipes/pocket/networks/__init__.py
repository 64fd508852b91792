"""The networks of the pocket models, one module for each part that is trained."""
