"""Rendering where it may take a while: templates are evaluated elsewhere, every other format renders at once."""

from __future__ import annotations

from tocsin.formats import Rendered, Renderer, Template, Unrendered
from tocsin.model.event_view import EventView
from tocsin.ports import Templates
from tocsin.rules.header_fields import is_field_value


async def rendered(renderer: Renderer | Template, view: EventView, templates: Templates) -> Rendered | Unrendered:
    """The event in this format, or why there is nothing to send; only for an event that the format expresses."""
    if not isinstance(renderer, Template):
        return renderer.render(view)
    made = renderer.rendered(await templates.evaluate(renderer.programs, renderer.document(view)))
    if isinstance(made, Unrendered):
        return made
    for index, (_, value) in enumerate(made.headers, start=1):
        if not is_field_value(value):
            return renderer.failure(index, "gave what cannot stand in a header")
    return made
