"""The built-in texts of notices, by locale and code. A channel's config may replace or switch off each (see notices.py).

`{name}` is the rep who joined or left; `{from}` and `{to}` are the two of a transfer. Arabic uses verbal nouns, so that no text
guesses anyone's gender. `ended` and `waiting` have no built-in text: they are sent where a channel's config gives one.
"""

from __future__ import annotations

_PORTUGUESE = {
    "joined": "{name} entrou na conversa.",
    "left": "{name} saiu da conversa.",
    "transferred": "{from} passou a conversa para {to}.",
}

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "joined": "{name} has joined the conversation.",
        "left": "{name} has left the conversation.",
        "transferred": "{from} has handed the conversation over to {to}.",
    },
    "de": {
        "joined": "{name} ist dem Gespräch beigetreten.",
        "left": "{name} hat das Gespräch verlassen.",
        "transferred": "{from} hat das Gespräch an {to} übergeben.",
    },
    "es": {
        "joined": "{name} se ha unido a la conversación.",
        "left": "{name} ha salido de la conversación.",
        "transferred": "{from} ha pasado la conversación a {to}.",
    },
    "fr": {
        "joined": "{name} a rejoint la conversation.",
        "left": "{name} a quitté la conversation.",
        "transferred": "{from} a confié la conversation à {to}.",
    },
    "ja": {
        "joined": "{name}が会話に参加しました。",
        "left": "{name}が会話から退出しました。",
        "transferred": "担当が{from}から{to}に替わりました。",
    },
    "pt-BR": _PORTUGUESE,
    "pt": _PORTUGUESE,  # CLDR's plain "pt" is Brazil's; Portugal's readers understand it better than English
    "ar": {
        "joined": "تم انضمام {name} إلى المحادثة.",
        "left": "تمت مغادرة {name} للمحادثة.",
        "transferred": "تم تحويل المحادثة من {from} إلى {to}.",
    },
}
