// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/engine/allocation_count.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<uint64_t> count{0};  // written by every thread that allocates; publishes nothing else

void* allocate(size_t byte_count) {
  count.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(byte_count == 0 ? 1 : byte_count)) {
    return memory;
  }
  throw std::bad_alloc();
}

void* allocate(size_t byte_count, std::align_val_t alignment) {
  count.fetch_add(1, std::memory_order_relaxed);
  const auto align = static_cast<size_t>(alignment);
  if (void* const memory = std::aligned_alloc(align, (byte_count + align - 1) / align * align)) {
    return memory;
  }
  throw std::bad_alloc();
}

}  // namespace

namespace tutti::engine {
uint64_t allocation_count() { return count.load(std::memory_order_relaxed); }
}  // namespace tutti::engine

void* operator new(size_t byte_count) { return allocate(byte_count); }
void* operator new[](size_t byte_count) { return allocate(byte_count); }
void* operator new(size_t byte_count, std::align_val_t alignment) { return allocate(byte_count, alignment); }
void* operator new[](size_t byte_count, std::align_val_t alignment) { return allocate(byte_count, alignment); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
