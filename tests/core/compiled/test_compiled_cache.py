"""Compiled kernels are kept on disk; whatever state the disk is in, a run gets its kernel."""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled_cases import ALONE, taken

from noahpy_core.compiled.execute import cache, library
from noahpy_core.compiled.execute.cache import CACHE_VARIABLE, Artefact, CacheWarning, cache_folder
from noahpy_core.compiled.execute.library import Function, assemble, digest, load_or_build

CODE = """
define void @answer(ptr %p) {
  store i64 42, ptr %p, align 8
  ret void
}"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kernels"))
    return tmp_path / "kernels"


class Builder:
    """Builds a tiny kernel and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Artefact:
        self.calls += 1
        return Artefact("answer", assemble(CODE), 3, [np.arange(5.0), np.ones((2, 1))], ["not solved"])


def answers(artefact: Artefact) -> bool:
    result = np.zeros(1, np.int64)
    function = Function(artefact)
    function.call(result.ctypes.data)
    return bool(result[0] == 42)


def test_a_kernel_is_built_once_and_comes_back_whole(folder):
    build = Builder()
    made, kept = load_or_build("key", build), load_or_build("key", build)
    assert build.calls == 1
    assert (kept.name, kept.code, kept.scratch, kept.messages) == (made.name, made.code, 3, ["not solved"])
    for one, other in zip(kept.constants, made.constants, strict=True):
        np.testing.assert_array_equal(one, other)
    assert answers(kept)
    assert [path.name for path in folder.iterdir()] == ["key.kernel"]


def truncated(share: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def bits_flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = content.index(assemble(CODE)[:64]) + 200
    for place in range(middle, middle + 40):
        content[place] ^= 0xFF
    path.write_bytes(bytes(content))


def replaced_by_other_arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, other=np.zeros(3))


def turned_into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = {
    "empty": truncated(0.0), "a tenth": truncated(0.1), "half": truncated(0.5), "almost all": truncated(0.98),
    "bits flipped": bits_flipped, "other arrays": replaced_by_other_arrays, "a folder": turned_into_a_folder,
    "text": lambda path: path.write_text("not a kernel"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_built_again(folder, damage):
    build = Builder()
    load_or_build("key", build)
    damage(folder / "key.kernel")
    assert answers(load_or_build("key", build))
    assert build.calls == 2
    if (folder / "key.kernel").is_file():
        assert answers(load_or_build("key", build))
        assert build.calls == 2, "the new file was not kept"
    assert not list(folder.glob("*.part"))


def test_an_empty_variable_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    build = Builder()
    load_or_build("key", build)
    load_or_build("key", build)
    assert build.calls == 2
    assert not list(tmp_path.iterdir())


def test_without_the_variable_the_cache_of_the_user_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_or_build("key", Builder())
    assert [path.name for path in (tmp_path / "noahpy").iterdir()] == ["key.kernel"]


def test_a_folder_that_cannot_be_made_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for place in ("file", "file/below"):
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / place))
        assert answers(load_or_build("key", Builder()))


def test_a_disk_that_is_full_does_no_harm_and_leaves_nothing_behind(folder, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    assert answers(load_or_build("key", Builder()))
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_cannot_be_written_does_no_harm(folder):
    folder.mkdir(mode=0o500)
    assert answers(load_or_build("key", Builder()))


def one_bit_flipped(place: int, bit: int, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(bytes(content))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(12))
def test_no_flipped_bit_is_ever_loaded(folder, number):
    """600 of them: every byte of the head, of the archive's directory, and some of all that is between."""
    load_or_build("key", Builder())
    whole = (folder / "key.kernel").read_bytes()
    chance = random.Random(number)
    places = [*range(0, 60), *range(len(whole) - 240, len(whole))]
    for _ in range(50):
        place = chance.choice(places) if chance.random() < 0.6 else chance.randrange(len(whole))
        one_bit_flipped(place, chance.randrange(8), folder / "key.kernel")
        assert cache.kept("key") is None
        (folder / "key.kernel").write_bytes(whole)
    assert cache.kept("key") is not None


def test_a_flipped_bit_in_the_directory_of_the_archive_is_noticed(folder):
    """There it drops the constants, which the code then reads from nowhere."""
    build = Builder()
    load_or_build("key", build)
    one_bit_flipped((folder / "key.kernel").read_bytes().rindex(b"constant_0"), 0, folder / "key.kernel")
    assert len(load_or_build("key", build).constants) == 2
    assert build.calls == 2


def test_a_kernel_under_the_name_of_another_is_not_loaded(folder):
    load_or_build("key", Builder())
    (folder / "key.kernel").rename(folder / "other.kernel")
    assert cache.kept("other") is None


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_others_may_write_is_not_loaded_and_said_so(folder, what):
    build = Builder()
    load_or_build("key", build)
    place = folder if what == "folder" else folder / "key.kernel"
    place.chmod(place.stat().st_mode | 0o020)
    cache._warn.cache_clear()
    with pytest.warns(CacheWarning, match=rf"NOAHPY_CACHE: .*{place.name} belongs to another user, or others may"):
        assert answers(load_or_build("key", build))
    assert build.calls == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_only_the_user_and_root_are_trusted(tmp_path):
    about = list(tmp_path.stat())
    for owner, trusted in ((os.geteuid(), True), (0, True), (os.geteuid() + 4321, False)):
        about[4] = owner
        assert cache.is_ours(os.stat_result(about)) is trusted


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_link_is_not_followed(folder, tmp_path):
    load_or_build("key", Builder())
    (folder / "key.kernel").rename(tmp_path / "elsewhere")
    (folder / "key.kernel").symlink_to(tmp_path / "elsewhere")
    assert cache.kept("key") is None


def test_a_relative_folder_stays_where_it_was_when_the_working_directory_changes(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    cache._absolute.cache_clear()
    monkeypatch.setenv(CACHE_VARIABLE, "kernels-of-a-test")
    first = cache_folder()
    monkeypatch.chdir(tmp_path / "below")
    assert first == cache_folder() == tmp_path / "kernels-of-a-test"


def test_without_a_home_there_is_still_a_cache(tmp_path, monkeypatch):
    for name in (CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", homeless)
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    build = Builder()
    load_or_build("key", build)
    load_or_build("key", build)
    assert build.calls == 1
    assert [path.name for path in tmp_path.rglob("*.kernel")] == ["key.kernel"]


def test_writers_and_readers_of_the_same_kernel_at_once_all_get_it(folder):
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(lambda _: load_or_build("key", Builder()), range(64)))
    assert {artefact.code for artefact in found} == {assemble(CODE)}
    assert [path.name for path in folder.iterdir()] == ["key.kernel"]


def test_the_name_of_a_kernel_depends_on_all_that_its_code_depends_on(monkeypatch):
    names = {digest("one"), digest("two"), digest("one", 4)}
    for attribute, value in (("source_digest", lambda: "changed"), ("_processor", lambda: ("other", "+avx"))):
        with monkeypatch.context() as patch:
            patch.setattr(library, attribute, value)
            names.add(digest("one"))
    assert len(names) == 5
    assert digest("one") in names


# --- real kernels, in processes of their own --------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path[:0] = {paths!r}
import noahpy_core.compiled.record.step_graph as step_graph
from compiled_cases import ALONE, COVER, taken
if {refuse}:
    def refuse(shape): raise AssertionError("a step was recorded again")
    step_graph.record_step = refuse
case = {setup}.case(9, seed=1)
print(taken({setup}, case, "compiled").outputs["skin_temperature"].numpy().tobytes().hex())
"""


def start(folder: Path, setup: str = "COVER[2]", *, refuse: bool = False) -> subprocess.Popen[str]:
    """A process with this cache, and no program on its path: no compiler either."""
    here = Path(__file__).resolve().parent
    text = PROGRAM.format(paths=[str(here), str(here.parent), *sys.path], refuse=refuse, setup=setup)
    environment = {**os.environ, CACHE_VARIABLE: str(folder), "PATH": "", "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", text], env=environment, text=True, **pipes)


def result_of(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


@pytest.mark.slow
def test_processes_build_a_kernel_at_once_and_a_later_one_finds_it(tmp_path):
    """None of them has a C compiler; the last one must not even record the step."""
    results = {result_of(process) for process in [start(tmp_path) for _ in range(2)]}
    assert len(results) == 1
    (file,) = tmp_path.iterdir()
    assert file.suffix == ".kernel"
    before = file.stat().st_mtime_ns
    assert {result_of(start(tmp_path, refuse=True))} == results
    assert file.stat().st_mtime_ns == before


PROCESSES = 32


def _meet(cache: Path, barrier: Any, answers: Any) -> None:
    """Take a step whose kernel nobody has made, together with all others."""
    os.environ[CACHE_VARIABLE] = str(cache)
    case = ALONE.case(9, seed=1)
    barrier.wait(timeout=300)
    try:
        answers.put(taken(ALONE, case, "compiled").outputs["skin_temperature"].numpy().tobytes())
    except BaseException as error:
        answers.put(repr(error))


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_many_processes_meet_on_a_cold_cache_and_all_take_the_same_step(tmp_path):
    """Each makes the kernel or finds it; none reads half of one, and one file is left."""
    context, cache = multiprocessing.get_context("fork"), tmp_path / "cache"
    barrier, answers = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=_meet, args=(cache, barrier, answers)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=500) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert len(set(found)) == 1, found
    assert isinstance(found[0], bytes)
    (file,) = cache.iterdir()
    assert file.suffix == ".kernel"
    assert result_of(start(cache, "ALONE", refuse=True)) == found[0].hex() + "\n"
