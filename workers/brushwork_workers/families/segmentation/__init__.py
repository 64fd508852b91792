"""Classes and objects of pixels."""
