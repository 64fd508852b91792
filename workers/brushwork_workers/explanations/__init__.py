"""Explanations: which parts of a picture a model used, as maps of the picture's size.

Every method consists of calls of the model. They go through the model executor, so they gather with calls of
other jobs. `docs/explanations.md` says what each method can and cannot show.
"""
