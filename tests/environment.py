"""Loaded before the settings (see pyproject.toml): a demo without waits, on a real PostgreSQL of the tests' own."""

import os
import signal

os.environ["ENV_FILE"] = os.devnull  # not what the developer's own .env says

from project import env, localdb

os.environ.update(
    {
        "DEMO": "1",
        "SMS_URL": "",
        "PLAIN_STATIC": "1",
        "SMS_SIMULATED_DELAY": "0",
        "OTP_RESEND_COOLDOWN": "0",
        "OTP_SENDS_PER_PHONE": "off",
        "OTP_SENDS_PER_IP": "off",
    }
)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell has put us into the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and what we start must hear Ctrl-C all the same
(env.LOCAL / "static").mkdir(parents=True, exist_ok=True)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as nohup has it, and as what we start would have it, too
    signal.signal(signal.SIGHUP, lambda *_: None)  # a handler goes no further than to us
if localdb.is_wanted():
    cluster = env.LOCAL / "postgres-test"
    unsafe_but_fast = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
    localdb.hold(cluster, unsafe_but_fast)
    os.environ["DATABASE_URL"] = localdb.url(cluster)
