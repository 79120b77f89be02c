"""A run in another process, driven through grpc4bmi on the loopback address, equals the run here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import bmi_cases as cases
import numpy as np
import pytest

pytest.importorskip("grpc4bmi")
grpc = pytest.importorskip("grpc")


@pytest.fixture
def remote(tmp_path, pytestconfig):
    """A client of a server process that has one fresh component."""
    from grpc4bmi.bmi_grpc_client import BmiClient

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": str(pytestconfig.rootpath),
        "BMI_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    log = (tmp_path / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "grpc4bmi.run_server", "--name", "bmi_noahpy.BmiNoahPy", "--port", str(port)],
        env=environment, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        deadline = time.monotonic() + 120
        while server.poll() is None and time.monotonic() < deadline:
            try:
                grpc.channel_ready_future(channel).result(timeout=1)
                break
            except grpc.FutureTimeoutError:
                continue
        assert server.poll() is None, (tmp_path / "server.log").read_text()
        yield BmiClient(channel, timeout=10)
        channel.close()
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def as_asked(model, sections, path):
    """Drive a component as a framework would; everything it answered."""
    model.initialize(str(path))
    answers = {"time": [model.get_current_time()]}
    for _ in range(3):
        model.update()
        answers["time"].append(model.get_current_time())
    model.set_value("soil__temperature", cases.read(model, "soil__temperature") + 0.25)
    model.set_value("land_surface_air__temperature", cases.read(model, "land_surface_air__temperature") + 1.0)
    model.set_value_at_indices("soil__porosity", np.array([1]), np.array([0.5]))
    model.update_until(5 * cases.STEP)
    for name in model.get_input_var_names() + model.get_output_var_names():
        grid = model.get_var_grid(name)
        answers[name] = [model.get_var_units(name), model.get_var_type(name), model.get_var_location(name), grid]
        answers[name].append(cases.read(model, name).tolist())
    answers["grids"] = [grid_facts(model, grid) for grid in (0, 1)]
    picked = np.empty(2)
    answers["picked"] = model.get_value_at_indices("soil__temperature", picked, np.array([0, 3])).tolist()
    model.finalize()
    return answers


def grid_facts(model, grid):
    kind, rank, size = model.get_grid_type(grid), model.get_grid_rank(grid), model.get_grid_size(grid)
    facts = [kind, rank, size]
    if kind in ("uniform_rectilinear", "rectilinear"):
        shape = model.get_grid_shape(grid, np.empty(rank, dtype=int))
        facts += [shape.tolist(), model.get_grid_x(grid, np.empty(shape[-1])).tolist()]
    if kind == "uniform_rectilinear":
        facts.append(model.get_grid_spacing(grid, np.empty(rank)).tolist())
    if kind == "unstructured":
        faces = model.get_grid_face_count(grid)
        facts += [
            model.get_grid_y(grid, np.empty(size)).tolist(),
            model.get_grid_face_nodes(grid, np.empty(4 * faces, dtype=int)).tolist(),
            model.get_grid_face_edges(grid, np.empty(4 * faces, dtype=int)).tolist(),
            model.get_grid_nodes_per_face(grid, np.empty(faces, dtype=int)).tolist(),
            model.get_grid_edge_nodes(grid, np.empty(2 * model.get_grid_edge_count(grid), dtype=int)).tolist(),
        ]
    return facts


def test_a_remote_run_answers_as_a_local_one(tmp_path, remote):
    from bmi_noahpy import BmiNoahPy

    for name, sections in {"column": cases.configuration(), "grid": cases.grid_configuration()}.items():
        path = cases.write_case(tmp_path / name, sections)
        assert as_asked(remote, sections, path) == as_asked(BmiNoahPy(), sections, path)


def test_a_remote_error_arrives_with_its_message(tmp_path, remote):
    with pytest.raises(grpc.RpcError, match="initialize: no configuration file"):
        remote.initialize(None)
    remote.initialize(str(cases.write_case(tmp_path, cases.configuration())))
    with pytest.raises(grpc.RpcError, match="value 15 K at index 0 is outside 180 to 350 K"):
        remote.set_value("soil__temperature", np.full(cases.LAYERS, 15.0))
