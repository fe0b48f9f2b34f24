"""What browsers and apps are called, of what they call themselves in the wild."""

import pytest

from users import browsers

PHONE = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"{PHONE} Chrome/131.0.0.0 Mobile Safari/537.36", "Chrome, Android"),
        (f"{PHONE} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36", "Samsung Internet, Android"),
        (f"{PHONE} Version/4.0 Chrome/130.0.0.0 Mobile Safari/537.36 Telegram-Android/11.4.2", "Telegram, Android"),
        (f"{PHONE} Chrome/131.0.0.0 Mobile Safari/537.36 EdgA/131.0.0.0", "Edge, Android"),
        (f"{APPLE} Version/18.1 Mobile/15E148 Safari/604.1", "Safari, iPhone"),
        (f"{APPLE} Mobile/15E148 Instagram 357.0.0.0", "Instagram, iPhone"),
        (f"{MAC} Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0", "Opera, macOS"),
        (f"{WINDOWS} AppleWebKit/537.36 Chrome/128.0.0.0 YaBrowser/24.10.0.0 Safari/537.36", "Yandex Browser, Windows"),
        (f"{WINDOWS[:-1]}; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox, Windows"),
        (f"{WINDOWS} AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", "Edge, Windows"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/131.0.0.0 Safari/537.36", "Chrome, Chrome OS"),
        ("okhttp/4.12.0", "okhttp"),
        ("Shop/3.1 CFNetwork/1568.200.51 Darwin/24.1.0", "Shop, iOS"),
        ("", "Unknown browser"),
        ("\x00\ufffd'<script>", "Unknown browser"),
    ],
)
def test_it_is_called_what_a_person_would_call_it(user_agent, name):
    assert browsers.name_of(user_agent) == name
