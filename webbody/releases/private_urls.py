"""URLs that should not be published: invalid ones, and those with a secret or an e-mail address.

What is found is told by its rows alone: a message that repeats a secret gives it away again.
"""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webbody.url_grammar import is_url

_PARAMETER = r"[?&;#](?i:amp;)?"
#: A user's name, and mostly a password, before the host.
_USER = r"^[^/?#]*//[^/?#]*@"
#: Parameters that let in whoever has them, and what JSON web tokens look like.
_TOKEN = (
    _PARAMETER + r"(?i:[\w.~-]*(?:token|api[_-]?key|access[_-]?key|auth|secret|passw(?:or)?d|pwd|"
    r"session|sid|jwt|credential|bearer)[\w.~-]*)=[^&;#]"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}"
)
#: Signatures of storage services, which say who gave access and end some day.
_SIGNATURE = (
    _PARAMETER + r"(?i:(?:x-(?:amz|goog|oss|cos|ms)-)?(?:sig|sign|signature)|hmac|"
    r"awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|policy|"
    r"x-(?:amz|goog)-(?:credential|security-token))=[^&;#]"
)
#: What opens a store that is not everybody's: a password, and addresses signed as AWS, Google,
#: Azure, CloudFront, Alibaba and Tencent do. Most signatures of other sites are on pictures that
#: everybody sees.
_OPENING = (
    _USER
    + rf"|{_PARAMETER}(?i:x-(?:amz|goog|oss|cos|obs|tos)-(?:signature|credential|security-token)"
    rf"|awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|q-signature)=[^&;#]"
    rf"|{_PARAMETER}(?i:s[veptr]|ske?oid)=[^#]*{_PARAMETER}(?i:sig)=[^&;#]"
    rf"|{_PARAMETER}(?i:sig)=[^#]*{_PARAMETER}(?i:s[veptr]|ske?oid)=[^&;#]"
)
#: An address of somebody; looked for after the host.
_MAIL = r"[\w.+%-]*[\w+-](?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
_AFTER_HOST = r"^[^/?#]*//[^/?#]*[/?#].*"
#: What looks like one: pictures for screens of double density are called image@2x.png.
_FILES = {
    "png", "jpg", "jpeg", "jpe", "gif", "webp", "avif", "heic", "bmp", "svg", "tif", "tiff", "html",
    "htm", "php",
}  # fmt: skip

PASSWORD, TOKEN, SIGNATURE, MAIL = (
    "a user's name or password",
    "a token or key",
    "a signature",
    "an e-mail address",
)


def no_urls(urls: pa.ChunkedArray) -> NDArray[np.intp]:
    """The rows (N,) that hold none."""
    return np.flatnonzero([url is not None and not is_url(url) for url in urls.to_pylist()])


def private_urls(urls: pa.ChunkedArray) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """What URLs hold that is nobody's business, and the rows that do."""
    for what, pattern in ((PASSWORD, _USER), (TOKEN, _TOKEN), (SIGNATURE, _SIGNATURE)):
        yield what, _rows(urls, pattern)
    like_mail = _rows(urls, _AFTER_HOST + _MAIL)
    real = [_has_mail(url) for url in urls.take(pa.array(like_mail)).to_pylist()]
    yield MAIL, like_mail[np.array(real, bool)]


def urls_granting_access(urls: pa.ChunkedArray) -> NDArray[np.intp]:
    """The rows (N,) whose URLs let whoever has them into a store: no release may hold one."""
    return _rows(urls, _OPENING)


def _has_mail(url: str) -> bool:
    """Whether an address after the host is more than a file's name."""
    found = re.findall(_MAIL, re.sub(r"^[^/?#]*//[^/?#]*", "", url))
    return any(one.rpartition(".")[2].lower() not in _FILES for one in found)


def _rows(urls: pa.ChunkedArray, pattern: str) -> NDArray[np.intp]:
    matching = pc.match_substring_regex(urls, pattern).fill_null(False)
    return np.flatnonzero(matching.to_numpy(zero_copy_only=False))
