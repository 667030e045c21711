"""The form of a page as a browser without scripts would send it."""

from __future__ import annotations

from html.parser import HTMLParser


class HtmlForm(HTMLParser):
    """`HtmlForm.of(text, id)`: the fields of the form with this id, as pairs, buttons left out."""

    def __init__(self, form_id: str) -> None:
        super().__init__(convert_charrefs=True)
        self.pairs: list[tuple[str, str]] = []
        self._id = form_id
        self._is_inside = False
        self._area: list[str] | None = None
        self._name = ""
        self._options: list[tuple[str, bool]] = []

    @classmethod
    def of(cls, text: str, form_id: str) -> list[tuple[str, str]]:
        form = cls(form_id)
        form.feed(text)
        return form.pairs

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._is_inside = given.get("id") == self._id
        if not self._is_inside:
            return
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.pairs.append((name, value.replace("\r", "").replace("\n", "")))
        elif tag == "textarea":
            self._name, self._area = name, []
        elif tag == "select":
            self._name, self._options = name, []
        elif tag == "option":
            self._options.append((value, "selected" in given))

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "textarea" and self._area is not None:
            text = "".join(self._area).replace("\r\n", "\n").removeprefix("\n")
            self.pairs.append((self._name, text.replace("\n", "\r\n")))
            self._area = None
        elif tag == "select" and self._is_inside:
            chosen = [value for value, is_chosen in self._options if is_chosen]
            self.pairs.append((self._name, (chosen or [value for value, _ in self._options])[0]))
