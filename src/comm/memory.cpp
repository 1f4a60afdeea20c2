// SPDX-License-Identifier: Apache-2.0
#include "comm/memory.hpp"

#include "transport/windows.hpp"

namespace tutti::comm {

Result<void*> allocate_memory(size_t byte_count) {
  return transport::Windows::instance().allocate(byte_count).map([](std::byte* memory) -> void* { return memory; });
}

bool free_memory(void* memory) { return transport::Windows::instance().free(memory); }

}  // namespace tutti::comm
