"""The list of methods is complete and truthful."""

import sciml_jax as sj
from sciml_jax.equations.methods import AbstractOneStepMethod

from .methods import METHODS, every


def test_every_exported_one_step_method_is_listed():
    exported = {
        value
        for value in vars(sj).values()
        if isinstance(value, type) and issubclass(value, AbstractOneStepMethod) and value is not AbstractOneStepMethod
    }
    assert exported == {type(listed.method) for listed in METHODS}


def test_names_are_unique_and_those_of_the_classes():
    assert len({m.name for m in METHODS}) == len(METHODS)
    assert all(type(m.method).__name__ == m.name for m in METHODS)


def test_each_family_has_a_representative():
    families = {type(m.method).__mro__[1] for m in METHODS}
    assert families == {type(m.method).__mro__[1] for m in METHODS if m.is_representative}


@every()
def test_a_method_says_of_itself_what_the_list_says(listed):
    method = listed.method
    assert method.order == listed.order
    assert method.is_implicit == listed.is_implicit
    assert (method.error_order is not None) == listed.has_error_estimate
    if listed.has_error_estimate:
        assert 1 <= method.error_order <= method.order


@every()
def test_a_method_is_a_hashable_pytree_without_leaves(listed):
    assert hash(listed.method) == hash(type(listed.method)())
    assert listed.method == type(listed.method)()
