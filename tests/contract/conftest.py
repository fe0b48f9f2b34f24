"""Which doors there are, and who stands before them."""

from itertools import permutations

import pytest

from tests.contract.doors import Door
from tests.contract.graphql_door import GraphQLDoor
from tests.contract.pages_door import PagesDoor
from tests.contract.rest_door import RESTDoor

DOORS: list[type[Door]] = [RESTDoor, GraphQLDoor, PagesDoor]
WITH_TOKENS = [door for door in DOORS if door.has_tokens]


def named(door: type[Door]) -> str:
    return door.name


@pytest.fixture(params=DOORS, ids=named)
def new_caller(request) -> type[Door]:
    """Makes callers at the door under test: `new_caller()`."""
    return request.param


@pytest.fixture
def caller(new_caller) -> Door:
    return new_caller()


@pytest.fixture(params=WITH_TOKENS, ids=named)
def token_caller(request) -> Door:
    return request.param()


@pytest.fixture(params=list(permutations(DOORS, 2)), ids=lambda pair: "-then-".join(map(named, pair)))
def two_doors(request) -> tuple[type[Door], type[Door]]:
    return request.param


@pytest.fixture(params=list(permutations(WITH_TOKENS, 2)), ids=lambda pair: "-then-".join(map(named, pair)))
def two_token_doors(request) -> tuple[type[Door], type[Door]]:
    return request.param
