"""The network of `callboard.testing`, as the tests here ask for it."""

from callboard.testing import MemoryNetwork as Network, Transport


class MemoryNetwork(Network):
    """`lockstep`: a send returns only when the peer has read everything."""

    def __init__(self, *, lockstep: bool = False) -> None:
        super().__init__(Transport.LOCKSTEP if lockstep else Transport.FRAMES)
