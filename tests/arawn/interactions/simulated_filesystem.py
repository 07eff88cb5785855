"""A file system in memory in which any operation can fail and unsynced bytes can be forgotten."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from arawn.interactions.filesystem import Filesystem

Fault = Callable[[int, str], OSError | int | None]  # number and name of an operation -> failure, or bytes taken


def no_fault(number: int, name: str) -> OSError | int | None:
    return None


def os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@dataclass(eq=False)
class Node:
    mode: int
    data: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    lost_pages: bool = False  # a sync failed: the kernel has dropped what was dirty
    locked_by: int | None = None


@dataclass
class Open:
    node: Node
    original: int


class SimulatedFilesystem(Filesystem):
    """The file system; no operation of the real one is left."""

    def __init__(self, fault: Fault = no_fault) -> None:
        super().__init__()
        self.fault = fault
        self.limit: Callable[[bytes, int], OSError | None] = lambda data, size: None
        self.operations: list[str] = []
        self.nodes: dict[Path, Node] = {Path("/"): Node(stat.S_IFDIR | 0o755)}
        self.durable: dict[Path, Node] = dict(self.nodes)
        self.descriptors: dict[int, Open] = {}
        self._next_fd = 3
        self._tokens = 0

    def token(self, size: int) -> str:
        """Stand in for `secrets.token_hex` without ever repeating."""
        self._tokens += 1
        return f"{self._tokens:0{2 * size}x}"

    def kill(self) -> None:
        """The process dies: descriptors and locks go, bytes stay."""
        self.descriptors.clear()
        for node in self.nodes.values():
            node.locked_by = None

    def power_loss(self) -> None:
        """Everything not synced is forgotten."""
        self.kill()
        self.nodes = dict(self.durable)
        for node in self.nodes.values():
            node.data = bytearray(node.durable)
            node.lost_pages = False

    def files(self, pattern: str = "*.jsonl") -> dict[str, bytes]:
        return {path.name: bytes(node.data) for path, node in sorted(self.nodes.items()) if path.match(pattern)}

    def files_with_lost_pages(self) -> dict[str, bytes]:
        """What a failed sync left in the cache only, marked as if it were on the disk."""
        return {path.name: bytes(node.data) for path, node in sorted(self.nodes.items()) if node.lost_pages}

    def durable_files(self, pattern: str = "*.jsonl") -> dict[str, bytes]:
        """What a power loss would leave."""
        return {path.name: node.durable for path, node in sorted(self.durable.items()) if path.match(pattern)}

    def _begin(self, name: str) -> int | None:
        self.operations.append(name)
        verdict = self.fault(len(self.operations), name)
        if isinstance(verdict, OSError):
            raise verdict
        return verdict

    def _node(self, path: Path) -> Node:
        if path not in self.nodes:
            raise os_error(errno.ENOENT)
        return self.nodes[path]

    @override
    def open(self, path: Path, flags: int, mode: int) -> int:
        self._begin("open")
        if path in self.nodes and flags & os.O_EXCL:
            raise os_error(errno.EEXIST)
        if path not in self.nodes and flags & os.O_CREAT:
            self.nodes[path] = Node(stat.S_IFREG | mode)
        node = self._node(path)
        if stat.S_ISLNK(node.mode):
            raise os_error(errno.ELOOP)
        if flags & os.O_TRUNC:
            node.data.clear()
        return self._descriptor(node)

    def _descriptor(self, node: Node, original: int | None = None) -> int:
        fd, self._next_fd = self._next_fd, self._next_fd + 1
        self.descriptors[fd] = Open(node, fd if original is None else original)
        return fd

    @override
    def close(self, fd: int) -> None:
        opened = self.descriptors.pop(fd)
        if opened.node.locked_by == opened.original:
            opened.node.locked_by = None
        self._begin("close")

    @override
    def dup(self, fd: int) -> int:
        self._begin("dup")
        opened = self.descriptors[fd]
        return self._descriptor(opened.node, opened.original)

    @override
    def write(self, fd: int, pieces: Sequence[bytes | memoryview]) -> int:
        node, data = self.descriptors[fd].node, b"".join(pieces)
        short = self._begin("write")
        if (refusal := self.limit(data, len(node.data))) is not None:
            raise refusal
        taken = data if short is None else data[:short]
        node.data += taken
        return len(taken)

    @override
    def pread(self, fd: int, count: int, offset: int) -> bytes:
        self._begin("pread")
        return bytes(self.descriptors[fd].node.data[offset : offset + count])

    @override
    def ftruncate(self, fd: int, size: int) -> None:
        self._begin("ftruncate")
        del self.descriptors[fd].node.data[size:]

    @override
    def fdatasync(self, fd: int) -> None:
        node = self.descriptors[fd].node
        try:
            self._begin("fdatasync")
        except OSError:
            node.lost_pages = True
            raise
        if not node.lost_pages:
            node.durable = bytes(node.data)

    @override
    def fsync_directory(self, path: Path) -> None:
        self._begin("fsync_directory")
        self._node(path)
        for known in {*self.nodes, *self.durable}:
            if known.parent != path:
                continue
            if known in self.nodes:
                self.durable[known] = self.nodes[known]
            else:
                del self.durable[known]

    @override
    def rename(self, source: Path, target: Path) -> None:
        self._begin("rename")
        self.nodes[target] = self.nodes.pop(source)

    @override
    def unlink(self, path: Path) -> None:
        self._begin("unlink")
        del self.nodes[path]

    @override
    def flock(self, fd: int) -> None:
        self._begin("flock")
        opened = self.descriptors[fd]
        if opened.node.locked_by not in (None, opened.original):
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        opened.node.locked_by = opened.original

    @override
    def unlock(self, fd: int) -> None:
        self._begin("unlock")
        self.descriptors[fd].node.locked_by = None

    @override
    def mkdir(self, path: Path, mode: int) -> None:
        self._begin("mkdir")
        self.nodes[path] = Node(stat.S_IFDIR | mode)

    @override
    def chmod(self, path: Path, mode: int) -> None:
        self._begin("chmod")
        node = self._node(path)
        node.mode = stat.S_IFMT(node.mode) | mode

    @override
    def fchmod(self, fd: int, mode: int) -> None:
        self._begin("fchmod")
        node = self.descriptors[fd].node
        node.mode = stat.S_IFMT(node.mode) | mode

    @override
    def lstat(self, path: Path) -> os.stat_result:
        self._begin("lstat")
        return os.stat_result((self._node(path).mode, *[0] * 9))

    @override
    def leads_to(self, path: Path, fd: int) -> bool:
        self._begin("leads_to")
        return self.nodes.get(path) is self.descriptors[fd].node

    @override
    def size(self, fd: int) -> int:
        self._begin("size")
        return len(self.descriptors[fd].node.data)

    @override
    def names(self, path: Path) -> list[str]:
        self._begin("names")
        return [known.name for known in self.nodes if known.parent == path and known != path]
