"""The stories of tests/gateway/scenarios come out of a cluster as written, whichever of its replicas is killed."""

import random
from collections.abc import Iterator

import pytest
from cluster_processes import ClusterProcesses, free_members
from replica_edge import ClusterEdge, blows, instruments, left_out, told, written
from stage import Stage
from stories import SCENARIOS, STORIES

SAMPLE = {"a_fills-zmq", "d_chain-tcp", "e_unsolicited-zmq", "g_status-tcp", "h_good_till-zmq", "parties-tcp"}
"""What every run tells; `make test-long` tells all."""
SCENES = {
    f"{path.stem}-{transport}": path.read_text()
    for path in STORIES
    for transport in ("tcp", "zmq")
    if not left_out(path.read_text())
}
TRADE = (SCENARIOS / "self_trade.txt").read_text()
FIRST, *_, LAST = [line for line in TRADE.splitlines() if line.startswith("< A 35=8")]
UNTRUE = {
    "a value": TRADE.replace("39=0", "39=1", 1),
    "an ExecID": TRADE.replace("17=4", "17=5"),
    "the order of inputs": TRADE.replace("20001=6", "20001=9"),
    "an answer left out": TRADE.replace(f"{FIRST}\n", ""),
    "the last one left out": TRADE.replace(f"{LAST}\n", ""),
    "one too many": TRADE.replace(FIRST, f"{FIRST}\n{FIRST}"),
}
ALL = {**SCENES, **UNTRUE}

pytestmark = [
    pytest.mark.xdist_group("cluster stories"),
    pytest.mark.timeout(900),
]  # one cluster serves them all


def short(scene: str) -> str:
    """What a symbol has room for."""
    return str([*ALL].index(scene))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    listed = instruments({short(scene): text for scene, text in ALL.items()})
    with ClusterProcesses(tmp_path_factory.mktemp("stage")) as cluster:
        cluster.begin(free_members(3), lambda id, config: f"{config}\n{listed}")
        yield Stage(cluster)


@pytest.mark.parametrize(
    "scene",
    [pytest.param(scene, marks=[] if scene in SAMPLE else pytest.mark.slow) for scene in SCENES],
)
def test_a_story_comes_out_of_a_cluster_with_kills(stage: Stage, scene: str) -> None:
    text, transport = SCENES[scene], scene.partition("-")[2]
    struck = blows(text, random.Random(scene))
    print("killed at", struck)
    edge = ClusterEdge(stage, short(scene), transport, struck)
    assert told(text, edge) == written(text)
    stage.cluster.wait_for_one_state()


@pytest.mark.parametrize("untrue", UNTRUE)
def test_a_story_that_is_not_true_is_found_out(stage: Stage, untrue: str) -> None:
    assert told(UNTRUE[untrue], ClusterEdge(stage, short(untrue), "tcp", patience_seconds=0.5)) != written(
        UNTRUE[untrue]
    )
