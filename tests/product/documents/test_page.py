"""The page at /docs in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.clients.browser import PROGRAM, opened

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

TOKEN: Final = "0123456789abcdef"
BEGIN: Final = "#operations-executions-begin"


@pytest.mark.skipif(PROGRAM is None, reason="needs the program chromium")
async def test_an_execution_can_be_begun_from_the_page(
    stack: Stack, job: str, tmp_path: Path
) -> None:
    """With a token, the page begins an execution, and requests nothing from other origins."""
    url = stack.add_gateway("page", GATEWAY_TOKENS=TOKEN)

    async with opened(f"{url}/docs", tmp_path) as page:
        await page.click(".btn.authorize")
        await page.write(".auth-container input", TOKEN)
        await page.click(".auth-btn-wrapper .authorize")
        await page.click(".auth-btn-wrapper .btn-done")
        await page.click(f"{BEGIN} .opblock-summary-control")
        await page.write(f"{BEGIN} tr[data-param-name=id] input", job)
        await page.click(f"{BEGIN} .execute")
        await page.until(
            f"document.querySelector('{BEGIN} .live-responses-table')?.innerText.includes('{job}')"
        )

    assert stack.outcome(job)["status"] == "resolved"
    others = [asked for asked in page.requests() if not asked.startswith((f"{url}/", "data:"))]
    assert (others, page.complaints()) == ([], [])
    assert f"{url}/docs/swagger-ui-bundle.js" in page.requests()
