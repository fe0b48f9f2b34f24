"""Several people call everything in any order; after each step everything that must always hold does."""

import itertools
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import Count, F
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from users import errors, services, tokens
from users.clients import Client
from users.models import Activation, Challenge, CodeFailure, Session, User

PHONES = ["+79136740000", "+79136740012", "+79261234567"]
ADDRESSES = ["203.0.113.5", "198.51.100.7"]
people, addresses = st.sampled_from(PHONES), st.sampled_from(ADDRESSES)


class Zovi(RuleBasedStateMachine):
    """Keeps its own simple account of what should be, and compares."""

    sent, sessions = Bundle("sent"), Bundle("sessions")

    def __init__(self):
        super().__init__()
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE users_user, users_challenge, users_codefailure CASCADE")
        self.compared: Counter[str] = Counter()  # by challenge
        self.dead: Counter[str] = Counter()  # tries that were not, because the phone's codes had grown longer
        self.spent: set[str] = set()
        self.failed: dict[int, Counter[str]] = {
            4: Counter(),
            6: Counter(),
            8: Counter(),
        }  # that were compared, by phone
        self.failures: Counter[str] = Counter()
        self.ended: list[tokens.Tokens] = []
        self.invite_codes: dict[object, str] = {}
        self.activated: dict[object, object] = {}
        self.phones_of_activations: set[str] = set()

    # --- What people do --------------------------------------------------------------------------------------------

    @rule(target=sent, phone=people, address=addresses, earlier=st.none() | sent)
    def ask_for_a_code(self, phone, address, earlier):
        challenge = earlier and earlier[1].challenge
        new = services.request_code(phone=phone, client=Client(address=address), challenge=challenge)
        assert len(new.otp) == self._digits(phone)
        return phone, new

    @rule(target=sessions, asked=sent, address=addresses)
    def name_the_right_code(self, asked, address):
        phone, code = asked
        attempts, least = self.compared[code.challenge], self._digits(phone)
        try:
            entered = services.verify_code(code=code.otp, challenge=code.challenge, client=Client(address=address))
        except errors.InvalidCode:
            self._count_failure(phone, code)
            return multiple()
        assert self._look_at(code) == (1, 0)
        assert code.challenge not in self.spent
        assert attempts < 3
        assert len(code.otp) >= least
        assert entered.user.phone == phone
        self.spent.add(code.challenge)
        return entered

    @rule(asked=sent, address=addresses, away=st.integers(1, 9), times=st.integers(1, 4))
    def guess(self, asked, address, away, times):
        phone, code = asked
        wrong = f"{(int(code.otp) + away) % 10 ** len(code.otp):0{len(code.otp)}}"
        for _ in range(times):
            with pytest.raises(errors.InvalidCode):
                services.verify_code(code=wrong, challenge=code.challenge, client=Client(address=address))
            self._count_failure(phone, code)

    @rule(phone=people, address=addresses)
    def besiege(self, phone, address):
        for _ in range(4):
            self.guess(self.ask_for_a_code(phone, address, None), address, 1, 3)

    @rule(asked=sent, other=people)
    def claim_another_phone(self, asked, other):
        phone, code = asked
        if other == phone:
            return
        with pytest.raises(errors.InvalidCode):
            services.verify_code(code=code.otp, challenge=code.challenge, phone=other, client=Client(ADDRESSES[0]))
        self._count_failure(phone, code)

    @rule(target=sessions, entered=sessions, twice=st.booleans())
    def refresh(self, entered, twice):
        answers = []
        for _ in range(1 + twice):
            try:
                answers.append(services.refresh(refresh_token=entered.tokens.refresh))
            except errors.InvalidToken:
                answers.append(None)
        if None in answers:
            self._is_over(entered)
            return multiple()
        assert len({answer.tokens.refresh for answer in answers}) == 1
        return answers[0]

    @rule(entered=sessions)
    def replay_an_old_refresh_token(self, entered):
        """Long after it was changed for another: a thief's, or its owner's after a thief used it."""
        Session.objects.filter(id=entered.session.id).update(refreshed_at=F("refreshed_at") - timedelta(minutes=5))
        generation = Session.objects.filter(id=entered.session.id).values_list("generation", flat=True).first()
        if generation is None or generation == entered.session.generation:
            return
        with pytest.raises(errors.InvalidToken):
            services.refresh(refresh_token=entered.tokens.refresh)
        self._is_over(entered)

    @rule(entered=consumes(sessions))
    def log_out(self, entered):
        with suppress(errors.InvalidToken):
            services.logout(user=tokens.authenticate(f"Bearer {entered.tokens.access}"))
        self._is_over(entered)

    @rule(entered=sessions, whose=people)
    def enter_an_invite_code(self, entered, whose):
        inviter = User.objects.filter(phone=whose).first()
        try:
            user = tokens.authenticate(f"Bearer {entered.tokens.access}")
        except errors.InvalidToken:
            return
        if inviter is None:
            return
        before = self.activated.get(user.id)
        try:
            services.activate_invite(user=user, invite_code=inviter.invite_code)
        except errors.OwnInvite:
            assert inviter.id == user.id
        except errors.InviteAlreadyActivated:
            assert before not in (None, inviter.id) or user.phone in self.phones_of_activations
        else:
            assert inviter.id != user.id
            assert before in (None, inviter.id)
            self.activated[user.id] = inviter.id
            self.phones_of_activations.add(user.phone)

    @rule(entered=sessions)
    def leave(self, entered):
        try:
            user = tokens.authenticate(f"Bearer {entered.tokens.access}")
        except errors.InvalidToken:
            return
        code = services.request_code(phone=user.phone, client=Client(address=ADDRESSES[0]))
        services.delete_account(user=user, code=code.otp, challenge=code.challenge)
        self._is_over(entered)
        assert not User.objects.filter(phone=user.phone).exists()
        assert not Challenge.objects.filter(phone=user.phone).exists()

    @rule(asked=sent)
    def let_a_code_grow_old(self, asked):
        Challenge.objects.filter(id=asked[1].challenge).update(expires_at=F("created_at"))

    # --- The account -----------------------------------------------------------------------------------------------

    def _digits(self, phone) -> int:
        return 4 + 2 * (self.failures[phone] >= 10) + 2 * (self.failures[phone] >= 100)

    def _count_failure(self, phone, code) -> None:
        compared, dead = self._look_at(code)
        self.failures[phone] += compared + dead
        self.failed[len(code.otp)][phone] += compared

    def _look_at(self, code) -> tuple[int, int]:
        """Note the challenge's tries. How many more were compared, how many came too late to be: one in all."""
        tried = Challenge.objects.filter(id=code.challenge).values_list("attempts", "dead_attempts").first() or (0, 0)
        counted = tried[0] - self.compared[code.challenge], tried[1] - self.dead[code.challenge]
        assert counted in ((0, 0), (0, 1), (1, 0))
        self.compared[code.challenge], self.dead[code.challenge] = tried
        return counted

    def _is_over(self, entered) -> None:
        self.ended.append(entered.tokens)

    # --- What always holds -----------------------------------------------------------------------------------------

    @invariant()
    def no_phone_has_more_than_three_open_codes(self):
        open_ones = Challenge.objects.filter(slot__isnull=False).values("phone_key").annotate(many=Count("id"))
        assert all(row["many"] <= 3 for row in open_ones)

    @invariant()
    def no_code_is_tried_more_often_than_allowed(self):
        tried = Challenge.objects.annotate(tried=F("attempts") + F("dead_attempts"))
        assert not tried.filter(tried__gt=django_settings.OTP_TRIES).exists()

    @invariant()
    def a_used_code_is_closed(self):
        assert not Challenge.objects.filter(used_at__isnull=False, slot__isnull=False).exists()

    @invariant()
    def at_most_ten_wrong_codes_are_compared_against_four_digits(self):
        assert max(self.failed[4].values(), default=0) <= 10
        assert max(self.failed[6].values(), default=0) <= 90

    @invariant()
    def every_failure_is_remembered(self):
        assert CodeFailure.objects.count() == sum(self.failures.values())

    @invariant()
    def activations_are_what_they_were(self):
        rows = dict(Activation.objects.values_list("invitee_id", "inviter_id"))
        assert rows == self.activated
        assert all(invitee != inviter for invitee, inviter in rows.items())

    @invariant()
    def invite_codes_never_change(self):
        now = dict(User.objects.values_list("id", "invite_code"))
        assert all(now[user_id] == code for user_id, code in self.invite_codes.items())
        assert len(set(now.values())) == len(now)
        self.invite_codes = now

    @invariant()
    def what_is_over_stays_over(self):
        for old in itertools.islice(reversed(self.ended), 3):
            with pytest.raises(errors.InvalidToken):
                tokens.authenticate(f"Bearer {old.access}")


@pytest.mark.django_db(transaction=True)
@pytest.mark.row("O11", "R1", "O5", "O7", "T2")
def test_nothing_ever_breaks_a_rule(full, figure):
    from hypothesis.stateful import run_state_machine_as_test

    examples, steps = (80, 50) if full else (25, 40)
    run_state_machine_as_test(
        Zovi,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=not full,
        ),
    )
    figure(f"state machine: {examples} runs of up to {steps} steps, every invariant after each")
