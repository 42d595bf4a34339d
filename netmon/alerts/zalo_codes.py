"""What Zalo's error numbers mean for a message: try again, give this person up, or mend the channel first. Pure.

Numbers as in Zalo's pages for ZNS (zalo.cloud, "Cách xử lý mã lỗi") and for OA messages (developers.zalo.me). What is
not listed is tried again and then left to the fallback: a new number must not cost anybody his message.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

# retry: it may pass · fallback: not this person, not now, so another channel · permanent: nobody, until it is mended
Class = Literal["retry", "fallback", "permanent"]


class Meaning(NamedTuple):
    """``reason`` is a metric label, ``text`` is for the operator."""

    kind: Class
    reason: str
    text: str


TOKEN_REFUSED = frozenset(
    {-124, -216, -220}
)  # the access token: a new one is fetched at once, and the message sent anew

OA: dict[int, Meaning] = {
    -32: Meaning("retry", "rate", "too many requests in this minute"),
    -200: Meaning("retry", "service", "Zalo could not send it"),
    -201: Meaning("permanent", "config", "a parameter is wrong"),
    -204: Meaning("permanent", "account", "the Official Account is deleted"),
    -205: Meaning("permanent", "account", "the Official Account does not exist"),
    -209: Meaning("permanent", "account", "the application is not approved for this API"),
    -210: Meaning("permanent", "config", "the text is too long"),
    -211: Meaning("fallback", "quota", "the quota of messages is spent"),
    -213: Meaning("fallback", "not_linked", "the person does not follow the Official Account"),
    -214: Meaning("retry", "service", "the same request is being dealt with"),
    -221: Meaning("permanent", "account", "the Official Account is not verified"),
    -224: Meaning("permanent", "account", "the Official Account has no paid package that allows it"),
    -227: Meaning("fallback", "not_linked", "the person's Zalo account is locked or not in use"),
    -230: Meaning("fallback", "not_linked", "the person has not written to the Official Account for 7 days"),
    -232: Meaning("fallback", "not_linked", "the person has not written to the Official Account"),
    -233: Meaning("permanent", "config", "this type of message is not supported"),
    -234: Meaning("fallback", "night", "Zalo takes no messages of this type at night"),
    -240: Meaning("permanent", "config", "this version of the API has been shut down: check the channel's url"),
    -244: Meaning("fallback", "not_linked", "the person takes no messages of this type"),
}
ZNS: dict[int, Meaning] = {
    -100: Meaning("retry", "service", "Zalo does not say why"),
    -101: Meaning("permanent", "account", "the application is not valid"),
    -102: Meaning("permanent", "account", "the application does not exist"),
    -103: Meaning("permanent", "account", "the application is not activated"),
    -104: Meaning("permanent", "account", "the secret key is wrong"),
    -105: Meaning("permanent", "account", "the application is linked to no Official Account"),
    -106: Meaning("permanent", "config", "wrong method: check the channel's url"),
    -108: Meaning("fallback", "no_address", "the phone number is not valid"),
    -109: Meaning("permanent", "template", "the template's id is wrong"),
    -110: Meaning("fallback", "not_linked", "the person's Zalo is too old"),
    -111: Meaning("permanent", "template", "the template gets no parameters"),
    -112: Meaning("permanent", "template", "a parameter is not as the template wants it"),
    -114: Meaning("fallback", "not_linked", "the person's account is not in use, or takes no such messages"),
    -115: Meaning("permanent", "balance", "the account's balance is spent"),
    -116: Meaning("permanent", "template", "the text is not valid"),
    -117: Meaning("permanent", "template", "the Official Account may not use this template"),
    -118: Meaning("fallback", "not_linked", "the number has no Zalo account"),
    -119: Meaning("fallback", "not_linked", "the account cannot get such messages"),
    -120: Meaning("permanent", "account", "the Official Account may not use this feature"),
    -121: Meaning("permanent", "template", "the template has no content"),
    -122: Meaning("permanent", "config", "the request is not as Zalo wants it"),
    -125: Meaning("permanent", "account", "the Official Account's id is not valid"),
    -126: Meaning("permanent", "balance", "the balance for tests is spent"),
    -127: Meaning("permanent", "template", "a test template goes to administrators only"),
    -131: Meaning("permanent", "template", "the template is not approved"),
    -132: Meaning("permanent", "template", "a parameter is missing, too long or of the wrong kind"),
    -133: Meaning("fallback", "night", "this template is not sent from 22:00 to 06:00"),
    -134: Meaning("fallback", "not_linked", "the person has not agreed to get such messages"),
    -135: Meaning("permanent", "account", "the Official Account may not send such messages"),
    -137: Meaning("permanent", "balance", "the payment failed"),
    -138: Meaning("permanent", "account", "the application may not use this feature"),
    -139: Meaning("fallback", "not_linked", "the person refuses messages of this kind"),
    -141: Meaning("fallback", "not_linked", "the person refuses messages of this Official Account"),
    -144: Meaning("fallback", "quota", "the day's quota of the Official Account is spent"),
    -145: Meaning("permanent", "template", "the Official Account may not send templates of this kind"),
    -146: Meaning("permanent", "template", "the template is switched off for its quality"),
    -147: Meaning("fallback", "quota", "the day's quota of the template is spent"),
}
UNLISTED = Meaning("retry", "refused", "Zalo did not take the message")


def meaning(code: int, table: dict[int, Meaning]) -> Meaning:
    """What an error number says of a message."""
    return table.get(code, UNLISTED)
