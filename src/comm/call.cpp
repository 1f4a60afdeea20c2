// SPDX-License-Identifier: Apache-2.0
#include "comm/call.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/types.hpp"
#include "reduce/reduce.hpp"

namespace tutti::comm {

using schedule::Blocks;
using schedule::Collective;

namespace {

// A span of elements one side of the call uses.
struct Extent {
  std::string_view argument;
  const void* pointer = nullptr;
  size_t count = 0;
};

struct Extents {
  std::optional<Extent> input;
  std::optional<Extent> output;
};

Status too_large(const Call& call, std::string_view argument, size_t count) {
  return invalid_argument("{}: {} is {}: times {} bytes overflows", call.function, argument, count, size_of(call.datatype));
}

// `count` times the rank count, if the buffer of that many elements can exist at all.
Result<size_t> times(const Call& call, size_t count, size_t factor) {
  const size_t limit = static_cast<size_t>(std::numeric_limits<ptrdiff_t>::max()) / size_of(call.datatype);
  if (factor != 0 && count > limit / factor) {
    return tl::make_unexpected(too_large(call, "count", count));
  }
  return count * factor;
}

struct Tables {
  std::string_view counts_name;
  const size_t* counts;
  std::string_view displacements_name;
  const size_t* displacements;  // null: blocks follow one another
  bool must_not_overlap;
};

// Elements from the buffer's start to the end of its last block.
Result<size_t> check_tables(const Call& call, const Tables& tables, uint32_t rank_count) {
  if (tables.counts == nullptr) {
    return tl::make_unexpected(invalid_argument("{}: {} is NULL", call.function, tables.counts_name));
  }
  const size_t limit = static_cast<size_t>(std::numeric_limits<ptrdiff_t>::max()) / size_of(call.datatype);
  size_t extent = 0;
  for (uint32_t block = 0; block < rank_count; ++block) {
    const size_t count = tables.counts[block];
    const size_t begin = tables.displacements != nullptr ? tables.displacements[block] : extent;
    if (count > limit || begin > limit - count) {
      return tl::make_unexpected(
          invalid_argument("{}: {}[{}] is {}: the block's end overflows", call.function, tables.counts_name, block, count));
    }
    extent = std::max(extent, begin + count);
  }
  if (!tables.must_not_overlap || tables.displacements == nullptr) {
    return extent;
  }
  std::vector<uint32_t> order(rank_count);
  for (uint32_t block = 0; block < rank_count; ++block) {
    order[block] = block;
  }
  std::ranges::sort(order, {}, [&](uint32_t block) { return tables.displacements[block]; });
  size_t end = 0;
  uint32_t last = 0;
  for (const uint32_t block : order) {
    if (tables.counts[block] == 0) {
      continue;
    }
    if (tables.displacements[block] < end) {
      return tl::make_unexpected(invalid_argument("{}: {}[{}] is {}, inside block {}, which ends at {}", call.function,
                                                  tables.displacements_name, block, tables.displacements[block], last, end));
    }
    end = tables.displacements[block] + tables.counts[block];
    last = block;
  }
  return extent;
}

bool is_root(const Call& call, const Position& position) { return static_cast<uint32_t>(call.root) == position.rank; }

Extent input_of(const Call& call, size_t count) { return {"sendbuff", call.send, count}; }
Extent output_of(const Call& call, size_t count) { return {"recvbuff", call.receive, count}; }

// What a rank sends itself it also receives.
Status block_to_itself(const Call& call, const Position& position) {
  const size_t sent = call.send_counts[position.rank];
  const size_t received = call.receive_counts[position.rank];
  if (sent == received) {
    return {};
  }
  return invalid_argument("{}: sendcounts[{}] is {}, but recvcounts[{}] is {}, on rank {} itself", call.function, position.rank, sent,
                          position.rank, received, position.rank);
}

Result<Extents> variable_extents(const Call& call, const Position& position) {
  Extents extents;
  const Tables receives{"recvcounts", call.receive_counts, "rdispls", call.receive_displacements, true};
  const Tables sends{"sendcounts", call.send_counts, "sdispls",
                     call.send_displacements, false};
  const bool uses_receives = call.collective == Collective::all_gather || call.collective == Collective::reduce_scatter ||
                             call.collective == Collective::all_to_all ||
                             (call.collective == Collective::gather && is_root(call, position));
  const bool uses_sends = call.collective == Collective::all_to_all || (call.collective == Collective::scatter && is_root(call, position));
  size_t receive_extent = 0;
  size_t send_extent = 0;
  if (uses_receives) {
    auto extent = check_tables(call, receives, position.rank_count);
    if (!extent) return tl::make_unexpected(extent.error());
    receive_extent = *extent;
  }
  if (uses_sends) {
    auto extent = check_tables(call, sends, position.rank_count);
    if (!extent) return tl::make_unexpected(extent.error());
    send_extent = *extent;
  }
  const auto own_block_is = [&](const size_t* counts, std::string_view own, std::string_view table) -> Status {
    if (counts[position.rank] == call.count) {
      return {};
    }
    return invalid_argument("{}: {} is {}, but {}[{}] is {}", call.function, own, call.count, table, position.rank,
                            counts[position.rank]);
  };
  switch (call.collective) {
    case Collective::all_gather:
      TUTTI_UNEXPECTED_IF_ERROR(own_block_is(call.receive_counts, "sendcount", "recvcounts"));
      extents.input = input_of(call, call.count);
      extents.output = output_of(call, receive_extent);
      break;
    case Collective::reduce_scatter:
      extents.input = input_of(call, receive_extent);
      extents.output = output_of(call, call.receive_counts[position.rank]);
      break;
    case Collective::gather:
      extents.input = input_of(call, call.count);
      if (is_root(call, position)) {
        TUTTI_UNEXPECTED_IF_ERROR(own_block_is(call.receive_counts, "sendcount", "recvcounts"));
        extents.output = output_of(call, receive_extent);
      }
      break;
    case Collective::scatter:
      extents.output = output_of(call, call.count);
      if (is_root(call, position)) {
        TUTTI_UNEXPECTED_IF_ERROR(own_block_is(call.send_counts, "recvcount", "sendcounts"));
        extents.input = input_of(call, send_extent);
      }
      break;
    default:
      TUTTI_UNEXPECTED_IF_ERROR(block_to_itself(call, position));
      extents.input = input_of(call, send_extent);
      extents.output = output_of(call, receive_extent);
      break;
  }
  return extents;
}

Result<Extents> equal_extents(const Call& call, const Position& position) {
  Extents extents;
  const auto all_blocks = times(call, call.count, position.rank_count);
  if (!all_blocks) {
    return tl::make_unexpected(all_blocks.error());
  }
  const bool root = is_root(call, position);
  switch (call.collective) {
    case Collective::all_reduce:
      extents = {input_of(call, call.count), output_of(call, call.count)};
      break;
    case Collective::reduce:
      extents.input = input_of(call, call.count);
      if (root) extents.output = output_of(call, call.count);
      break;
    case Collective::broadcast:
      if (root) extents.input = input_of(call, call.count);
      extents.output = output_of(call, call.count);
      break;
    case Collective::all_gather:
      extents = {input_of(call, call.count), output_of(call, *all_blocks)};
      break;
    case Collective::reduce_scatter:
      extents = {input_of(call, *all_blocks), output_of(call, call.count)};
      break;
    case Collective::all_to_all:
      extents = {input_of(call, *all_blocks), output_of(call, *all_blocks)};
      break;
    case Collective::gather:
      extents.input = input_of(call, call.count);
      if (root) extents.output = output_of(call, *all_blocks);
      break;
    case Collective::scatter:
      if (root) extents.input = input_of(call, *all_blocks);
      extents.output = output_of(call, call.count);
      break;
    case Collective::send: extents.input = input_of(call, call.count); break;
    case Collective::receive: extents.output = output_of(call, call.count); break;
    case Collective::barrier: break;
  }
  return extents;
}

Result<Extents> extents_of(const Call& call, const Position& position) {
  return call.blocks == Blocks::variable ? variable_extents(call, position) : equal_extents(call, position);
}

Status check_pointer(const Call& call, const std::optional<Extent>& extent) {
  if (!extent || extent->count == 0) {
    return {};
  }
  if (extent->pointer == nullptr) {
    return invalid_argument("{}: {} is NULL", call.function, extent->argument);
  }
  const auto address = reinterpret_cast<uintptr_t>(extent->pointer);
  if (address % size_of(call.datatype) != 0) {
    return invalid_argument("{}: {} is {}, not aligned to {}", call.function, extent->argument, extent->pointer, name_of(call.datatype));
  }
  if (extent->count * size_of(call.datatype) > std::numeric_limits<uintptr_t>::max() - address) {
    return invalid_argument("{}: {} at {} with {} elements wraps around the address space", call.function, extent->argument,
                            extent->pointer, extent->count);
  }
  return {};
}

Status check_overlap(const Call& call, const Position& position, const Extents& extents) {
  if (!extents.input || !extents.output || extents.input->count == 0 || extents.output->count == 0 ||
      is_in_place(call, position) == schedule::InPlace::yes) {
    return {};
  }
  const size_t element_bytes = size_of(call.datatype);
  const auto* input = static_cast<const std::byte*>(extents.input->pointer);
  const auto* output = static_cast<const std::byte*>(extents.output->pointer);
  const bool apart = std::less_equal<>()(input + extents.input->count * element_bytes, output) ||
                     std::less_equal<>()(output + extents.output->count * element_bytes, input);
  if (apart) {
    return {};
  }
  return invalid_argument("{}: sendbuff {} ({} elements) and recvbuff {} ({} elements) overlap, but not in the way of an in-place call",
                          call.function, extents.input->pointer, extents.input->count, extents.output->pointer, extents.output->count);
}

Status check_words(const Call& call, const Position& position) {
  if (size_of(call.datatype) == 0) {
    return invalid_argument("{}: datatype is {}, which is none of tuttiDataType_t", call.function, static_cast<int>(call.datatype));
  }
  const bool is_message = call.collective == Collective::send || call.collective == Collective::receive;
  if ((is_message || is_rooted(call.collective)) && (call.root < 0 || static_cast<uint32_t>(call.root) >= position.rank_count)) {
    return invalid_argument("{}: {} is {}, not in 0..{}", call.function, is_message ? "peer" : "root", call.root,
                            position.rank_count - 1);
  }
  const bool built_in = call.op >= 0 && call.op < tuttiNumOps;
  if (is_reducing(call.collective) && built_in && !reduce::is_supported(call.op, call.datatype)) {
    return invalid_argument("{}: op is {}, which datatype {} does not have", call.function, name_of(call.op), name_of(call.datatype));
  }
  return {};
}

const std::byte* block_address(const void* base, size_t block, const Call& call, const size_t* counts, const size_t* displacements) {
  size_t elements = block * call.count;
  if (call.blocks == Blocks::variable) {
    elements = 0;
    if (displacements != nullptr) {
      elements = displacements[block];
    } else {
      for (size_t earlier = 0; earlier < block; ++earlier) {
        elements += counts[earlier];
      }
    }
  }
  return static_cast<const std::byte*>(base) + elements * size_of(call.datatype);
}

}  // namespace

Status check(const Call& call, const Position& position) {
  TUTTI_RETURN_IF_ERROR(check_words(call, position));
  const auto extents = extents_of(call, position);
  if (!extents) {
    return extents.error();
  }
  TUTTI_RETURN_IF_ERROR(check_pointer(call, extents->input));
  TUTTI_RETURN_IF_ERROR(check_pointer(call, extents->output));
  return check_overlap(call, position, *extents);
}

BufferBytes buffer_bytes(const Call& call, const Position& position) {
  const auto extents = equal_extents(call, position);
  const auto bytes_of = [&](const std::optional<Extent>& extent) { return extent ? extent->count * size_of(call.datatype) : 0; };
  return extents ? BufferBytes{bytes_of(extents->input), bytes_of(extents->output)} : BufferBytes{};
}

bool fit(const Call& call, const BufferBytes& bytes, const BufferRules& rules) {
  const auto input = reinterpret_cast<uintptr_t>(call.send);
  const auto output = reinterpret_cast<uintptr_t>(call.receive);
  const auto is_usable = [&](uintptr_t address, size_t size) {
    return size == 0 || (address != 0 && (address & (rules.alignment - 1)) == 0 && size <= std::numeric_limits<uintptr_t>::max() - address);
  };
  const bool may_meet = rules.in_place == schedule::InPlace::yes || bytes.input == 0 || bytes.output == 0;
  return is_usable(input, bytes.input) && is_usable(output, bytes.output) &&
         (may_meet || input + bytes.input <= output || output + bytes.output <= input);
}

schedule::InPlace is_in_place(const Call& call, const Position& position) {
  const auto answer = [](bool in_place) { return in_place ? schedule::InPlace::yes : schedule::InPlace::no; };
  switch (call.collective) {
    case Collective::all_reduce: return answer(call.send == call.receive);
    case Collective::reduce:
    case Collective::broadcast: return answer(is_root(call, position) && call.send == call.receive);
    case Collective::all_to_all:
      if (call.blocks == Blocks::variable) {
        const auto same = [&](const size_t* sends, const size_t* receives) {
          // Without displacements blocks follow one another, on both sides.
          return sends == receives || (sends != nullptr && receives != nullptr && std::equal(sends, sends + position.rank_count, receives));
        };
        return answer(call.send == call.receive && same(call.send_counts, call.receive_counts) &&
                      same(call.send_displacements, call.receive_displacements));
      }
      return answer(call.send == call.receive);
    case Collective::all_gather:
      return answer(call.send == block_address(call.receive, position.rank, call, call.receive_counts, call.receive_displacements));
    case Collective::gather:
      return answer(is_root(call, position) &&
                    call.send == block_address(call.receive, position.rank, call, call.receive_counts, call.receive_displacements));
    case Collective::reduce_scatter:
      return answer(call.receive == block_address(call.send, position.rank, call, call.receive_counts, nullptr));
    case Collective::scatter:
      return answer(is_root(call, position) &&
                    call.receive == block_address(call.send, position.rank, call, call.send_counts, call.send_displacements));
    case Collective::barrier:
    case Collective::send:
    case Collective::receive: break;
  }
  return schedule::InPlace::no;
}

}  // namespace tutti::comm
