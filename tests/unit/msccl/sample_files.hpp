// SPDX-License-Identifier: Apache-2.0
// Files as MSCCL's tools write them, small ones, for tests to read and to break.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::msccl::samples {

// For a step of another threadblock.
struct Wait {
  int block = -1;
  int step = -1;
};

// Lines of a file, put together element by element.
class File {
 public:
  struct Head {
    std::string_view collective;
    uint32_t ranks = 2;
    uint32_t chunks = 1;
    bool in_place = false;
    std::string_view more = "";  // further attributes
  };
  explicit File(const Head& head)
      : text_(fmt::format("<algo name=\"sample\" proto=\"LL\" nchannels=\"1\" nchunksperloop=\"{}\" ngpus=\"{}\" coll=\"{}\" inplace=\"{}\" {}>\n", head.chunks,
                          head.ranks, head.collective, head.in_place ? 1 : 0, head.more)) {}

  void gpu(uint32_t id, uint32_t scratch = 0) {
    end_gpu();
    text_ += fmt::format("  <gpu id=\"{}\" i_chunks=\"0\" o_chunks=\"0\" s_chunks=\"{}\">\n", id, scratch);
    block_count_ = 0;
    in_gpu_ = true;
  }
  void block(int send, int receive, uint32_t channel = 0) {
    end_block();
    text_ += fmt::format("    <tb id=\"{}\" send=\"{}\" recv=\"{}\" chan=\"{}\">\n", block_count_++, send, receive, channel);
    step_count_ = 0;
    in_block_ = true;
  }
  // `source` and `target` as in "i3".
  void step(std::string_view type, std::string_view source, std::string_view target, uint32_t count = 1, Wait wait = {}) {
    text_ += fmt::format(
        "      <step s=\"{}\" type=\"{}\" srcbuf=\"{}\" srcoff=\"{}\" dstbuf=\"{}\" dstoff=\"{}\" cnt=\"{}\" depid=\"{}\" deps=\"{}\" hasdep=\"0\"/>\n",
        step_count_++, type, source[0], source.substr(1), target[0], target.substr(1), count, wait.block, wait.step);
  }
  std::string text() {
    end_gpu();
    return text_ + "</algo>\n";
  }

 private:
  void end_block() {
    text_ += in_block_ ? "    </tb>\n" : "";
    in_block_ = false;
  }
  void end_gpu() {
    end_block();
    text_ += in_gpu_ ? "  </gpu>\n" : "";
    in_gpu_ = false;
  }

  std::string text_;
  bool in_gpu_ = false;
  bool in_block_ = false;
  uint32_t block_count_ = 0;
  uint32_t step_count_ = 0;
};

inline std::string at(char buffer, uint32_t slot) { return fmt::format("{}{}", buffer, slot); }

// Each rank's only threadblock sends to the next and receives from the previous; chunks go around twice. What passes by is not kept. `instances` such
// rings on channels of their own, each for its share.
inline std::string ring_all_reduce(uint32_t ranks, uint32_t instances = 1) {
  File file({.collective = "allreduce", .ranks = ranks, .chunks = ranks * instances, .in_place = true});
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    file.gpu(rank);
    for (uint32_t instance = 0; instance < instances; ++instance) {
      file.block(static_cast<int>((rank + 1) % ranks), static_cast<int>((rank + ranks - 1) % ranks), instance);
      for (uint32_t hop = 0; hop <= 2 * ranks - 2; ++hop) {
        const std::string chunk = at('i', (rank + 2 * ranks - hop) % ranks * instances + instance);
        file.step(hop == 0 ? "s" : hop < ranks - 1 ? "rrs" : hop == ranks - 1 ? "rrcs" : hop < 2 * ranks - 2 ? "rcs" : "r", chunk, chunk);
      }
    }
  }
  return file.text();
}

// Every rank sends every other its share, adds what comes into scratch, and sends the sum to all.
inline std::string all_pairs_all_reduce(uint32_t ranks) {
  File file({.collective = "allreduce", .ranks = ranks, .chunks = ranks, .in_place = true});
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    file.gpu(rank, ranks - 1);
    std::vector<uint32_t> peers;
    for (uint32_t peer = 0; peer < ranks; ++peer) {
      if (peer != rank) {
        peers.push_back(peer);
      }
    }
    file.block(-1, -1);
    for (uint32_t index = 1; index + 1 < ranks; ++index) {
      file.step("nop", "i-1", "o-1", 0, {static_cast<int>(index + 1), 1});
    }
    for (uint32_t index = 0; index + 1 < ranks; ++index) {
      file.step("re", at('s', index), at('i', rank), 1, index == 0 ? Wait{1, 1} : Wait{});
    }
    for (uint32_t index = 0; index + 1 < ranks; ++index) {
      const std::string theirs = at('i', peers[index]);
      file.block(static_cast<int>(peers[index]), static_cast<int>(peers[index]));
      file.step("s", theirs, at('s', 0));
      file.step("r", "i0", at('s', index));
      file.step("s", at('i', rank), at('i', rank), 1, {0, static_cast<int>(2 * ranks - 4)});
      file.step("r", theirs, theirs);
    }
  }
  return file.text();
}

// Every rank sends every other all it has, and adds up what comes, in an order of its own.
inline std::string one_step_all_reduce(uint32_t ranks) {
  File file({.collective = "allreduce", .ranks = ranks, .chunks = 2, .in_place = true});
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    file.gpu(rank, 2 * (ranks - 1));
    file.block(-1, -1);
    for (uint32_t index = 1; index + 1 < ranks; ++index) {
      file.step("nop", "i-1", "o-1", 0, {static_cast<int>(index + 1), 1});
    }
    for (uint32_t index = 0; index + 1 < ranks; ++index) {
      file.step("re", at('s', 2 * index), "i0", 2, index == 0 ? Wait{1, 1} : Wait{});
    }
    for (uint32_t index = 0; index + 1 < ranks; ++index) {
      const auto peer = static_cast<int>((rank + index + 1) % ranks);
      file.block(peer, peer);
      file.step("s", "i0", "s0", 2);
      file.step("r", "i0", at('s', 2 * index), 2);
    }
  }
  return file.text();
}

// `parts` chunks of every block, each in a threadblock pair on a channel of its own.
inline std::string ring_all_gather(uint32_t ranks, uint32_t parts, bool in_place) {
  File file({.collective = "allgather", .ranks = ranks, .chunks = ranks * parts, .in_place = in_place});
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    file.gpu(rank);
    for (uint32_t part = 0; part < parts; ++part) {
      const std::string own = at('o', rank * parts + part);
      file.block(static_cast<int>((rank + 1) % ranks), static_cast<int>((rank + ranks - 1) % ranks), part);
      file.step("s", in_place ? own : at('i', part), own);
      for (uint32_t hop = 1; hop < ranks; ++hop) {
        const std::string chunk = at('o', (rank + ranks - hop) % ranks * parts + part);
        file.step(hop + 1 < ranks ? "rcs" : "r", chunk, chunk);
      }
      if (!in_place) {
        file.block(-1, -1);
        file.step("cpy", at('i', part), own);
      }
    }
  }
  return file.text();
}

// Every rank adds what the others send it to its own block: kept in the input if in place, as MSCCL's tools have it.
inline std::string direct_reduce_scatter(uint32_t ranks, bool in_place) {
  File file({.collective = "reduce_scatter", .ranks = ranks, .chunks = ranks, .in_place = in_place});
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    file.gpu(rank);
    for (uint32_t distance = 1; distance < ranks; ++distance) {
      const uint32_t target = (rank + distance) % ranks;
      file.block(static_cast<int>(target), -1);
      file.step("s", at('i', target), at('i', target));
    }
    for (uint32_t distance = 1; distance < ranks; ++distance) {
      const std::string own = at('i', rank);
      const std::string sum = in_place ? own : "o0";
      file.block(-1, static_cast<int>((rank + distance) % ranks));
      file.step("rrc", distance == 1 ? own : sum, sum, 1,
                distance == 1 ? Wait{} : Wait{static_cast<int>(ranks - 1 + distance - 2), 0});
    }
  }
  return file.text();
}

// All blocks for a rank's partner come through scratch, two ranks at a time: 0 and 1, 2 and 3, ... of an even number.
inline std::string two_step_all_to_all() {
  File file({.collective = "alltoall", .ranks = 4, .chunks = 4});
  for (uint32_t rank = 0; rank < 4; ++rank) {
    file.gpu(rank, 4);
    const uint32_t near = rank ^ 1;
    const uint32_t far = rank ^ 2;
    file.block(-1, -1);
    file.step("cpy", at('i', rank), at('o', rank));
    // To the neighbour what is for it, and what is for the neighbour's partner across.
    file.block(static_cast<int>(near), static_cast<int>(near));
    file.step("s", at('i', near), "o0");
    file.step("r", "i0", at('o', near));
    file.step("s", at('i', near ^ 2), "s0");
    file.step("r", "i0", "s0");
    file.block(static_cast<int>(far), static_cast<int>(far));
    file.step("s", at('i', far), "o0");
    file.step("r", "i0", at('o', far));
    file.step("s", "s0", "o0", 1, {1, 3});
    file.step("r", "s0", at('o', far ^ 1));
  }
  return file.text();
}

// Down a chain from rank 0, in two chunks.
inline std::string chain_broadcast(uint32_t ranks) {
  File file({.collective = "broadcast", .ranks = ranks, .chunks = 2});
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    file.gpu(rank);
    file.block(rank + 1 < ranks ? static_cast<int>(rank + 1) : -1, rank > 0 ? static_cast<int>(rank - 1) : -1);
    for (uint32_t chunk = 0; chunk < 2; ++chunk) {
      file.step(rank == 0 ? "s" : rank + 1 < ranks ? "rcs" : "r", at(rank == 0 ? 'i' : 'o', chunk), at('o', chunk));
    }
    if (rank == 0) {
      file.block(-1, -1);
      file.step("cpy", "i0", "o0", 2);
    }
  }
  return file.text();
}

}  // namespace tutti::msccl::samples
