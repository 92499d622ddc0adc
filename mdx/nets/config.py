"""What nets' configs have in common: keys that say nothing, and checks between fields."""

from collections.abc import Iterable
from typing import Any

# What diffusers writes beside a net's own keys when it saves the mean of weights over training.
AVERAGED = (
    "decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step",
    "use_ema_warmup",
)  # fmt: skip

# What transformers writes into any model's config: of training, of generating text, of the file.
UNREAD = (
    "add_cross_attention", "bad_words_ids", "begin_suppress_tokens", "chunk_size_feed_forward",
    "cross_attention_hidden_size", "decoder_start_token_id", "diversity_penalty", "do_sample",
    "dtype", "early_stopping", "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty",
    "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "id2label", "is_decoder",
    "is_encoder_decoder", "label2id", "length_penalty", "max_length", "min_length",
    "name_or_path", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_labels",
    "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "prefix",
    "problem_type", "remove_invalid_values", "repetition_penalty", "return_dict",
    "return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params",
    "temperature", "tf_legacy_loss", "tie_encoder_decoder", "tie_word_embeddings",
    "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers_version",
    "typical_p", "use_bfloat16", "use_cache", "xla_device",
)  # fmt: skip


def check_blocks(value: Any, count: int, name: str, what: str = "blocks") -> None:
    """Raise ValueError for a config value given once a block, unless it has `count` entries."""
    if isinstance(value, tuple) and len(value) != count:
        raise ValueError(f"{name} has {len(value)} entries for {count} {what}")


def check_divides(channels: Iterable[int], divisor: int, what: str) -> None:
    """Raise ValueError unless every channel count is a multiple of `divisor`."""
    for count in channels:
        if divisor < 1 or count % divisor:
            raise ValueError(f"{count} channels cannot be split into {divisor} {what}")
