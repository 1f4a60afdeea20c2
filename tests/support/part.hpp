// SPDX-License-Identifier: Apache-2.0
// One rank's part of an exercise: its memory with guards around and between the buffers, the arguments of the call, and the memory as it must
// be afterwards, byte for byte: outputs, unchanged inputs, gaps between blocks and guards.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/exercise.hpp"

namespace tutti::tests {

struct Arguments {
  const void* send = nullptr;
  void* receive = nullptr;
  size_t count = 0;  // equal blocks: the function's count; V forms: sendcount or recvcount of the functions that have one
  std::vector<size_t> send_counts, send_displacements, receive_counts, receive_displacements;
};

class Part {
 public:
  Part(const Exercise& exercise, int rank);

  const Exercise& exercise() const { return exercise_; }
  int rank() const { return rank_; }
  const Arguments& arguments() const { return arguments_; }
  // Nothing when the memory is as it must be; else the first difference.
  std::string check() const;
  // The receive buffer, empty where there is none.
  std::span<const std::byte> output() const;

 private:
  // `length` elements at `offset` of a buffer: elements `first` .. of what `rank` contributes, or of the reduction over all.
  static constexpr int kReduced = -1;
  struct Block {
    size_t offset;
    size_t length;
    int rank;
    size_t first;
  };
  struct Buffer {
    bool used = false;
    size_t extent = 0;            // elements
    size_t offset_in_place = 0;   // elements from the start of the memory both share
    std::vector<Block> blocks;
  };
  struct Blocks {
    std::vector<size_t> counts;
    std::vector<size_t> displacements;
    size_t extent = 0;
  };

  size_t pair_count(int source, int target) const;
  std::vector<size_t> block_counts() const;
  Blocks with_gaps(std::vector<size_t> counts, uint64_t salt) const;
  Blocks without_gaps(std::vector<size_t> counts) const;
  void describe();
  void describe_reduction();
  void describe_gather(bool receives);
  void describe_scatter(bool sends);
  void describe_all_to_all();
  void describe_send_receive();
  void add_own_input(const Blocks& blocks);
  void place();
  void write(std::vector<std::byte>& memory, const Buffer& buffer, size_t base) const;
  std::string where(size_t byte) const;

  Exercise exercise_;
  int rank_;
  Arguments arguments_;
  Buffer input_, output_;
  std::vector<std::byte> memory_, expected_;
  size_t input_base_ = 0, output_base_ = 0;  // bytes into the memory
};

}  // namespace tutti::tests
