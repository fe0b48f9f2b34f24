"""What the pages' forms hold: presence and size. What may be in a field, the services know."""

import re

from django import forms
from django.core.validators import ProhibitNullCharactersValidator
from django.utils.translation import gettext_lazy as _

from users.errors import DomainError

_NAMED_CODE = re.compile(r"@\S+ #([0-9]+)\s*$")
_AS_LONG_AS_A_CODE = re.compile(r"(?<!\d)\d{4,8}(?!\d)")
_LETTER = re.compile(r"[^\W\d_]")


class PageForm(forms.Form):
    """A form whose first field is what the page is about; fields are called as the services' arguments are."""

    attempts_left: object = None
    retry_after: object = None

    def refuse(self, error: DomainError) -> None:
        """Put the words of a refusal beside the field they are about."""
        main = next(iter(self.fields))
        self.attempts_left = error.extra.get("attempts_left")
        self.retry_after = error.extra.get("retry_after")
        for name, reasons in error.extra.get("fields", {main: [error.detail]}).items():
            self.add_error(name if name in self.fields else main, reasons)


class TextField(forms.CharField):
    """Any text up to `max_length` characters: what may be in it, NUL among the rest, the services know."""

    def __init__(self, **options):
        super().__init__(strip=False, **options)  # it would take away what nobody sees
        self.validators[:] = [
            check for check in self.validators if not isinstance(check, ProhibitNullCharactersValidator)
        ]


class SendCodeForm(PageForm):
    phone = TextField(
        label=_("Your phone number"),
        max_length=60,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        help_text=_("For example, +7 913 674-00-00"),
    )


class NewPhoneForm(SendCodeForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["phone"].label = _("Your new phone number")


class VerifyCodeForm(PageForm):
    code = TextField(
        label=_("Code from the message"),
        max_length=300,  # people paste the whole of it
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}),
    )

    def clean_code(self) -> str:
        """Of a whole message, the code: its last line, which is for browsers, names it (`@zovi.example #2968`), or else
        it is the one number among the words that is as long as a code."""
        given = self.cleaned_data["code"]
        if named := _NAMED_CODE.search(given):
            return named[1]
        numbers = set(_AS_LONG_AS_A_CODE.findall(given)) if _LETTER.search(given) else set()
        return numbers.pop() if len(numbers) == 1 else given


class SignInForm(VerifyCodeForm):
    """The second time it holds what the page in between has asked; its two buttons answer."""

    start_afresh = forms.NullBooleanField(required=False)


class ResendCodeForm(SignInForm):
    """The page of the code, sent for another one: the field may be empty."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["code"].required = False


class ActivateForm(PageForm):
    invite_code = TextField(
        label=_("Invite code"),
        max_length=300,  # a link, with the words it was sent with
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
        help_text=_("Its owner will see your phone number. It is done once and cannot be changed."),
    )
