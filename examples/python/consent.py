"""Stands for the person at the browser: opens the sandbox's consent page and presses its button."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin
from urllib.request import urlopen


class ConsentForm(HTMLParser):
    """The one form of the page: where it goes, and its hidden fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attribute = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.action = attribute.get("action", "")
        if tag == "input" and attribute.get("type") == "hidden":
            self.fields[attribute["name"]] = attribute.get("value", "")


def allow(authorize_url: str) -> None:
    """Loads the page, submits its form and follows the redirect to the callback."""
    with urlopen(authorize_url) as page:
        form = ConsentForm(page.read().decode())
    answer = urlencode(form.fields).encode()
    # An answer other than 200 raises here: the callback answers once the account is stored.
    with urlopen(urljoin(authorize_url, form.action), answer):
        pass
