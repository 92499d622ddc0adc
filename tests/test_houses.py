"""The structure of the package: imports point down, modules are short, and so are signatures."""

import ast
from pathlib import Path

import pytest

import mdx

ROOT = Path(mdx.__file__).parent

# From the ground up. What stands in a line is built on those below it, and knows nothing of the
# others in its line, nor of any above. Modules that are not here are tools, which all may use and
# which use none of these that way: what is reached through them counts as well.
LAYERS = (
    {"kernels"},
    {"nets", "schedulers"},
    {"families", "sampling"},
    {"net_files", "sources", "latents", "denoising", "prompts"},
    {"single_file"},
    {"adapters", "loading_parts", "saving", "blending"},
    {"loading"},
    {"memory_plan", "tasks"},
    {"budgets"},
    {"request"},
    {"run_denoiser"},
    {"generation", "variations"},
    {"enlarging", "upscaling"},
    {"cli_samplers", "compat"},
    {"cli_drawing"},
    {"cli_pictures"},
    {"cli"},
    {"__main__"},
)

# What one must not import, even from below: who names a device, and who knows a family.
NEVER = {
    "families": {"kernels"},
    "prompts": {"kernels"},
    "denoising": {"kernels"},
    "generation": {"kernels"},
    "sampling": {"families"},
}

LONG = 300  # lines of a module
# Those that are longer, each with why.
LONGER = {
    "schedulers/configs_log_snr.py": "the records of five samplers that share their levels",
    "schedulers/testbed.py": "exact denoisers and what is measured with them, which go together",
}

MANY = 8  # parameters of a function
# Public ones, whose arguments are the contract.
PUBLIC = {
    "generation.generate",
    "memory_plan.plan",
    "prompts.encode_prompt",
    "sampling/loop.sample",
}
TRACED = {
    "sampling/one_graph.run": "what a graph reads, which takes no records",
    "kernels/native/derivatives._of_7": "a derivative's function, which has one for each input",
    "kernels/native/derivatives._of_8": "the same",
}


def modules():
    """All modules of the package: name with dots to file."""
    files = (file for file in ROOT.rglob("*.py") if file != ROOT / "__init__.py")
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


MODULES = modules()


def imported(name):
    """The modules of the package that one imports, wherever in it, but for types alone."""
    found = set()

    def add(dotted):
        parts = dotted.split(".")
        if parts[0] != "mdx":
            return
        for end in range(len(parts), 1, -1):
            inner = ".".join(parts[1:end])
            if inner in MODULES or f"{inner}.__init__" in MODULES:
                found.add(inner)
                return

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name)
        if isinstance(node, ast.ImportFrom):
            package = ["mdx", *name.split(".")[: -node.level]] if node.level else []
            base = ".".join([*package, *filter(None, [node.module])])
            for alias in node.names:
                add(f"{base}.{alias.name}")
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(MODULES[name].read_text()))
    return found


def unit(name):
    """A package, or a module that lies in none."""
    return name.split(".")[0]


GRAPH: dict[str, set[str]] = {}
for module in MODULES:
    others = {unit(one) for one in imported(module)} - {unit(module)}
    GRAPH.setdefault(unit(module), set()).update(others)


def reached(begin):
    """All units that one is built on, through whichever others."""
    found, left = set(), [begin]
    while left:
        for other in GRAPH[left.pop()] - found:
            found.add(other)
            left.append(other)
    return found


def test_the_table_names_what_there_is():
    assert set().union(*LAYERS, NEVER, *NEVER.values()) <= GRAPH.keys()
    assert "nets" in GRAPH["families"]  # imports are seen at all


@pytest.mark.parametrize("name", sorted(set().union(*LAYERS)))
def test_imports_point_down(name):
    [level] = [i for i, layer in enumerate(LAYERS) if name in layer]
    above = set().union(*LAYERS[level:])
    assert not reached(name) & above, f"{name} is built on what is not below it"


def test_nothing_is_built_on_itself():
    assert [name for name in GRAPH if name in reached(name)] == []


@pytest.mark.parametrize("name", NEVER)
def test_what_is_not_imported(name):
    assert not GRAPH[name] & NEVER[name]


def test_modules_are_short():
    counted = {str(file.relative_to(ROOT)): file for file in MODULES.values()}
    long = {name for name, file in counted.items() if len(file.read_text().splitlines()) > LONG}
    assert long == LONGER.keys()


def test_functions_have_few_parameters():
    found = set()
    for file in MODULES.values():
        where = file.relative_to(ROOT).with_suffix("")
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                given = node.args
                names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
                if len(names) - (names[:1] == ["self"]) > MANY:
                    found.add(f"{where}.{node.name}")
    assert found == PUBLIC | TRACED.keys()
