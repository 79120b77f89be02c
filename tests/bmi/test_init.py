"""Configurations that `noahpy init` writes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from configurations import VALID, write_weather

from bmi_noahpy.config import Configuration, ConfigurationError, load_configuration, read_configuration
from bmi_noahpy.config.errors import section_keys
from bmi_noahpy.config.organic_profiles import default_profile
from bmi_noahpy.config.template import TEMPLATE, convert_namelist, render, template_of, write_template
from bmi_noahpy.runs.prepare import prepare
from noahpy_core.presets import preset
from noahpy_core.processes import SCHEMES
from noahpy_core.simulation import iterate


def test_template_is_a_valid_configuration(tmp_path):
    path = write_template(tmp_path / "run.yaml")
    write_weather(tmp_path / "forcing.csv")
    configuration = load_configuration(path)
    assert configuration.name == TEMPLATE["name"]
    assert configuration.period.steps == 365 * 8


def test_template_lacks_only_the_forcing_file(tmp_path):
    path = write_template(tmp_path / "run.yaml")
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path)
    assert [problem.key for problem in caught.value.problems] == ["forcing.file"]


def with_unused_sections(text: str) -> str:
    """The template with the sections that stand in it as comments."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        names = [f"# {name}:" for name, section in section_keys(Configuration).items() if section is not None]
        if line in names:
            for place in range(number, len(lines)):
                if not lines[place].startswith("# "):
                    break
                lines[place] = lines[place].removeprefix("# ")
        if any(line.startswith(f"  # {slot}: ") for slot in SCHEMES):
            lines[number] = line.replace("# ", "", 1)
    return "\n".join(lines)


def test_sections_that_act_by_being_there_are_comments_that_need_only_be_uncommented(tmp_path):
    text = render(template_of())
    assert {"restart", "spin_up"}.isdisjoint(yaml.safe_load(text))
    write_weather(tmp_path / "forcing.csv")
    configuration = read_configuration(yaml.safe_load(with_unused_sections(text)), tmp_path)
    assert configuration.restart is not None
    assert configuration.restart.keep == 2
    assert configuration.spin_up is not None
    assert configuration.spin_up.period == "1 year"


def test_template_has_every_key():
    written = yaml.safe_load(with_unused_sections(render(template_of())))
    for name, section in section_keys(Configuration).items():
        if section is not None:
            assert set(written[name]) == set(section_keys(section)), name
    assert set(written["schemes"]) == {"preset", *SCHEMES}


def test_the_template_takes_the_conservative_column_and_its_schemes_stand_in_it_as_comments():
    assert yaml.safe_load(render(template_of()))["schemes"] == {"preset": "conservative"}
    written = yaml.safe_load(with_unused_sections(render(template_of())))["schemes"]
    assert written == {"preset": "conservative", **vars(preset("conservative"))}


def test_a_scheme_that_is_chosen_beside_the_preset_is_no_comment():
    text = render({**template_of(), "schemes": {"preset": "noah-3.4.1", "turbulence": "yang2008"}})
    assert yaml.safe_load(text)["schemes"] == {"preset": "noah-3.4.1", "turbulence": "yang2008"}


def test_every_key_of_the_template_has_a_comment():
    lines = render(template_of()).splitlines()
    for number, line in enumerate(lines):
        if line.startswith("  ") and ": " in line and not line.strip().startswith("#"):
            assert "# " in line or lines[number - 1].strip().startswith("# "), line


def test_lines_of_the_template_are_not_overlong():
    assert max(map(len, render(template_of()).splitlines())) <= 120


def test_rendering_keeps_the_configuration(tmp_path):
    write_weather(tmp_path / "weather.csv")
    mapping = {
        **VALID,
        "soil": {**VALID["soil"], "parameters": {"saturated_hydraulic_conductivity": [1e-6, 2e-6, 3e-6, 1e-7]}},
        "forcing": {"file": "weather.csv", "variables": {"air_temperature": {"name": "T", "units": "degC"}}},
        "vegetation": {**VALID["vegetation"], "fraction": [1 / 3] * 12},
        "schemes": {"turbulence": "yang2008"},
    }
    plain = read_configuration(mapping, tmp_path)
    (tmp_path / "run.yaml").write_text(render(plain.model_dump(mode="json")))
    assert load_configuration(tmp_path / "run.yaml").model_dump() == plain.model_dump()


def test_absent_section_stays_absent(tmp_path):
    (tmp_path / "run.yaml").write_text(render(read_configuration(VALID).model_dump(mode="json")))
    assert load_configuration(tmp_path / "run.yaml").forcing is None


def test_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"run\.yaml exists"):
        write_template(path)
    assert path.read_text() == "mine"
    assert write_template(path, overwrite=True).read_text() == render(template_of())


def test_file_without_a_namelist_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(ConfigurationError, match="no &METADATA_NAMELIST found"):
        convert_namelist(tmp_path / "a.txt", tmp_path / "run.yaml")


@pytest.mark.parametrize("site", ["tgl", "bondville"])
def test_converted_namelist_is_the_same_configuration(shared, tmp_path, site):
    source = shared / "data" / site / "forcing.txt"
    path = convert_namelist(source, tmp_path / "deeper" / "run.yaml")
    assert resolved(load_configuration(path)) == resolved(load_configuration(source))
    assert "../" in yaml.safe_load(path.read_text())["forcing"]["file"]


def resolved(configuration: Configuration) -> dict:
    plain = configuration.model_dump()
    for section in ("forcing", "output"):
        plain[section]["file"] = plain[section]["file"].resolve()
    return plain


def test_converted_namelist_gives_the_same_run(shared, tmp_path):
    source = shared / "data" / "bondville" / "forcing.txt"
    path = convert_namelist(source, tmp_path / "run.yaml")
    states = []
    for file in (source, path):
        run = prepare(load_configuration(file))
        *_, (state, _) = iterate(
            run.model, run.initial_state, (run.forcing.at(step) for step in range(20)), run.parameters, run.step
        )
        states.append(state)
    assert torch.equal(states[0].soil.temperature, states[1].soil.temperature)
    assert torch.equal(states[0].skin_temperature, states[1].skin_temperature)


def test_tundra_and_taiga_get_a_profile_of_organic_matter_that_is_marked_as_a_default(tmp_path):
    for name in ("herbaceous tundra", "evergreen needleleaf forest", "22"):
        text = write_template(tmp_path / "run.yaml", vegetation=name, overwrite=True).read_text()
        share = yaml.safe_load(text)["soil"]["parameters"]["organic_matter"]
        assert share == [0.0, 0.0, 0.261, 0.22, 0.178, 0.15, 0.108, 0.108, 0.0, 0.0]
        assert "# organic_matter: default profile for tundra and taiga" in text
    write_weather(tmp_path / "forcing.csv")
    read = load_configuration(tmp_path / "run.yaml", ["period.end=2020-09-01T21:00"])
    assert read.soil.parameters["organic_matter"][2] == 0.261


def test_other_land_cover_has_mineral_soil(tmp_path):
    text = write_template(tmp_path / "run.yaml", vegetation="grassland").read_text()
    plain = yaml.safe_load(text)
    assert plain["soil"]["parameters"] == {}
    assert 17 not in plain["soil"]["classes"]
    assert "default profile" not in text


def test_the_default_profile_has_the_carbon_of_the_inventory():
    share = default_profile(14, [0.1, 0.2, 0.7, 1.0, 1.0, 2.0])
    carbon = 130.0 * np.cumsum(np.array(share) * [0.1, 0.2, 0.7, 1.0, 1.0, 2.0]) * 18.782
    assert carbon[[1, 2, 4]] == pytest.approx([191.29, 495.80, 1024.00], rel=0.005)
    assert carbon[-1] == carbon[-2]
    assert default_profile(20, [1.0, 1.0], table="modis") is not None
    assert default_profile(7, [1.0, 1.0]) is None


@pytest.mark.parametrize(("name", "text"), [("tundar", "tundar"), ("16", "water"), ("99", "99")])
def test_land_cover_that_there_is_not_is_refused(tmp_path, name, text):
    with pytest.raises(ValueError, match=rf"--vegetation: .*{text}"):
        write_template(tmp_path / "run.yaml", vegetation=name)
    assert not (tmp_path / "run.yaml").exists()
