"""All classes of inputs."""

from tests.fuzz import (
    arguments,
    commands,
    configs,
    pictures,
    prompts,
    single_files,
    tables,
    weights_files,
)  # fmt: skip

FUZZERS = (
    weights_files.FUZZER,
    single_files.FUZZER,
    configs.FUZZER,
    prompts.FUZZER,
    tables.FUZZER,
    pictures.FUZZER,
    commands.FUZZER,
    arguments.FUZZER,
)
