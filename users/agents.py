"""Which visitors are programs: previews of messengers, search engines, scripts. Two lists that others keep. Pure."""

from functools import lru_cache

import crawleruseragents
import ua_parser


@lru_cache(maxsize=1024)
def is_program(user_agent: str) -> bool:
    """Whoever says nothing of themselves is one; browsers always do."""
    return not user_agent or crawleruseragents.is_crawler(user_agent) or _is_spider(user_agent)


def _is_spider(user_agent: str) -> bool:
    device = ua_parser.parse(user_agent).device
    return device is not None and device.family == "Spider"
