"""Graphs in memory: as many as the bound allows, whole runs at a time, and given back for good."""

import os
import signal

import numpy as np
import pytest
from mindspore import Tensor
from tqdm import tqdm

import mdx
from mdx import compile_cache, heap, mindspore_internals, progress
from mdx.graphs import Graph, HeldGraphs
from mdx.sampling import staged
from tests.compiles import counted
from tests.last_stage import CONFIG, inputs


def graph(name, size=1):
    return Graph(name, None, None, size)


def held(graphs):
    return [name for name, _ in graphs.summary().held]


def ran(graphs, *names):
    """A run that uses graphs, and makes those that are not there."""
    with graphs.at_work():
        for name in names:
            if graphs.found(name) is None:
                graphs.add(name, graph(name))


def test_the_run_used_longest_ago_goes_first_and_whole():
    """What a later run has used as well is as young as that one."""
    graphs = HeldGraphs()
    ran(graphs, "text", "unet 64", "vae 64")
    ran(graphs, "text", "unet 96", "vae 96")
    ran(graphs, "text", "unet 32")
    assert [one.name for one in graphs.freed(5)] == ["unet 64", "vae 64"]
    assert [one.name for one in graphs.freed(3)] == ["unet 96", "vae 96"]
    assert [one.name for one in graphs.freed(2)] == []
    ran(graphs, "unet 96")
    assert [one.name for one in graphs.freed(1)] == ["text", "unet 32"]
    assert held(graphs) == ["unet 96"]


def test_nothing_of_a_run_at_work_goes():
    """Nor of any that began after it: it may have used it as well."""
    graphs = HeldGraphs()
    ran(graphs, "before")
    with graphs.at_work():
        graphs.add("own", graph("own", 10))
        with graphs.at_work() as another:
            assert not another
            graphs.add("inner", graph("inner", 10))
        assert [one.name for one in graphs.freed(0)] == ["before"]
        assert held(graphs) == ["own", "inner"]
    assert {one.name for one in graphs.freed(0)} == {"own", "inner"}


def test_a_run_makes_room_for_its_own_kind():
    """Graphs of that kind neither count nor go; and the last run that used one decides."""
    graphs = HeldGraphs()
    for kind, names in (("small", ["text", "unet 64"]), ("large", ["text", "unet 96"])):
        with graphs.at_work():
            graphs.of_kind(kind)
            ran(graphs, *names)
    ran(graphs, "of no kind")
    with graphs.at_work():
        graphs.of_kind("small")
        assert graphs.freed(3, "small") == []
        assert [one.name for one in graphs.freed(2, "small")] == ["text", "unet 96"]
        assert [one.name for one in graphs.freed(0, "small")] == ["of no kind"]
    assert held(graphs) == ["unet 64"]


def test_what_runs_of_another_kind_left_is_told():
    graphs = HeldGraphs()
    graphs.of_kind("of no run")
    graphs.leave(1)
    for kind, size in (("small", 20), ("large", 300), ("small", 4000)):
        with graphs.at_work():
            graphs.of_kind(kind)
            graphs.leave(size)
            graphs.freed(0)
    assert graphs.summary().left == 4321
    assert graphs.left_beside("small") == 301
    assert graphs.left_beside("large") == 4021
    assert graphs.left_beside("another") == 4321


def test_what_is_held_is_told():
    graphs = HeldGraphs()
    ran(graphs, "one")
    graphs.add("two", graph("two", 5))
    assert graphs.summary().held == (("one", 1), ("two", 5))
    assert graphs.summary().size == 6


@pytest.fixture
def last_stage():
    """A compiled function that no other test knows."""
    mdx.clear_graphs()
    yield staged._exit.__wrapped__(CONFIG, True)
    mdx.clear_graphs()


def after_the_first(last_stage):
    """A process's first graph counts what it allocates for all: make one, and free it."""
    last_stage(*inputs(batch=18))
    mdx.clear_graphs()


def test_a_graph_that_went_is_made_again(monkeypatch, last_stage):
    """The same bits; and while a run is at work its graphs stay, whatever the bound."""
    monkeypatch.setattr(compile_cache, "HELD", 0)
    outs = []
    for _ in range(2):
        with counted() as compiles, compile_cache.run():
            outs += [last_stage(*inputs()).asnumpy().tobytes() for _ in range(2)]
            assert compile_cache.graphs().held
        assert compiles.count == 1
        assert compile_cache.graphs().held == ()
    assert len(set(outs)) == 1


@pytest.mark.parametrize("files", ["", "0"])
def test_memory_is_given_back(monkeypatch, last_stage, files):
    """What the graphs take by the count is what the process has less without them, or nearly."""
    if files == "0":
        monkeypatch.setenv("MDX_COMPILE_CACHE", files)
    after_the_first(last_stage)
    for batch in range(2, 18, 4):
        last_stage(*inputs(batch=batch))
    size, before = compile_cache.graphs().size, heap.live()
    assert len(compile_cache.graphs().held) == 4
    mdx.clear_graphs()
    assert compile_cache.graphs().held == ()
    assert size > 1_000_000
    assert before - heap.live() > 0.6 * size


def test_the_bound_holds_over_many_shapes(monkeypatch, last_stage):
    """Two more than it allows; the batches are those of the test above, and of one file each."""
    after_the_first(last_stage)
    last_stage(*inputs())
    each = compile_cache.graphs().size
    monkeypatch.setattr(compile_cache, "HELD", 3 * each)
    for batch in range(6, 22, 4):
        last_stage(*inputs(batch=batch))
        assert compile_cache.graphs().size <= 3 * each
    assert compile_cache.graphs().held


@pytest.mark.parametrize(("room", "given_back"), [(None, 0), (2**30, 1)])
def test_a_run_with_room_begins_with_what_is_free_given_back(monkeypatch, room, given_back):
    """Maps of larger runs would stay with the process, whether or not a graph has to go."""
    calls = []
    monkeypatch.setattr(heap, "give_back", lambda: calls.append(1))
    with compile_cache.run():
        compile_cache.begin("kind", room)
        assert len(calls) == given_back


def test_a_process_that_was_forked_is_told(last_stage):
    """In place of waiting for ever for threads that are not there."""
    arguments = inputs()
    last_stage(*arguments)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            last_stage(*arguments)
        except RuntimeError as error:
            os._exit(17 if 'get_context("spawn")' in str(error) else 18)
        finally:
            os._exit(19)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17


def test_another_error_stays_what_it_is(monkeypatch, last_stage):
    def call(*_):
        raise RuntimeError("The actor already exists")

    monkeypatch.setattr(compile_cache.GRAPHS, "found", lambda key: Graph("", call, None, 0))
    with pytest.raises(RuntimeError, match="actor"):
        last_stage(*inputs())


@pytest.mark.parametrize("missing", ["READS_GRAPHS", "RELEASES"])
def test_another_mindspore_costs_no_run(monkeypatch, tmp_path, caplog, last_stage, missing):
    """What is missing is not used, and the log says so once."""
    expected = last_stage(*inputs()).asnumpy().tobytes()
    mdx.clear_graphs()
    monkeypatch.setenv("MDX_COMPILE_CACHE", str(tmp_path))
    monkeypatch.setattr(mindspore_internals, missing, False)
    mindspore_internals.report_missing.cache_clear()
    assert [last_stage(*inputs()).asnumpy().tobytes() for _ in range(2)] == [expected] * 2
    assert bool(list(tmp_path.iterdir())) == (missing != "READS_GRAPHS")
    assert len([one for one in caplog.records if "another than mdx knows" in one.message]) == 1
    mindspore_internals.report_missing.cache_clear()


def test_a_missing_name_is_none():
    assert mindspore_internals._found("mindspore.graph.api", "ms_compile_cache") is not None
    assert mindspore_internals._found("mindspore.graph.api", "no_such", "name") is None
    assert mindspore_internals._found("mindspore.no_such", "name") is None


def test_shapes_are_traced_as_usual_afterwards(last_stage):
    usual = mindspore_internals._handlers._normalize_int_sequence
    with mindspore_internals.quickly_traced():
        assert mindspore_internals._handlers._normalize_int_sequence is not usual
    assert mindspore_internals._handlers._normalize_int_sequence is usual


def test_the_bar_says_that_it_compiles(last_stage):
    """And its clock does not go on meanwhile: seconds a step are those of steps."""
    said, class_ = [], type("Bar", (tqdm,), {"display": lambda self, *_, **__: None})
    bar = class_(total=3, file=open(os.devnull, "w"))  # noqa: SIM115
    bar.set_postfix_str = lambda text, *_: said.append((text, bar.start_t))
    with bar, progress.without_compiling(bar):
        for _ in range(3):
            last_stage(*inputs())
            bar.update()
    bar.fp.close()
    (first, began), (last, later) = said
    assert (first, last) == ("compiling", "")
    assert later > began
    assert bar.format_dict["elapsed"] < 0.5


def test_a_bar_that_is_not_drawn_says_nothing(last_stage):
    bar = tqdm(total=1, disable=True)
    with bar, progress.without_compiling(bar):
        assert np.isfinite(last_stage(*inputs()).asnumpy()).all()


def test_a_graph_s_weights_are_not_held(last_stage):
    """They are its inputs: other weights, other results, one graph."""
    params, x, scale = inputs()
    other = {name: Tensor(2 * value.asnumpy()) for name, value in params.items()}
    assert not np.array_equal(
        last_stage(params, x, scale).asnumpy(), last_stage(other, x, scale).asnumpy()
    )
    assert len(compile_cache.graphs().held) == 1
