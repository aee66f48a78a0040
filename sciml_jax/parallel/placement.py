"""The devices that a call runs on."""

from typing import Any

import jax


def pick_devices(devices: Any, mesh: Any) -> list[Any]:
    """Devices from `devices=` or `mesh=`; by default all, those of other processes included."""
    if devices is not None and mesh is not None:
        msg = "Give `devices` or `mesh`, not both; got both. A mesh names its devices already."
        raise ValueError(msg)
    if mesh is not None:
        return mesh_devices(mesh)
    if devices is None:
        return jax.devices()
    chosen = list(devices) if isinstance(devices, (list, tuple)) else [devices]
    wrong = [device for device in chosen if not isinstance(device, jax.Device)]
    if wrong or not chosen:
        what = f"{wrong[0]!r} ({type(wrong[0]).__name__})" if wrong else "none"
        known = ", ".join(map(str, jax.devices()))
        msg = f"`devices` must be a list of JAX devices; got {what}. Pass some of jax.devices(), which are: {known}."
        raise TypeError(msg)
    if len(set(chosen)) < len(chosen):
        msg = f"`devices` must name every device once; got {', '.join(map(str, chosen))}. Drop the repeated ones."
        raise ValueError(msg)
    return chosen


def mesh_devices(mesh: Any) -> list[Any]:
    """The devices of a mesh, or a `TypeError`."""
    if not isinstance(mesh, jax.sharding.Mesh):
        msg = (
            f"`mesh` must be a jax.sharding.Mesh; got {mesh!r} ({type(mesh).__name__}). "
            'Pass, for example, jax.make_mesh((2,), ("batch",)).'
        )
        raise TypeError(msg)
    return list(mesh.devices.flat)


def local_devices(devices: list[Any]) -> list[Any]:
    """Those of this process; every process of a run that takes part must have some, and all must take part."""
    here = jax.process_index()
    owners = {device.process_index for device in devices}
    if owners != {here} and owners != set(range(jax.process_count())):
        msg = (
            f"The devices must be this process's own or include some of every process, because the results are "
            f"gathered among all; got devices of processes {sorted(owners)} in process {here} of "
            f"{jax.process_count()}. Pass devices=jax.local_devices(), or a mesh over jax.devices()."
        )
        raise ValueError(msg)
    return [device for device in devices if device.process_index == here]
