"""Logstash's pipelines: grammar, options, and that lines end where the templates, roles and searches expect them.

What Logstash itself does with them is not tried: it cannot be had here.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml

from cart_observability.elastic import template
from cart_observability.signals import read
from cart_observability.stack_setup import elasticsearch as prepared
from conftest import skip_or_fail
from support.elasticsearch_server import ElasticsearchServer
from support.logstash import Plugin, plugins
from support.logstash_options import FINGERPRINTS, OF_A_PIPELINE, PLUGINS, SETTINGS

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "elk/logstash"
FILES = sorted((FOLDER / "pipeline").glob("*.conf"))
ALL = {file.stem: plugins(file) for file in FILES}
PIPELINES = {each["pipeline.id"]: each for each in yaml.safe_load((FOLDER / "pipelines.yml").read_text())}
LOGSTASH = yaml.safe_load((FOLDER / "logstash.yml").read_text())
DATA = "/usr/share/logstash/data/"


def of(name: str) -> list[Plugin]:
    """Every use of a plugin, over all pipelines."""
    return [plugin for each in ALL.values() for plugin in each if plugin.name == name]


def parsed(file: Path) -> subprocess.CompletedProcess[str]:
    """What the pipeline parser says of a file."""
    program = shutil.which("logstash-parse")
    if program is None:
        skip_or_fail("logstash-parse")
    return subprocess.run([str(program), file], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_grammar(file: Path) -> None:
    """The parser of pipelines takes the file."""
    finished = parsed(file)
    assert (0, "") == (finished.returncode, finished.stderr)


def test_the_parser_sees_what_is_wrong(tmp_path: Path) -> None:
    """A brace that is missing from a pipeline is seen by the parser."""
    broken = tmp_path / "broken.conf"
    broken.write_text(FILES[0].read_text().rstrip().removesuffix("}"))
    assert 0 != parsed(broken).returncode


def test_every_option_is_documented() -> None:
    """Each plugin is one that Logstash has, with options that its documentation names."""
    unknown = [
        (file, plugin.name, option)
        for file, used in ALL.items()
        for plugin in used
        for option in plugin.options.keys() - PLUGINS[plugin.section, plugin.name]
    ]
    assert [] == unknown
    assert {plugin.options["method"] for plugin in of("fingerprint")} <= FINGERPRINTS


def test_every_setting_is_documented() -> None:
    """logstash.yml and pipelines.yml have settings that Logstash's documentation names."""
    assert set() == LOGSTASH.keys() - SETTINGS
    assert set() == {name for each in PIPELINES.values() for name in each} - OF_A_PIPELINE


def test_each_file_is_a_pipeline() -> None:
    """Every file is run, as the pipeline of its name, from where the stack mounts it."""
    paths = {name: each["path.config"] for name, each in PIPELINES.items()}
    assert {name: f"/usr/share/logstash/pipeline/{name}.conf" for name in ALL} == paths


def test_nothing_is_forgotten_in_a_restart() -> None:
    """Positions in files, queues and what was refused are kept on the volume of Logstash's data."""
    files = of("file")
    positions = [plugin.options["sincedb_path"] for plugin in files]
    assert len(set(positions)) == len(files) == len([path for path in positions if path.startswith(DATA)])
    assert {"beginning"} == {plugin.options["start_position"] for plugin in files}
    assert ("persisted", True) == (LOGSTASH["queue.type"], LOGSTASH["dead_letter_queue.enable"])
    assert {f"{DATA}dead_letter_queue"} == {plugin.options["path"] for plugin in of("dead_letter_queue")}


def test_rotated_files_are_read_to_their_end() -> None:
    """A file is watched under the names too that its rotation gives it."""
    for plugin in of("file"):
        names = [part.strip('"') for part in plugin.options["path"].split() if part.startswith('"')]
        assert {name for name in names if name.endswith("*.log")} == {
            name.removesuffix(".*") for name in names if name.endswith("*.log.*")
        }


def test_what_is_refused_is_kept() -> None:
    """The dead letters of each pipeline but the last are read by it, and what it takes up it does not queue again."""
    assert {"chain", "stack"} == {plugin.options["pipeline_id"] for plugin in of("dead_letter_queue")}
    assert {"refused": False} == {
        name: each["dead_letter_queue.enable"] for name, each in PIPELINES.items() if "dead_letter_queue.enable" in each
    }


def stream(output: Plugin) -> str:
    """The data stream that an output writes to."""
    return "-".join(output.options[f"data_stream_{part}"] for part in ("type", "dataset", "namespace"))


def test_lines_end_in_the_streams_of_the_templates() -> None:
    """Each output writes into a data stream that the set-up makes, and each of these is written to."""
    streams = {name: {stream(plugin) for plugin in used if plugin.section == "output"} for name, used in ALL.items()}
    assert {
        "chain": {template.LINES, template.UNPARSED},
        "stack": {template.STACK},
        "refused": {template.UNPARSED},
    } == streams
    assert set(prepared.STREAMS) == set.union(*streams.values())


def test_a_line_is_kept_once() -> None:
    """Every document has the fingerprint of its line as id, and a line that comes again is no error."""
    for used in ALL.values():
        assert 1 == len([plugin for plugin in used if plugin.name == "fingerprint"])
    assert {"[@metadata][fingerprint]"} == {plugin.options["target"] for plugin in of("fingerprint")}
    for output in of("elasticsearch"):
        assert "%{[@metadata][fingerprint]}" == output.options["document_id"]
        assert '"version_conflict_engine_exception"' in output.options["silence_errors_in_log"]


def test_logstash_is_who_the_set_up_makes() -> None:
    """Outputs act as the user with the role of a writer; the password is in the environment, not in the file."""
    assert {prepared.WRITER} == {output.options["user"] for output in of("elasticsearch")}
    assert {"${LOGSTASH_PASSWORD}"} == {output.options["password"] for output in of("elasticsearch")}


@pytest.fixture(scope="module")
def index(elasticsearch_server: ElasticsearchServer) -> str:
    """An index with the mappings of the chain's lines."""
    mappings = {"dynamic": False, "properties": template.mapped(read(ROOT / "observability/signals.yaml"))}
    elasticsearch_server.ask("PUT", "logstash-documents", {"mappings": mappings})
    return "logstash-documents"


DOCUMENT: dict[str, Any] = {
    "@timestamp": "2026-11-23T23:10:56.229323Z",
    "log.level": "info",
    "message": "event handled",
    "event.action": "event.handled",
    "event.duration": 1_500_000,
    "cartscope.event.id": "one",
    "log": {"file": {"path": "/var/log/cartscope/cartscope-api.log"}},
    "event.ingested": "2026-11-23T23:10:57.000Z",
    "cartscope.shipping.delay": 771,
}
"""A line of the chain as the pipeline sends it on: flat keys of its own, nested ones of Logstash's plugins."""


def test_elasticsearch_takes_flat_and_nested_fields(elasticsearch_server: ElasticsearchServer, index: str) -> None:
    """A document with both forms is found by either field, and a second one of its id is a conflict."""
    elasticsearch_server.ask("PUT", f"{index}/_create/one", DOCUMENT)
    with pytest.raises(HTTPError, match="409"):
        elasticsearch_server.ask("PUT", f"{index}/_create/one", DOCUMENT)
    for name, value in {
        "log.level": "info",
        "log.file.path": "/var/log/cartscope/cartscope-api.log",
        "event.action": "event.handled",
        "cartscope.shipping.delay": 771,
    }.items():
        assert 1 == elasticsearch_server.count(index, {"term": {name: value}})


def test_elasticsearch_takes_what_was_refused(elasticsearch_server: ElasticsearchServer, index: str) -> None:
    """A document that a mapping refuses is taken as the text that the pipeline of the refused makes of it."""
    wrong = DOCUMENT | {"event.duration": "long"}
    with pytest.raises(HTTPError, match="400"):
        elasticsearch_server.ask("PUT", f"{index}/_create/two", wrong)
    text = {"@timestamp": DOCUMENT["@timestamp"], "event.original": str(wrong) * 1_000, "error.message": "refused"}
    elasticsearch_server.ask("PUT", f"{index}/_create/two", text)
    assert 1 == elasticsearch_server.count(index, {"match": {"error.message": "refused"}})
