"""What the text of a program that XLA optimised for a TPU says: its operations with their estimated cycles, loop by
loop, and its collectives."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all")
BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}


class Operation(NamedTuple):
    """One operation of an optimised program. scope: the names that the source gives it, layer by layer. cycles: None
    where the compiler says nothing. times: how often it runs in a call. size: bytes of its result."""

    kind: str
    scope: str
    cycles: int | None
    times: int
    size: int


HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
LINE = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?[\])}]) ([a-z][a-z\-]*)\((.*)$")
SHAPE = re.compile(r"\b(pred|s8|u8|bf16|f16|s32|u32|f32)\[([\d,]*)\]")


def operations(program: str) -> list[Operation]:
    """The costed operations and the collectives of an optimised program's text, those of loops as often as these run.
    Raises ValueError where a loop does not tell how often that is."""
    lines: dict[str, list[re.Match]] = {}
    entry = inside = ""
    for line in program.splitlines():
        if head := HEAD.match(line):
            inside = head[2]
            entry = inside if head[1] else entry
            lines[inside] = []
        elif found := LINE.match(line):
            lines[inside].append(found)
    return list(_walk(lines, entry, 1))


def _walk(lines: dict[str, list[re.Match]], name: str, times: int) -> Iterator[Operation]:
    for line in lines[name]:
        _, result, kind, rest = line.groups()
        if kind == "while":
            condition, body = (re.search(rf"{part}=%?([\w.\-]+)", rest)[1] for part in ("condition", "body"))
            yield from _walk(lines, body, times * _trips(lines[condition]))
        elif kind == "call":
            yield from _walk(lines, re.search(r"to_apply=%?([\w.\-]+)", rest)[1], times)
        elif kind == "conditional":
            raise ValueError("a conditional does not tell which of its branches runs")
        cycles, scope = re.search(r'"estimated_cycles":"(\d+)"', rest), re.search(r'op_name="([^"]*)"', rest)
        if cycles or kind.removesuffix("-start") in COLLECTIVES or kind == "custom-call":
            size = sum(BYTES[kind] * math.prod(map(int, filter(None, sides.split(",")))) for kind, sides in
                       SHAPE.findall(result))  # fmt: skip
            yield Operation(kind.removesuffix("-start"), _scope(scope), cycles and int(cycles[1]), times, size)


def _trips(condition: list[re.Match]) -> int:
    """How often a loop runs: what its counter, from 0 in steps of 1, is compared with."""
    bounds = [
        line[4].split(")")[0] for line in condition if line[3] == "constant" and line[2][:5] in ("s32[]", "u32[]")
    ]
    if len(bounds) != 1 or not any("direction=LT" in line[4] for line in condition):
        raise ValueError(f"a loop's condition has {len(bounds)} bounds; must have one, that the counter is less than")
    return int(bounds[0])


def _scope(found: re.Match | None) -> str:
    """The source's names, without those of JAX's own transformations' bodies: "jvp(Encoder)/Conv_0/conv"."""
    if not found:
        return "unnamed"
    dropped = r"jit\([^)]*\)/|shard_map/|while/body/|closed_call/|checkpoint/|remat\d*/"
    return re.sub(r"vmap\((\w+)\)", r"\1", re.sub(dropped, "", found[1]))


def group(scope: str) -> str:
    """The part of a program that a scope is of: a phase and a network, gradients apart: "reconstruction: Encoder,
    gradient"."""
    phase, _, network = "/".join(scope.split("/")[:2]).partition("/")
    found = re.fullmatch(r"(transpose\()?jvp\((\w+)\)+", network)
    name = f"{found[2]}, gradient" if found and found[1] else found[2] if found else network
    return f"{phase}: {name}" if name else phase
