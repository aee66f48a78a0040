"""The quickstart's report: estimates with units and standard errors, and the printout."""

import math

import numpy as np

UNITS = {
    "alpha": "per year",
    "beta": "per year and thousand lynx",
    "gamma": "per year",
    "delta": "per year and thousand hares",
    "hare": "thousand in 1900",
    "lynx": "thousand in 1900",
}


def estimates(names, logs, **log_errors):
    """Values and standard errors on the natural scale, from those of the logarithms by the delta method."""
    values = np.exp(logs)
    return {
        name: {"value": float(values[i]), "unit": UNITS[name]}
        | {kind: float(values[i] * errors[i]) for kind, errors in log_errors.items()}
        for i, name in enumerate(names)
    }


def summarise(report):
    """Print the report."""
    lv, ude = report["lotka_volterra"], report["universal"]
    factor = lambda error: f"{error:.3f} (a factor of {math.exp(error):.2f})"
    print(f"\nLotka-Volterra: {lv['starts_at_best']} of {lv['starts']} starts reach the best fit ({lv['status']})")
    for name, value in lv["parameters"].items():
        print(f"  {name:<6} {value['value']:8.4f} +- {value['standard_error']:.4f} {value['unit']}")
    print(
        f"  residual standard deviation {lv['sigma']:.3f} of log-counts, {lv['degrees_of_freedom']} degrees of freedom"
    )
    print(f"Universal: {ude['effective_parameters']:.1f} effective of {ude['size']} parameters ({ude['status']})")
    for name, value in ude["parameters"].items():
        fixed, free = value["standard_error_network_fixed"], value["standard_error"]
        print(f"  {name:<6} {value['value']:8.4f} +- {free:.4f} {value['unit']} (network held fixed: {fixed:.4f})")
    print("Misfit 1900-1916, root mean square log error")
    print(f"  Lotka-Volterra      {factor(lv['misfit'])}\n  universal           {factor(ude['misfit'])}")
    print("Forecast 1917-1920, root mean square log error (these years were not used in any fit)")
    for name, value in report["forecast"].items():
        print(f"  {name:<19} {factor(value)}")
    print(f"  the 90 % band of Lotka-Volterra holds {lv['held_out_in_band']} of the 8 held-out counts")
    print(f"{report['finding']}, than Lotka-Volterra. Eight held-out counts are too few to say which model is right.")
