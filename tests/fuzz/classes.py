"""All classes of inputs."""

from tests.fuzz import arguments, commands, configs, pictures, prompts, tables, weights_files

FUZZERS = (
    weights_files.FUZZER,
    configs.FUZZER,
    prompts.FUZZER,
    tables.FUZZER,
    pictures.FUZZER,
    commands.FUZZER,
    arguments.FUZZER,
)
