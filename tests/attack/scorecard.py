"""The scorecard: every row of claims, run now, each with pass or fail and its figure.

`python -m tests.attack.scorecard` runs every test that carries `@pytest.mark.row("O6")` or stands in PROVEN_BY. A row
passes when at least one test proves it and none of its tests fails, skips or is missing.
"""

import sys
from collections import defaultdict

import pytest

ROWS = {
    "O1": "the code never leaves by the API or the pages outside a demo",
    "O2": "codes are uniform, leading zeros included",
    "O3": "where guessing goes on a phone's codes grow to six and eight digits, and sign-in works",
    "O3b": "patience gains nothing: a year of the best schedule stays under half a percent",
    "O4": "a code lives three minutes",
    "O5": "a code takes three tries",
    "O6": "of parallel tries three are compared",
    "O7": "of parallel right codes one signs in",
    "O8": "a resend ends the code before it",
    "O9": "a code is bound to whoever asked for it",
    "O10": "sends per phone and address are limited, over all doors together",
    "O11": "failures per phone are limited, over all doors together",
    "O12": "forged addresses gain nothing",
    "O13": "spending is limited over everybody, to allowed regions and kinds of numbers; at home codes still come",
    "O14": "a database dump reveals no code and no usable token",
    "O15": "nothing tells known numbers from unknown ones",
    "O16": "a gateway that is slow, redirects, drips, floods or hangs up is asked once, and nothing of it is followed",
    "T1": "a token that is expired, forged or not ours is refused",
    "T2": "after a logout the next request is refused",
    "T3": "a reused refresh token ends its session",
    "T4": "parallel refreshes have one successor and throw nobody out",
    "T5": "a token holds no phone number",
    "T6": "switching a user off ends their tokens at once",
    "T7": "keys rotate while requests run, and nobody is signed out",
    "T8": "a session won by SMS never opens the admin site",
    "R1": "a person activates one code, ever",
    "R2": "nobody invites themselves, not even in SQL",
    "R3": "invite codes are unbiased, unique and never change",
    "R4": "parallel first sign-ins make one user",
    "R5": "who is acting comes from the token alone",
    "R6": "guessing invite codes is limited",
    "R7": "a repeated activation is the same answer and one row",
    "G1": "one mutation a document, whatever aliases, fragments and operations it has",
    "G2": "no batches",
    "G3": "documents are bounded in depth and size, and refused quickly",
    "G4": "operations are JSON over POST only",
    "G5": "outside a demo there is no introspection and no GraphiQL",
    "G6": "outside a demo no error suggests a name",
    "H1": "the production configuration passes `check --deploy`",
    "H2": "every response carries the security headers",
    "H3": "cookies are HttpOnly, SameSite and, in public, Secure",
    "H4": "foreign origins, forged forms and foreign hosts are refused",
    "H5": "a body over 64 KiB is refused unread",
    "H6": "whatever is sent, the REST API answers as its description says, and never 500",
    "H7": "no script and no redirect can be planted",
    "P1": "other people's numbers are masked, unknown ids are not found",
    "P2": "no phone, code or token reaches a log",
    "P3": "expired codes are gone after thirty days at most",
    "P4": "whoever leaves leaves no number behind",
    "F1": "a database crash is 503 at once, and over when it is back",
    "F2": "killed backends and workers lose nothing that was confirmed",
    "F3": "a locked table is 503 within three seconds, and the process stays live",
    "F4": "a graceful stop fails no request",
    "F6": "a silent gateway is given up, a dead one costs nothing, and neither holds a reader up",
    "F8": "an unsafe configuration does not start",
    "S1": "every dependency is pinned",
    "S2": "the history holds no secret",
    "S3": "bandit finds nothing; nine of ten mutants are killed",
}


# Tests that prove a row where they belong for other reasons.
PROVEN_BY = {
    "users/tests/test_codes.py::test_one_time_codes_are_uniform_with_leading_zeros": "O2",
    "users/tests/test_limits.py::test_ten_failures_make_a_phones_codes_longer_and_sign_in_still_works": "O3",
    "users/tests/test_limits.py::test_twenty_failures_at_whatever_pace_are_remembered_for_a_year": "O3",
    "users/tests/test_limits.py::test_a_hundred_failures_in_a_month_make_codes_of_eight_digits": "O3",
    "users/tests/test_limits.py::test_five_hundred_failures_in_a_year_make_codes_of_eight_digits": "O3",
    "users/tests/test_budget.py::test_under_productions_limits_nobody_comes_to_half_a_percent_a_year": "O3b",
    "users/tests/test_limits.py::test_strangers_cannot_use_up_what_everybody_may_send_from_home": "O13",
    "users/tests/test_sign_in.py::test_a_number_of_an_expensive_kind_sends_nothing": "O13",
    "users/tests/test_limits.py::test_a_gateway_that_refuses_is_asked_for_one_phone_once_in_two_seconds": "O16",
    "users/tests/test_limits.py::test_attempts_at_a_gateway_that_refuses_count_for_address_and_everybody": "O16",
    "users/tests/test_limits.py::test_a_message_counts_from_before_the_gateway_is_called": "O16",
    "users/tests/test_limits.py::test_who_shares_an_address_sees_the_same_of_homes_and_of_unknown_numbers": "O15",
    "users/tests/test_limits.py::test_a_network_of_ipv6_gets_so_many_codes_over_all_its_addresses": "O12",
    "users/tests/test_sign_in.py::test_a_code_lives_three_minutes": "O4",
    "users/tests/test_sign_in.py::test_a_wrong_code_counts_down_and_the_third_ends_it": "O5",
    "users/tests/test_races.py::test_of_64_wrong_codes_three_are_compared": "O6",
    "users/tests/test_races.py::test_48_right_codes_make_one_session": "O7",
    "users/tests/test_sign_in.py::test_a_resend_ends_the_code_it_replaces": "O8",
    "users/tests/test_sign_in.py::test_a_strangers_request_does_not_void_the_owners_code": "O8",
    "users/tests/test_rest.py::test_another_client_with_the_code_and_the_phone_gets_nowhere": "O9",
    "users/tests/test_clients.py::test_with_n_proxies_the_nth_from_the_right_is_the_client": "O12",
    "users/tests/test_clients.py::test_ipv6_counts_by_its_network": "O12",
    "users/tests/test_tokens.py::test_logout_ends_the_session_at_once": "T2",
    "users/tests/test_tokens.py::test_reuse_after_the_grace_ends_the_session": "T3",
    "users/tests/test_tokens.py::test_reuse_of_the_token_before_last_after_its_grace_ends_the_session": "T3",
    "users/tests/test_races.py::test_50_refreshes_give_one_successor": "T4",
    "users/tests/test_tokens.py::test_switching_a_user_off_ends_everything_at_once": "T6",
    "users/tests/test_tokens.py::test_a_replaced_key_still_opens_what_it_signed": "T7",
    "users/tests/test_races.py::test_48_different_invite_codes_make_one_activation": "R1",
    "users/tests/test_referral.py::test_ones_own_code_is_refused": "R2",
    "users/tests/test_referral.py::test_an_invite_code_never_changes": "R3",
    "users/tests/test_races.py::test_48_first_sign_ins_make_one_user": "R4",
    "users/tests/test_races.py::test_48_registrations_of_one_number_make_one_user": "R4",
    "users/tests/test_rest.py::test_no_cookie_gives_identity": "R5",
    "users/tests/test_limits.py::test_somebody_who_guesses_invite_codes_has_to_wait": "R6",
    "users/tests/test_races.py::test_48_times_the_same_invite_code_is_one_activation": "R7",
    "schema/tests/test_documents.py::test_a_document_does_one_thing_whatever_it_is_made_of": "G1",
    "schema/tests/test_documents.py::test_ten_thousand_aliased_tries_are_refused_at_once_and_cost_no_try": "G1",
    "schema/tests/test_http.py::test_a_batch_is_refused_and_nothing_of_it_is_done": "G2",
    "schema/tests/test_documents.py::test_each_bound_holds_through_fragments_too": "G3",
    "schema/tests/test_documents.py::test_the_costliest_documents_cost_no_more_than_two_hundred_ordinary_ones": "G3",
    "schema/tests/test_http.py::test_a_large_body_is_refused_in_the_same_shape": "G3",
    "schema/tests/test_http.py::test_a_mutation_in_the_address_does_nothing": "G4",
    "schema/tests/test_http.py::test_what_another_sites_form_could_send_is_refused": "G4",
    "schema/tests/test_documents.py::test_the_schema_can_be_studied_in_a_demo_only": "G5",
    "schema/tests/test_http.py::test_there_is_no_page_outside_a_demo": "G5",
    "schema/tests/test_documents.py::test_suggestions_are_made_in_a_demo_only": "G6",
    "users/tests/test_referral.py::test_ones_own_page_shows_everything_and_anothers_masks_every_number": "P1",
    "users/tests/test_referral.py::test_an_unknown_page_is_not_found": "P1",
    "users/tests/test_rest.py::test_another_persons_page_is_masked": "P1",
    "project/tests/test_logs.py::test_what_must_not_be_in_a_log_is_taken_out": "P2",
    "users/tests/test_account.py::test_a_purge_deletes_what_has_been_of_no_use_for_30_days": "P3",
    "users/tests/test_account.py::test_after_leaving_the_number_is_gone_and_the_inviters_list_keeps_an_entry": "P4",
    "project/tests/test_settings.py::test_an_unsafe_configuration_refuses_with_one_clear_line": "F8",
}


class Scorecard:
    """A pytest plugin that collects what happens to the tests of each row."""

    def __init__(self) -> None:
        self.outcomes: dict[str, list[str]] = defaultdict(list)
        self.figures: dict[str, list[str]] = defaultdict(list)

    def pytest_collection_modifyitems(self, config, items) -> None:
        marked = [item for item in items if rows_of(item)]
        config.hook.pytest_deselected(items=[item for item in items if not rows_of(item)])
        items[:] = marked

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        for row in rows_of(item):
            if report.when == "call" or report.outcome != "passed":
                self.outcomes[row].append(report.outcome)
            if report.when == "call":
                self.figures[row] += [value for name, value in report.user_properties if name == "figure"]
        return report

    def passes(self, row: str) -> bool:
        return set(self.outcomes[row]) == {"passed"}

    def lines(self) -> list[str]:
        return [self._line(row, claim) for row, claim in ROWS.items()]

    def _line(self, row: str, claim: str) -> str:
        verdict = "pass" if self.passes(row) else "FAIL"
        tests = len(self.outcomes[row])
        figures = [f"{tests} test{'s' * (tests != 1)}", *dict.fromkeys(self.figures[row])]
        return f"{row:<4} {verdict}  {claim}: {'; '.join(figures)}"


def rows_of(item) -> set[str]:
    marked = {row for mark in item.iter_markers("row") for row in mark.args}
    elsewhere = PROVEN_BY.get(item.nodeid.partition("[")[0])
    return marked | ({elsewhere} if elsewhere else set())


def main() -> int:
    card = Scorecard()
    pytest.main(["--no-header", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[card])
    passed = sum(card.passes(row) for row in ROWS)
    for line in [*card.lines(), f"{passed} of {len(ROWS)} rows pass"]:
        sys.stdout.write(line + "\n")
    return 0 if passed == len(ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
