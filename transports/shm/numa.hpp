// SPDX-License-Identifier: Apache-2.0
// Which of a host's memories pages come from.
#pragma once

#include <cstddef>
#include <span>

namespace tutti::transports::shm {

// Pages of `memory`, whole ones of a shared mapping, come from the NUMA node on which the calling thread runs, whichever process touches them first;
// if that node has none left, from another. Touches none, and moves none that have been touched. Whether the kernel allows it: where it does not,
// pages come from the node of whoever touches them first.
bool prefer_own_node(std::span<std::byte> memory);

}  // namespace tutti::transports::shm
