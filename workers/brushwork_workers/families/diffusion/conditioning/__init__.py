"""What steers a run besides its prompt as plain text: pictures, learned words, and weights of words.

All of it belongs to one job. A shared module is changed only between two calls, by the state that a call
names, or it gets additions that no other job's call refers to.
"""
