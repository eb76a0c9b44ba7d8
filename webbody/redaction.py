"""Secrets in addresses: never written, never printed.

A manifest or a folder may be given by a URL that holds a password, or is signed: whoever has it can
read or write there. Everything that is shown, logged or written about a run goes through here.
"""

import re
from typing import Any

#: What stands in place of a secret.
HIDDEN = "***"
#: User and password before a host. The user goes too: it may be a token.
_USERINFO = re.compile(r"(?<=://)[^\s/?#@\"'<>]+(?:@[^\s/?#@\"'<>]+)*@(?=[^\s/?#@])")
#: Names of parameters whose values are secret: signatures of AWS, Google, Azure, Alibaba and CDNs,
#: credentials, tokens, keys and passwords.
_NAMES = (
    r"(?:x-(?:amz|goog|oss|obs|cos|bce|tos)-)?(?:signature|credential|security-token)"
    r"|(?:\w+[-_.])?(?:token|secret|password|passwd|pwd|api[-_]?key|secret[-_]?key|access[-_]?key"
    r"|private[-_]?key|auth[-_]?key)(?:[-_]?id)?"
    r"|awsaccesskeyid|googleaccessid|ossaccesskeyid|accesskeyid|key-pair-id"
    r"|\w*token|sig|sign|hmac|hdnea|hdnts|hdntl|policy|authorization|auth|jwt|key|code|apikey"
    r"|sharedaccesssignature|connection[-_]?string|account[-_]?key|client[-_]?secret"
)
_PARAMETER = re.compile(rf"([?&;#](?:{_NAMES})=)[^\s&;#\"'<>]+", re.IGNORECASE)
#: The same, percent-encoded in a URL that is part of another one.
_ENCODED = re.compile(rf"(%(?:3F|26)(?:{_NAMES})%3D)(?:(?!%26)[^\s&#\"'<>])+", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text with `***` for the user and password, and the secret parameters, of each URL."""
    if "://" in text:
        text = _USERINFO.sub(f"{HIDDEN}@", text)
    if "=" in text:
        text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    return _ENCODED.sub(rf"\1{HIDDEN}", text) if "%3" in text else text


def redacted_json(value: Any) -> Any:
    """Values of a JSON file with all texts in them redacted, names too."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {redacted_json(key): redacted_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_json(one) for one in value]
    return value
