"""What cannot work is refused at trace time: the rule, what was received, the fix."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj

from .networks import TS, Y0, mlp

nn = sj.neural
SDE = dict(drift=mlp(2, 2), diffusion=mlp(2, 2))
XS = jnp.ones((5, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.NeuralODE(mlp(3, 2))(Y0, TS), ValueError, r"`net` must take .* calling it failed.*input width"),
        (lambda: nn.NeuralODE(mlp(2, 3))(Y0, TS), ValueError, r"`net` must return .*float64\[2\].*got float64\[3\]"),
        (lambda: nn.NeuralODE(mlp(2, 2), time=True)(Y0, TS), ValueError, "whether it takes the time"),
        (lambda: nn.NeuralODE(3.0), TypeError, r"`net` must be callable as `net\(y\)`; got float"),
        (lambda: nn.NeuralODE(eqx.nn.MLP), TypeError, "got the class `MLP`"),
        (lambda: nn.NeuralODE(mlp(2, 2), method=sj.Tsit5), TypeError, r"must be an instance; got the class `Tsit5`"),
        (lambda: nn.NeuralODE(mlp(2, 2), tol=1e-3), TypeError, r"passes the options .*`rtol`.*; got `tol`"),
        (lambda: nn.NeuralODE(mlp(2, 2), on_failure="nan"), ValueError, "`on_failure` must be"),
        (lambda: nn.NeuralODE(mlp(2, 2))(Y0, jnp.array([0.0, 2.0, 1.0])), ValueError,
         r"`ts` must be increasing.*ts\[1\]"),
        (lambda: nn.NeuralODE(mlp(2, 2))(Y0, jnp.array([0.0, jnp.nan])), ValueError, "1 of 2 times that are not"),
        (lambda: nn.NeuralODE(mlp(2, 2))(Y0, jnp.array(1.0)), ValueError, "at least two times"),
        (lambda: nn.NeuralODE(mlp(2, 2))(jnp.array([1, 2]), TS), (TypeError, ValueError), "float"),
        (lambda: nn.NeuralODE(mlp(2, 2), events=[sj.PresetTimes([0.5], lambda t, y, args: y)]).together(Y0[None], TS),
         TypeError, "Events happen in single trajectories"),
        (lambda: nn.AugmentedNeuralODE(mlp(2, 2), 1)(Y0, TS), ValueError, "`net` must take"),
        (lambda: nn.AugmentedNeuralODE(mlp(2, 2), 0), ValueError, "`extra` must be an integer of at least 1"),
        (lambda: nn.AugmentedNeuralODE(mlp(3, 3), 1, initial=mlp(2, 2))(Y0, TS), ValueError, "`initial` must return"),
        (lambda: nn.Universal(lambda t, y: y, mlp(2, 2)), TypeError, "Give it three or four arguments"),
        (lambda: nn.Universal(lambda t, y, p: y[:1], mlp(2, 2))(Y0, TS), ValueError, "`known` and `net` are added"),
        (lambda: nn.NeuralSDE(**SDE)(Y0, TS, key=None), ValueError, "needs `key`"),
        (lambda: nn.NeuralSDE(**SDE)(Y0, TS[::-1], key=0), ValueError, "must be increasing"),
        (lambda: nn.NeuralSDE(**SDE, noise="general"), ValueError, "needs `motions`"),
        (lambda: nn.NeuralSDE(**SDE, motions=2), ValueError, 'Drop it'),
        (lambda: nn.NeuralSDE(**SDE, noise="general", motions=3, dt0=0.1)(Y0, TS, key=0), ValueError,
         "`diffusion` must"),
        (lambda: nn.NeuralDDE(mlp(2, 2), [0.5])(Y0, TS), ValueError, "`net` must take"),
        (lambda: nn.NeuralDDE(mlp(4, 2), [-0.5])(Y0, TS), ValueError, "not negative"),
        (lambda: nn.NeuralDDE(mlp(4, 2), []), ValueError, "`lags` must be at least one number"),
        (lambda: nn.NeuralDAE(mlp(2, 2)), ValueError, "got neither"),
        (lambda: nn.NeuralDAE(mlp(3, 2), lambda t, y, z: z)(Y0, TS), ValueError, r"a pair `\(y0, z0\)`"),
        (lambda: nn.NeuralDAE(mlp(3, 2), lambda t, y, z: y)((Y0, jnp.ones(1)), TS), ValueError, "`constraint` must"),
        (lambda: nn.HamiltonianNN(eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0))), ValueError, "must be smooth.*relu"),
        (lambda: nn.HamiltonianNN(mlp(2, 2))(Y0, TS), ValueError, "`net` must return the energy"),
        (lambda: nn.HamiltonianNN(mlp(3, 1))(jnp.ones(3), TS), ValueError, "as many coordinates as momenta"),
        (lambda: nn.HamiltonianNN(mlp(2, 1))((jnp.ones(1), jnp.ones(2)), TS), ValueError, "come in pairs"),
        (lambda: nn.FFJORD(mlp(2, 2), 2).log_prob(jnp.ones(3)), ValueError, r"one sample \(2,\)"),
        (lambda: nn.FFJORD(mlp(2, 2), 2, trace=nn.Hutchinson()).log_prob(Y0), ValueError, "needs `key`"),
        (lambda: nn.FFJORD(mlp(2, 2), 2, base=3), TypeError, "`base` must have"),
        (lambda: nn.FFJORD(mlp(2, 2), 2, trace="exact"), TypeError, "`trace` must be an instance"),
        (lambda: nn.NeuralCDE(mlp(4, 12), mlp(3, 4))(TS, XS[:4]), ValueError, r"`xs` must be floats of shape \(T, c\)"),
        (lambda: nn.NeuralCDE(mlp(4, 12), mlp(3, 4))(TS[::-1], XS), ValueError, "must be increasing"),
        (lambda: nn.NeuralCDE(mlp(4, 12), mlp(2, 4))(TS, XS), ValueError, "`initial` must take the 3 channels"),
        (lambda: nn.NeuralCDE(mlp(4, 11), mlp(3, 4))(TS, XS), ValueError, "`field` must .*a matrix of 4 rows"),
        (lambda: nn.NeuralCDE(mlp(4, 8), mlp(2, 4), path=nn.Rectilinear(), time_channel=False)(TS, XS), ValueError,
         "needs the time as a channel"),
        (lambda: nn.NeuralJumpSDE(mlp(2, 2), None, mlp(2, 1), mlp(2, 3))(Y0, TS, key=0), ValueError,
         "`jump` must return"),
        (lambda: nn.NeuralJumpSDE(mlp(2, 2), None, mlp(2, 1), mlp(2, 2), events=[1]), TypeError, "uses events"),
        (lambda: nn.Normalise(jnp.zeros(2), jnp.array([1.0, 0.0])), ValueError, "differ from zero"),
        (lambda: nn.Normalise.of(jnp.ones(3)), ValueError, "needs samples in front"),
        (lambda: nn.Hutchinson(0), ValueError, "`samples` must be an integer of at least 1"),
        (lambda: sj.training.loss_curve([1.0, 0.5]), TypeError, "what `run` or `fit` returned; got list"),
    ],
)  # fmt: skip
def test_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_negative_rate_is_a_status():
    model = nn.NeuralJumpSDE(lambda y: 0.0 * y, None, lambda y: -jnp.ones(1), lambda y: y, on_failure="status")
    assert not sj.Status(int(model.solve(Y0, TS, key=0).status)).is_success
