// SPDX-License-Identifier: Apache-2.0
#include "support/part.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "support/reference.hpp"

namespace tutti::tests {

namespace {

constexpr size_t kGuardBytes = 128;
constexpr uint64_t kCallCounts = 101, kReceiveGaps = 102, kSendGaps = 103, kPlacement = 104, kNoise = 105;

size_t index_of(int rank) { return static_cast<size_t>(rank); }

size_t rounded_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Around `mean`; now and then nothing.
size_t varied_count(size_t mean, uint64_t random) { return random % 8 == 0 ? 0 : (random >> 8) % (2 * mean + 1); }

size_t sum_before(const std::vector<size_t>& counts, int end) {
  return std::accumulate(counts.begin(), counts.begin() + end, size_t{0});
}

}  // namespace

Part::Part(const Exercise& exercise, int rank) : exercise_(exercise), rank_(rank) {
  describe();
  place();
}

// What `source` sends to `target` in an all-to-all. In place, it is what comes back, too.
size_t Part::pair_count(int source, int target) const {
  if (exercise_.operation == Operation::all_to_all) {
    return exercise_.count;
  }
  if (exercise_.in_place_ranks != 0 && source > target) {
    std::swap(source, target);
  }
  return varied_count(exercise_.count, mix(mix(exercise_.seed, kCallCounts + index_of(source)), index_of(target)));
}

std::vector<size_t> Part::block_counts() const {
  std::vector<size_t> counts(index_of(exercise_.rank_count), exercise_.count);
  if (has_variable_blocks(exercise_.operation)) {
    for (size_t rank = 0; rank < counts.size(); ++rank) {
      counts[rank] = varied_count(exercise_.count, mix(mix(exercise_.seed, kCallCounts), rank));
    }
  }
  return counts;
}

// Gaps between blocks, whose order in memory may be reversed; the rank's own.
Part::Blocks Part::with_gaps(std::vector<size_t> counts, uint64_t salt) const {
  if (!has_variable_blocks(exercise_.operation)) {
    return without_gaps(std::move(counts));
  }
  const uint64_t own = mix(mix(exercise_.seed, salt), index_of(rank_));
  Blocks blocks{.counts = std::move(counts), .displacements = std::vector<size_t>(index_of(exercise_.rank_count)), .extent = 0};
  for (size_t place = 0; place < blocks.counts.size(); ++place) {
    const size_t block = own % 2 == 0 ? place : blocks.counts.size() - 1 - place;
    blocks.displacements[block] = blocks.extent + mix(own, place) % 4;
    blocks.extent = blocks.displacements[block] + blocks.counts[block];
  }
  return blocks;
}

Part::Blocks Part::without_gaps(std::vector<size_t> counts) const {
  Blocks blocks{.counts = std::move(counts), .displacements = {}, .extent = 0};
  for (const size_t count : blocks.counts) {
    blocks.displacements.push_back(blocks.extent);
    blocks.extent += count;
  }
  return blocks;
}

void Part::describe() {
  arguments_.count = exercise_.count;
  const bool root = rank_ == exercise_.root;
  switch (exercise_.operation) {
    case Operation::all_reduce: return describe_reduction();
    case Operation::reduce:
      describe_reduction();
      output_.used = root;
      return;
    case Operation::broadcast:
      input_ = {root, exercise_.count, 0, {{0, exercise_.count, exercise_.root, 0}}};
      output_ = {true, exercise_.count, 0, {{0, exercise_.count, exercise_.root, 0}}};
      return;
    case Operation::all_gather:
    case Operation::all_gather_v: return describe_gather(true);
    case Operation::gather:
    case Operation::gather_v: return describe_gather(root);
    case Operation::scatter:
    case Operation::scatter_v: return describe_scatter(root);
    case Operation::reduce_scatter:
    case Operation::reduce_scatter_v: {
      const Blocks blocks = without_gaps(block_counts());
      const size_t first = blocks.displacements[index_of(rank_)];
      const size_t own = blocks.counts[index_of(rank_)];
      arguments_.receive_counts = blocks.counts;
      input_ = {true, blocks.extent, 0, {{0, blocks.extent, rank_, 0}}};
      output_ = {true, own, first, {{0, own, kReduced, first}}};
      return;
    }
    case Operation::all_to_all:
    case Operation::all_to_all_v: return describe_all_to_all();
    case Operation::send_receive: return describe_send_receive();
    case Operation::barrier: return;
  }
}

void Part::describe_reduction() {
  input_ = {true, exercise_.count, 0, {{0, exercise_.count, rank_, 0}}};
  output_ = {true, exercise_.count, 0, {{0, exercise_.count, kReduced, 0}}};
}

void Part::describe_gather(bool receives) {
  const Blocks blocks = with_gaps(block_counts(), kReceiveGaps);
  const size_t own = blocks.counts[index_of(rank_)];
  arguments_.count = own;
  input_ = {true, own, 0, {{0, own, rank_, 0}}};
  if (!receives) {
    return;
  }
  arguments_.receive_counts = blocks.counts;
  arguments_.receive_displacements = blocks.displacements;
  input_.offset_in_place = blocks.displacements[index_of(rank_)];
  output_ = {true, blocks.extent, 0, {}};
  for (int rank = 0; rank < exercise_.rank_count; ++rank) {
    output_.blocks.push_back({blocks.displacements[index_of(rank)], blocks.counts[index_of(rank)], rank, 0});
  }
}

void Part::describe_scatter(bool sends) {
  const Blocks blocks = with_gaps(block_counts(), kSendGaps);
  const size_t own = blocks.counts[index_of(rank_)];
  arguments_.count = own;
  output_ = {true, own, 0, {{0, own, exercise_.root, sum_before(blocks.counts, rank_)}}};
  if (!sends) {
    return;
  }
  arguments_.send_counts = blocks.counts;
  arguments_.send_displacements = blocks.displacements;
  output_.offset_in_place = blocks.displacements[index_of(rank_)];
  add_own_input(blocks);
}

void Part::add_own_input(const Blocks& blocks) {
  input_ = {true, blocks.extent, 0, {}};
  for (int rank = 0; rank < exercise_.rank_count; ++rank) {
    input_.blocks.push_back(
        {blocks.displacements[index_of(rank)], blocks.counts[index_of(rank)], rank_, sum_before(blocks.counts, rank)});
  }
}

void Part::describe_all_to_all() {
  std::vector<size_t> sends, receives, firsts;
  for (int peer = 0; peer < exercise_.rank_count; ++peer) {
    sends.push_back(pair_count(rank_, peer));
    receives.push_back(pair_count(peer, rank_));
    size_t first = 0;
    for (int earlier = 0; earlier < rank_; ++earlier) {
      first += pair_count(peer, earlier);
    }
    firsts.push_back(first);
  }
  const Blocks sent = with_gaps(sends, exercise_.is_in_place(rank_) ? kReceiveGaps : kSendGaps);
  const Blocks received = with_gaps(receives, kReceiveGaps);
  arguments_.send_counts = sent.counts;
  arguments_.send_displacements = sent.displacements;
  arguments_.receive_counts = received.counts;
  arguments_.receive_displacements = received.displacements;
  add_own_input(sent);
  output_ = {true, received.extent, 0, {}};
  for (int peer = 0; peer < exercise_.rank_count; ++peer) {
    output_.blocks.push_back({received.displacements[index_of(peer)], received.counts[index_of(peer)], peer, firsts[index_of(peer)]});
  }
}

void Part::describe_send_receive() {
  const int source = (rank_ + exercise_.rank_count - exercise_.root) % exercise_.rank_count;
  input_ = {true, exercise_.count, 0, {{0, exercise_.count, rank_, 0}}};
  output_ = {true, exercise_.count, 0, {{0, exercise_.count, source, 0}}};
}

// Guard, input, guard, output, guard; in place, both share the memory between two guards.
void Part::place() {
  const size_t unit = element_bytes(exercise_.datatype);
  const size_t skew = mix(exercise_.seed, kPlacement + index_of(rank_)) % 8 * unit;
  const bool shared = exercise_.is_in_place(rank_) && input_.used && output_.used;
  const size_t input_end = (input_.extent + (shared ? input_.offset_in_place : 0)) * unit;
  const size_t output_end = (output_.extent + (shared ? output_.offset_in_place : 0)) * unit;
  const size_t input_start = kGuardBytes + skew;
  const size_t output_start = shared ? input_start : input_start + rounded_up(input_end) + kGuardBytes;
  memory_.resize(output_start + std::max(shared ? input_end : 0, output_end) + kGuardBytes);
  input_base_ = input_start + (shared ? input_.offset_in_place * unit : 0);
  output_base_ = output_start + (shared ? output_.offset_in_place * unit : 0);

  for (size_t byte = 0; byte < memory_.size(); ++byte) {
    memory_[byte] = byte < kPeriod ? static_cast<std::byte>(mix(kNoise, byte) & 0xff) : memory_[byte - kPeriod];
  }
  if (input_.used) {
    write(memory_, input_, input_base_);
    arguments_.send = memory_.data() + input_base_;
  }
  expected_ = memory_;
  if (output_.used) {
    if (exercise_.values == Values::exact) {
      write(expected_, output_, output_base_);
    }
    arguments_.receive = memory_.data() + output_base_;
  }
  if (exercise_.is_in_place(rank_) && !input_.used) {
    arguments_.send = arguments_.receive;
  }
}

void Part::write(std::vector<std::byte>& memory, const Buffer& buffer, size_t base) const {
  const size_t unit = element_bytes(exercise_.datatype);
  for (const Block& block : buffer.blocks) {
    std::byte* const start = memory.data() + base + block.offset * unit;
    const size_t fresh = std::min(block.length, kPeriod);
    for (size_t index = 0; index < fresh; ++index) {
      const uint64_t bits = block.rank == kReduced ? reduced_element(exercise_, block.first + index)
                                                   : input_element(exercise_, block.rank, block.first + index);
      std::memcpy(start + index * unit, &bits, unit);
    }
    for (size_t index = fresh; index < block.length; index += kPeriod) {
      std::memcpy(start + index * unit, start, std::min(kPeriod, block.length - index) * unit);
    }
  }
}

std::string Part::where(size_t byte) const {
  const size_t unit = element_bytes(exercise_.datatype);
  if (output_.used && byte >= output_base_ && byte < output_base_ + output_.extent * unit) {
    return fmt::format("element {} of the receive buffer", (byte - output_base_) / unit);
  }
  if (input_.used && byte >= input_base_ && byte < input_base_ + input_.extent * unit) {
    return fmt::format("element {} of the send buffer", (byte - input_base_) / unit);
  }
  return "a guard";
}

std::string Part::check() const {
  if (exercise_.values == Values::rounded) {
    return {};
  }
  const auto [found, expected] = std::ranges::mismatch(memory_, expected_);
  if (found == memory_.end()) {
    return {};
  }
  const auto byte = static_cast<size_t>(found - memory_.begin());
  const size_t unit = element_bytes(exercise_.datatype);
  const size_t element = output_.used && byte >= output_base_ ? byte - (byte - output_base_) % unit : byte;
  uint64_t actual_bits = 0, expected_bits = 0;
  const size_t length = std::min(unit, memory_.size() - element);
  std::memcpy(&actual_bits, memory_.data() + element, length);
  std::memcpy(&expected_bits, expected_.data() + element, length);
  return fmt::format("rank {}: {} is {:#x}, expected {:#x}; {}", rank_, where(byte), actual_bits, expected_bits, to_string(exercise_));
}

std::span<const std::byte> Part::output() const {
  return output_.used ? std::span(memory_).subspan(output_base_, output_.extent * element_bytes(exercise_.datatype))
                      : std::span<const std::byte>();
}

}  // namespace tutti::tests
