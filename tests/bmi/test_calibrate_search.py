from __future__ import annotations

import pytest
import torch
from calibration_cases import write_calibration, write_observations, write_site

from bmi_noahpy.calibration import load_calibration
from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.search import CheckpointError, Search

SETTINGS = {
    "adam": {"name": "adam", "learning_rate": 0.3, "iterations": 5},
    "lbfgs": {"name": "lbfgs", "iterations": 4},
    "levenberg_marquardt": {"name": "levenberg_marquardt", "iterations": 3},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, {"period.end": "2020-04-06T00:00"})
    write_observations(folder)
    return folder


def search_of(folder, **changes):
    return Search(Fit(load_calibration(write_calibration(folder, {"starts": 3, **changes}))))


def finish(search):
    while not search.finished:
        search.iterate()
    return search


@pytest.mark.parametrize("name", SETTINGS)
def test_a_search_that_goes_on_from_a_file_equals_one_that_was_not_interrupted(site, tmp_path, name):
    whole = finish(search_of(site, optimiser=SETTINGS[name]))
    first = search_of(site, optimiser=SETTINGS[name])
    for _ in range(2):
        first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    second = search_of(site, optimiser=SETTINGS[name])
    second.load(tmp_path / "checkpoint.pt")
    assert second.progress.iteration == 2
    finish(second)
    assert torch.equal(second.progress.history, whole.progress.history)
    assert torch.equal(second.progress.best, whole.progress.best)
    assert second.fit.cost.gradients == whole.fit.cost.gradients
    assert second.fit.cost.runs == whole.fit.cost.runs


def test_a_file_of_another_calibration_is_refused(site, tmp_path):
    search_of(site).save(tmp_path / "checkpoint.pt")
    other = search_of(site, starts={"count": 3, "seed": 1})
    with pytest.raises(CheckpointError, match="another calibration"):
        other.load(tmp_path / "checkpoint.pt")
    (tmp_path / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot be read"):
        other.load(tmp_path / "checkpoint.pt")


def test_more_iterations_may_be_asked_for_when_going_on(site, tmp_path):
    search = finish(search_of(site, optimiser={"name": "adam", "iterations": 2}))
    search.save(tmp_path / "checkpoint.pt")
    longer = search_of(site, optimiser={"name": "adam", "iterations": 3})
    longer.load(tmp_path / "checkpoint.pt")
    assert finish(longer).progress.iteration == 3


def test_what_is_good_enough_is_not_improved(site):
    search = finish(search_of(site, optimiser="adam", stop={"target": 10.0}))
    assert search.progress.iteration == 1


def test_a_start_without_improvement_stops_and_the_others_go_on(site):
    search = search_of(site, optimiser={"name": "adam", "iterations": 50}, stop={"patience": 2, "tolerance": 0.5})
    finish(search)
    ends = [int((history.diff() != 0.0).nonzero()[-1]) for history in search.progress.history.T]
    assert search.progress.iteration < 50
    assert len(set(ends)) > 1


def test_the_best_of_a_start_is_kept_when_it_gets_worse(site):
    search = search_of(site, optimiser={"name": "adam", "learning_rate": 3.0, "iterations": 6})
    finish(search)
    assert bool((search.progress.history.diff(dim=0) <= 0.0).all())
    torch.testing.assert_close(search.fit.losses(search.progress.best), search.progress.best_losses, rtol=1e-9, atol=0)
