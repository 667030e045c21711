"""The web interface without a browser: cookies, forms and their CSRF token, over HTTP."""

from __future__ import annotations

import html
import http.client
import re
from urllib.parse import urlencode

from tests.kit.server import OPERATOR_KEY, Server

FORM = "application/x-www-form-urlencoded"


class PageAnswer:
    """Status, headers (lower-case names; of several cookies the last) and text of an answer."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.cookies = [value for name, value in headers if name.lower() == "set-cookie"]
        self.body = body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def words(self) -> str:
        """What a person reads: without tags, with single spaces."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())

    @property
    def location(self) -> str:
        return self.headers["location"]

    def csrf(self) -> str:
        """The token in the forms of the page."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert found, self.text
        return found[1]

    def __repr__(self) -> str:
        return f"{self.status} {self.headers.get('location', '')} {self.text[:2000]}"


class Pages:
    """Somebody with a cookie jar, signed in unless `key` is None."""

    def __init__(self, server: Server, key: str | None = OPERATOR_KEY) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        self.csrf = ""
        if key is not None:
            answer = self.sign_in(key)
            assert answer.status == 303, answer

    def sign_in(self, key: str) -> PageAnswer:
        """By the form. Afterwards the token of the session is known."""
        page = self.get("/ui/sign-in")
        answer = self.post("/ui/sign-in", {"key": key}, csrf=page.csrf())
        if answer.status == 303:
            self.csrf = self.get("/ui/search?q=no-such-thing").csrf()
        return answer

    def get(self, path: str, headers: dict[str, str] | None = None) -> PageAnswer:
        return self.call("GET", path, None, headers or {})

    def post(
        self,
        path: str,
        form: dict[str, str] | list[tuple[str, str]] | None = None,
        *,
        csrf: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> PageAnswer:
        """A form with its token, as our own page sends it."""
        pairs = list(form.items()) if isinstance(form, dict) else list(form or [])
        pairs.append(("csrf", self.csrf if csrf is None else csrf))
        sent = {"Content-Type": FORM, "Origin": self.server.url}
        return self.call("POST", path, urlencode(pairs).encode(), sent | (headers or {}))

    def follow(self, answer: PageAnswer) -> PageAnswer:
        """The page that a redirect leads to."""
        assert answer.status == 303, answer
        return self.get(answer.location)

    def call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> PageAnswer:
        """One request; cookies are sent, and kept as a browser does."""
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=30)
        try:
            connection.request(method, path, body, headers | ({"Cookie": jar} if jar else {}))
            response = connection.getresponse()
            answer = PageAnswer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()
        for cookie in answer.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer
