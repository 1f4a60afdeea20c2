// SPDX-License-Identifier: Apache-2.0
#include "comm/memory.hpp"

#include "transport/windows.hpp"

namespace tutti::comm {

Result<void*> allocate_memory(size_t byte_count) {
  return transport::Windows::instance().allocate(byte_count).map([](std::byte* memory) -> void* { return memory; });
}

bool free_memory(void* memory) { return transport::Windows::instance().free(memory); }

void prepare_memory(std::span<const std::byte> memory) {
  transport::WindowCache cache;
  if (transport::Window* const window = cache.find(memory); window != nullptr) {
    window->note_frequent_use(memory);
  }
}

}  // namespace tutti::comm
