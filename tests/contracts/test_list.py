"""The list of methods is complete and truthful."""

import dataclasses
import re

import jax

import sciml_jax as sj
from sciml_jax.equations.methods import AbstractOneStepMethod

from .methods import METHODS, every
from .noise_methods import NOISY
from .symplectic_methods import SYMPLECTIC

ALL = (*METHODS, *SYMPLECTIC, *NOISY)


def test_every_exported_one_step_method_is_listed():
    exported = {
        value
        for value in vars(sj).values()
        if isinstance(value, type) and issubclass(value, AbstractOneStepMethod) and value is not AbstractOneStepMethod
    }
    assert exported == {type(listed.method) for listed in ALL}


def test_names_are_unique_and_those_of_the_classes():
    assert len({m.name for m in ALL}) == len(ALL)
    # With its order behind it, where that is a parameter.
    assert all(re.fullmatch(type(m.method).__name__ + r"\d*", m.name) for m in ALL)


def test_each_family_has_a_representative():
    """A family is a direct subclass of the protocol."""
    family = lambda m: next(c for c in type(m.method).__mro__ if AbstractOneStepMethod in c.__bases__)
    assert {family(m) for m in ALL} == {family(m) for m in ALL if m.is_representative}


@every(ALL)
def test_a_method_says_of_itself_what_the_list_says(listed):
    method = listed.method
    assert method.order == listed.order
    assert method.is_implicit == listed.is_implicit
    assert (method.error_order is not None) == listed.has_error_estimate
    if listed.has_error_estimate:
        # An embedded solution of lower order, or (RKC) an estimate of the local error of the solution itself.
        assert 1 <= method.error_order <= method.order + 1


@every(ALL)
def test_a_method_is_a_hashable_pytree_without_leaves(listed):
    method = listed.method
    again = type(method)(**{field.name: getattr(method, field.name) for field in dataclasses.fields(method)})
    assert hash(method) == hash(again) and method == again
    assert not jax.tree_util.tree_leaves(method)
