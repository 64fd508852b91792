"""Decoding of untrusted pictures in child processes with limits on CPU time and memory.

`DecoderPool` has the processes, and gives them to tenants in turns; `InProcess` decodes without any. Both are
a `Decoder`.

The processes are our own, not those of `multiprocessing`, pebble, loky or billiard: all of these import the
main program again in each child, or fork it with its threads and its device; and none tells by the CPU time,
rather than the time on the wall, that a picture takes too long.
"""
