"""The memory of a receiver: once is once, also across a restart; failed work may come again."""

import threading

from tocsin.receiver import Inbox


def test_an_id_is_claimed_once():
    inbox = Inbox()
    assert [inbox.claim(name) for name in ("a", "b", "a")] == [True, True, False]
    inbox.close()


def test_a_released_id_may_come_again():
    inbox = Inbox()
    assert inbox.claim("a")
    inbox.release("a")
    assert inbox.claim("a")
    inbox.close()


def fail_at(webhook_id, inbox):
    """Fail while working on it; whether it was new."""
    try:
        with inbox.once(webhook_id) as is_new:
            int("not a number")
    except ValueError:
        return is_new


def test_failed_work_releases_and_done_work_does_not():
    inbox = Inbox()
    assert fail_at("a", inbox)
    with inbox.once("a") as is_new:
        assert is_new
    with inbox.once("a") as is_new:
        assert not is_new
    assert not fail_at("a", inbox)
    assert not inbox.claim("a")
    inbox.close()


def test_ids_outlive_the_process_in_a_file(tmp_path):
    first = Inbox(tmp_path / "inbox.db")
    assert first.claim("a")
    first.close()
    second = Inbox(tmp_path / "inbox.db")
    assert not second.claim("a")
    assert second.claim("b")
    second.close()


def test_ids_are_forgotten_after_their_time_and_cleaned_away():
    inbox = Inbox(keep_seconds=10)
    assert inbox.claim("a", now=100)
    assert not inbox.claim("a", now=110)
    assert inbox.claim("a", now=111)
    for number in range(1200):
        assert inbox.claim(f"n{number}", now=200 + number)
    assert inbox._db.execute("SELECT count(*) FROM seen WHERE at < 1100").fetchone()[0] < 210
    inbox.close()


def test_threads_agree_on_who_was_first():
    inbox = Inbox()
    wins: list[str] = []

    def claim_all() -> None:
        wins.extend(str(number) for number in range(200) if inbox.claim(str(number)))

    threads = [threading.Thread(target=claim_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == sorted(map(str, range(200)))
    inbox.close()
