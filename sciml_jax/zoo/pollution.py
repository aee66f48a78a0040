"""Air pollution chemistry (Verwer 1994): 20 species, 25 reactions, rates over fifteen orders of magnitude."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..equations import ODEProblem
from .problem import ZooProblem, select_references

RATES = [
    *(0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9e3, 0.022, 1.2e4, 1.88),
    *(1.63e4, 4.8e6, 3.5e-4, 0.0175, 1e8, 4.44e11, 1240.0, 2.1, 5.78, 0.0474, 1780.0, 3.12),
]
REFERENCES = {
    60.0: (
        1e-15,
        [
            *(0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2),
            *(0.2018977262302196e-6, 0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018),
            *(0.7494013383880406e-2, 0.1622293157301561e-7, 0.1135863833257075e-7, 0.2230505975721359e-2),
            *(0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2, 0.4352846369330103e-17),
            *(0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4),
        ],
    )
}


def pollution_field(t: ArrayLike, y: Float[Array, "20"], args: Float[Array, "25"]) -> Float[Array, "20"]:
    """Mass action kinetics of 25 reactions between 20 species; args = the rates k1..k25."""
    k = args
    r1, r2, r3, r4, r5 = k[0] * y[0], k[1] * y[1] * y[3], k[2] * y[4] * y[1], k[3] * y[6], k[4] * y[6]
    r6, r7, r8, r9 = k[5] * y[6] * y[5], k[6] * y[8], k[7] * y[8] * y[5], k[8] * y[10] * y[1]
    r10, r11, r12, r13 = k[9] * y[10] * y[0], k[10] * y[12], k[11] * y[9] * y[1], k[12] * y[13]
    r14, r15, r16, r17 = k[13] * y[0] * y[5], k[14] * y[2], k[15] * y[3], k[16] * y[3]
    r18, r19, r20, r21 = k[17] * y[15], k[18] * y[15], k[19] * y[16] * y[5], k[20] * y[18]
    r22, r23, r24, r25 = k[21] * y[18], k[22] * y[0] * y[3], k[23] * y[18] * y[0], k[24] * y[19]
    return jnp.stack(
        [
            -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25,
            -r2 - r3 - r9 - r12 + r1 + r21,
            -r15 + r1 + r17 + r19 + r22,
            -r2 - r16 - r17 - r23 + r15,
            -r3 + 2.0 * r4 + r6 + r7 + r13 + r20,
            -r6 - r8 - r14 - r20 + r3 + 2.0 * r18,
            -r4 - r5 - r6 + r13,
            r4 + r5 + r6 + r7,
            -r7 - r8,
            -r12 + r7 + r9,
            -r9 - r10 + r8 + r11,
            r9,
            -r11 + r10,
            -r13 + r12,
            r14,
            -r18 - r19 + r16,
            -r20,
            r20,
            -r21 - r22 - r24 + r23 + r25,
            -r25 + r24,
        ]
    )


def pollution_sulphur(t: ArrayLike, y: Float[Array, "20"], args: Float[Array, "25"]) -> Float[Array, ""]:
    """Sulphur as SO2 and SO4, y17 + y18 = 0.007."""
    return y[16] + y[17]


def pollution(t1: float = 60.0) -> ZooProblem:
    """The chemical part of an air pollution model, t in minutes, concentrations in parts per million.

    Badly scaled: y16 is 4e-18 while y8 is 0.3.

    References
    ----------
    Verwer, SIAM J. Sci. Comput. 15 (1994) 1243-1250; value of the Test Set for IVP Solvers, confirmed in extended
    precision.
    """
    references, accuracy = select_references(REFERENCES, t1)
    y0 = [0.0, 0.2, 0.0, 0.04, 0.0, 0.0, 0.1, 0.3, 0.01, *([0.0] * 7), 0.007, 0.0, 0.0, 0.0]
    return ZooProblem(
        name="pollution",
        tags=frozenset({"stiff", "large", "autonomous", "conservative", "multiscale", "chemistry"}),
        problem=ODEProblem(pollution_field, jnp.asarray(y0), 0.0, t1, jnp.asarray(RATES)),
        source="Verwer, SIAM J. Sci. Comput. 15 (1994) 1243-1250",
        references=references,
        accuracy=accuracy,
        invariants={"sulphur": pollution_sulphur},
    )
