"""What an administrator may do: a form, the call that it becomes, and how its end is told.

Nothing here writes to the database: every act is one request to the commands' API, under a key that the form carries,
so that a double click, a reload or a second try after silence is the same operation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.db.models import Model

from admin.commands_api import Asked, Done, Refused
from admin.problems import in_plain_words
from admin.wording import said

Text = str
"""Perhaps one that chooses its language when it is shown; see wording.say."""


def new_key() -> str:
    return str(uuid4())


class ActForm(forms.Form):
    """Its key is the operation's: it stays while the outcome is open, and is a new one after a refusal."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    error_css_class = "has-error"

    sent_as: ClassVar[Mapping[str, str]] = {}
    """The API's name of a field → ours, where they differ."""

    def __init__(self, *args: Any, target: Model | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.target = target
        for field in self.fields.values():
            if isinstance(field.widget, forms.TextInput | forms.Textarea):
                field.widget.attrs.setdefault("class", "vTextField")

    def given(self) -> Mapping[str, Any]:
        """What the act is asked to do; valid forms only."""
        return self.cleaned_data

    def tell(self, refused: Refused) -> None:
        """Show why it was refused, beside the field where there is one."""
        for name, message in refused.fields.items():
            own = self.sent_as.get(name, name.split(".")[-1] if name.startswith("settings.") else name)
            self.add_error(own if own in self.fields else None, f"{said('The service says')}: {message}")
        if not refused.fields:
            self.add_error(None, in_plain_words(refused))
        self._start_anew()

    def _start_anew(self) -> None:
        self.data = {**{name: self.data[name] for name in self.data}, self.add_prefix("key"): new_key()}


class EditForm(ActForm):
    """For what is there already. Fields with `show_hidden_initial` carry along what stood in them at first."""

    def given(self) -> Mapping[str, Any]:
        """Without what was left as it stood: somebody else may have changed that meanwhile."""
        changed = set(self.changed_data)
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name in changed or not self.fields[name].show_hidden_initial
        }


class Act(ABC):
    """One thing to be done. `name` is the last part of its address."""

    name: ClassVar[str]
    title: ClassVar[Text]
    button: ClassVar[Text]
    explanation: ClassVar[Text] = ""
    permission: ClassVar[str]
    form: ClassVar[type[ActForm]] = ActForm
    grave: ClassVar[bool] = False
    """Money moves, or something ends: the button says so by its colour."""

    def is_possible(self, target: Any, now: datetime) -> bool:
        """Whether its button is shown; the API has the last word."""
        return True

    def initial(self, target: Any) -> dict[str, Any]:
        """What stands in the form at first."""
        return {}

    @abstractmethod
    def ask(self, target: Any, given: Mapping[str, Any], key: str) -> Asked:
        """The request; `given` is what the form was given."""

    @abstractmethod
    def told(self, target: Any, answer: Done) -> Text:
        """What the administrator reads when it is done."""


def rubles(value: Any) -> dict[str, str]:
    """A form's decimal as the API writes money."""
    return {"value": f"{value:.2f}", "currency": "RUB"}
