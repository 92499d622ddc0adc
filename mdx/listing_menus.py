"""The names of other programs' menus in words, for the command and the docs."""

from collections.abc import Iterator

from mdx.listing import in_words as of_value
from mdx.schedulers.menus import A1111, COMFYUI, Menu, Named

__all__ = ["lines"]


def lines() -> Iterator[str]:
    """Lines that list every sampler and every schedule of the menus, and what each means here."""
    for menu in (A1111, COMFYUI):
        yield f"{menu.program}, samplers"
        width = max(map(len, menu.samplers))
        for name, named in menu.samplers.items():
            yield f"  {name:<{width}}  {in_words(menu, named)}"
        yield f"{menu.program}, schedules"
        width = max(map(len, menu.schedules))
        for name, timing in menu.schedules.items():
            why = f"not here ({timing.why}): nearest {timing.nearest}"
            yield f"  {name:<{width}}  {f'schedule={timing.schedule}' if timing.schedule else why}"
        yield ""
    yield "A sampler may stand alone or before a schedule: --scheduler 'DPM++ 2M Karras',"
    yield "'DPM++ 2M Automatic' or 'dpmpp_2m sgm_uniform'. Alone it has A1111's Uniform, or"
    yield "ComfyUI's normal; what is a name here, too, keeps the checkpoint's own levels."
    yield "Capitals and spaces make no difference but where both programs have a name, as"
    yield "'Euler Beta' and 'euler beta'."


def in_words(menu: Menu, named: Named) -> str:
    """What a sampler means, or why it is not here."""
    if named.sampler is None:
        return f"not here ({named.why}): nearest {named.nearest}"
    said = [named.sampler, *(f"{key}={of_value(one)}" for key, one in named.options.items())]
    if named.own_levels:
        said.append("(levels of its own)")
    elif menu is A1111 and named.automatic != menu.usual:
        said.append(f"(Automatic: {named.automatic})")
    if named.discard:
        said.append("discard_penultimate=true")
    return " ".join(said)
