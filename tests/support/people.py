"""Three people, codes that are not theirs, and many threads at once."""

import threading

from django.db import connections

ALICE, BOB, CHARLIE = "+79136740000", "+79136740012", "+79261234567"


def wrong(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def at_once(count: int, action) -> list:
    """Run action(i) in `count` threads released by one barrier; results, or the exceptions they ended in."""
    barrier = threading.Barrier(count)
    results: list = [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = action(number)
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
