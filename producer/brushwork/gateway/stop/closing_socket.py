"""Close a listening socket so that no connection is reset that a caller has opened already.

The kernel completes connections before the program accepts them. Those that wait when the socket is closed
are reset, and a proxy answers 502 for a request that it has sent on one. So new ones are held back first:
Linux drops their first packet, the rest is accepted, and then the socket is closed. The caller's kernel
repeats the packet after a second and learns that nobody listens; a proxy then takes another gateway.
"""

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import Sequence

# From asm-generic/socket.h. Python does not have it.
SO_ATTACH_FILTER = 26
# Handshakes that have begun end within this time, in seconds.
HANDSHAKE_S = 0.1
# Classic BPF on the TCP header: load the byte of the flags; if it is SYN without ACK, drop the packet, else
# keep it.
_FLAGS, _SYN, _SYN_OR_ACK = 13, 0x02, 0x12
_PROGRAM = (
    (0x30, 0, 0, _FLAGS),
    (0x54, 0, 0, _SYN_OR_ACK),
    (0x15, 0, 1, _SYN),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


async def hold_back(sockets: Sequence[socket.socket]) -> bool:
    """Let the kernel drop new connections, and wait until the event loop has accepted those that exist.

    Returns:
        Whether the kernel can do this.
    """
    if not sockets or not all(_drop_new(each) for each in sockets):
        return False
    await asyncio.sleep(HANDSHAKE_S)
    return True


def _drop_new(listening: socket.socket) -> bool:
    if sys.platform != "linux" or listening.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    code = b"".join(struct.pack("HBBI", *each) for each in _PROGRAM)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: the number of instructions, and a pointer to the first.
    program = struct.pack("HP", len(_PROGRAM), ctypes.addressof(buffer))
    try:
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True
