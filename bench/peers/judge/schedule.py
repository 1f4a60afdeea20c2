# SPDX-License-Identifier: Apache-2.0
"""What is measured when: short steps, each with every configuration once, so that all meet the same moods of the machine."""

import dataclasses
import random

from judge.launch import Plan

KIB, MIB = 1 << 10, 1 << 20
POWERS = tuple(8 * 4 ** i for i in range(13))  # 8 B .. 128 MiB
ALL_SIZES = tuple(sorted({*POWERS, 64 * KIB, MIB, 16 * MIB, 64 * MIB, 256 * MIB}))
NETWORK_SIZES = (8, 512, 4 * KIB, 32 * KIB, 128 * KIB, 512 * KIB, MIB, 2 * MIB, 4 * MIB, 16 * MIB, 64 * MIB)
COLLECTIVE_ORDER = ("barrier", "allreduce", "all-gather", "reduce-scatter", "broadcast", "all-to-all", "reduce")
# Two buffers of up to 1 MiB fit an L2 of 2 MiB; larger messages leave it by themselves.
COLD_LIMIT = MIB


@dataclasses.dataclass(frozen=True)
class Step:
    name: str
    plan: Plan


def cycle(ranks, collectives, is_quick):
    """Steps in the order in which they are repeated until the time is used up: small messages of two ranks most often."""
    if is_quick:
        sizes = {2: (8, KIB, 64 * KIB, MIB, 16 * MIB), 4: (8, 32, 64 * KIB, MIB), 8: (8, 32, 64 * KIB)}
        return [step(f"{count} ranks", count, sizes.get(count, sizes[8]), collectives, 1500) for count in ranks]
    steps = {}
    for count in ranks:
        if count == 2:
            steps["small"] = step("2 ranks, small", 2, [size for size in ALL_SIZES if size <= MIB], collectives, 3000)
            steps["large"] = step("2 ranks, large", 2, [size for size in ALL_SIZES if size > MIB], tuple(set(collectives) - {"barrier"}), 20000)
        else:
            sizes = (8, 32, 512, 8 * KIB, 64 * KIB, MIB, 16 * MIB) + ((64 * MIB,) if count <= 4 else ())
            steps[count] = step(f"{count} ranks", count, sizes, collectives, 10000)
    order = ["small", "large", "small", *(count for count in ranks if count != 2)]
    return [steps[name] for name in order if name in steps]


def network_cycle(ranks, collectives, is_quick):
    """The same over a network, where no buffers need to be cold."""
    sizes = (8, KIB, 64 * KIB, MIB, 16 * MIB) if is_quick else NETWORK_SIZES
    order = tuple(c for c in COLLECTIVE_ORDER if c in collectives)
    return [Step(f"{count} ranks", Plan(count, sizes, (), order, 20000, deadline_s=45)) for count in ranks]


def step(name, ranks, sizes, collectives, budget_us):
    cold = tuple(size for size in sizes if size <= COLD_LIMIT) if ranks == 2 else ()
    return Step(name, Plan(ranks, tuple(sizes), cold, tuple(c for c in COLLECTIVE_ORDER if c in collectives), budget_us,
                           deadline_s=20 if ranks == 2 else 8))


def shuffled(configurations, round_number):
    """No configuration is always the one after the slowest; the same order in each run."""
    order = list(configurations)
    random.Random(round_number).shuffle(order)
    return order
