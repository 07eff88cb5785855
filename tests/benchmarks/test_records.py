"""After a load run: calls made = records in the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.completion import check_records
from benchmarks.load import is_whole, post
from benchmarks.upstream import ANSWER


def _log(directory: Path, *lines: str) -> None:
    (directory / "log").mkdir()
    (directory / "log" / "interactions-2026-01-01.jsonl").write_text("".join(f"{line}\n" for line in lines))


GOOD = '{"kind":"interaction","status":"ok"}'


def test_as_many_records_as_calls_pass(tmp_path: Path) -> None:
    """Lines of other kinds are no calls."""
    _log(tmp_path, GOOD, '{"kind":"tool_result","status":"ok"}', GOOD)

    check_records(tmp_path, 2)


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_a_lost_or_invented_record_spoils_the_run(tmp_path: Path, calls: int) -> None:
    """No figure comes out of a run whose log does not add up."""
    _log(tmp_path, GOOD, GOOD)

    with pytest.raises(RuntimeError, match=f"{calls} calls were answered and 2 records"):
        check_records(tmp_path, calls)


def test_a_failed_call_counts_for_nothing(tmp_path: Path) -> None:
    """Errors are quick: they must not make a rate look good."""
    _log(tmp_path, GOOD, '{"kind":"interaction","status":"error"}')

    with pytest.raises(RuntimeError, match="2 calls were answered and 1 records"):
        check_records(tmp_path, 2)


def test_an_answer_is_whole_with_its_last_byte() -> None:
    """By its length, or by its last chunk."""
    assert [is_whole(ANSWER[:end]) for end in (10, len(ANSWER) - 1, len(ANSWER))] == [False, False, True]
    assert is_whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")


def test_an_answer_that_is_no_200_ends_the_run() -> None:
    """Refusals are quick too."""
    with pytest.raises(RuntimeError, match="401"):
        is_whole(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")


def test_a_request_says_how_long_its_body_is() -> None:
    """Raw bytes, made by hand."""
    assert post("/chat", b"{}", "x-api-key: k").endswith(b"x-api-key: k\r\ncontent-length: 2\r\n\r\n{}")
