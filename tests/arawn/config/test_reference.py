from __future__ import annotations

from pathlib import Path

import pytest

from arawn.config import reference, schema
from arawn.config.reference import BEGIN, END, meanings, renewed

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_holds_exactly_what_is_rendered() -> None:
    """`docs/configuration.md` cannot lag behind the schema."""
    page = PAGE.read_text(encoding="utf-8")

    assert renewed(page) == page, "run `python -m arawn.config.reference docs/configuration.md`"


def test_every_key_has_a_meaning() -> None:
    """A key that is added gets a row without a meaning, which is to be written into the page."""
    found = meanings(PAGE.read_text(encoding="utf-8"))

    assert len(found) == sum(len(kind.__struct_fields__) for _, kind in reference._TABLES)
    assert all(found.values())


def test_a_row_tells_type_range_and_default() -> None:
    """What the row says comes from the schema, whatever stood there before."""
    rows = renewed(f"{BEGIN}\n### `[server]`\n| `listen` | a lie | `0` | Kept \\| as it is. |\n{END}").splitlines()

    assert "| `top_p` | a number, above 0, at most 1 | none |  |" in rows
    assert "| `backend` | a string | required |  |" in rows
    assert f'| `listen` | a string | `"{schema.ServerConfig().listen}"` | Kept \\| as it is. |' in rows


def test_only_what_stands_between_the_marks_is_renewed() -> None:
    """Prose around the tables is kept."""
    page = renewed(f"before\n{BEGIN}\nno longer true\n{END}\nafter\n")

    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "no longer true" not in page


@pytest.mark.parametrize("page", ["", BEGIN, END])
def test_a_page_without_marks_is_refused(page: str) -> None:
    """A page that lost its marks is an error, not a page without tables."""
    with pytest.raises(ValueError, match="needs the lines"):
        renewed(page)
