"""Stands for the person at the browser: opens a consent page and presses its button.

As a program it takes the address of the page, so that it can be the BROWSER of a test.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import Request, urlopen

SECONDS = 20


class Form(HTMLParser):
    """The one form of a page: where it goes, and its hidden fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: list[tuple[str, str]] = []
        self.deny = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given["action"]
        elif tag == "input" and given.get("type") == "hidden":
            self.fields.append((given["name"], given["value"]))
        elif tag == "a" and given.get("class") == "deny":
            self.deny = given["href"]


def open_page(url: str, form: list[tuple[str, str]] | None = None) -> tuple[int, str]:
    """Status and text of the page that a browser ends up at."""
    data = None if form is None else urlencode(form).encode()
    try:
        with urlopen(Request(url, data), timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def consent_form(url: str) -> Form:
    """The form of a consent page."""
    status, page = open_page(url)
    assert status == 200, f"the consent page answered {status}: {page}"
    return Form(page)


def allow(url: str) -> str:
    """Gives consent; the text of the page that the browser is sent back to."""
    form = consent_form(url)
    status, page = open_page(urljoin(url, form.action), form.fields)
    assert status == 200, f"the callback answered {status}: {page}"
    return page


if __name__ == "__main__":
    allow(sys.argv[1])
