// SPDX-License-Identifier: Apache-2.0
// What ranks must agree on about one call, and how a disagreement is told.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.hpp"
#include "schedule/problem.hpp"
#include "tutti/tutti.h"

namespace tutti::engine {

struct Signature {
  schedule::Collective collective = schedule::Collective::all_reduce;
  schedule::Blocks blocks = schedule::Blocks::equal;
  tuttiDataType_t datatype = tuttiInt8;
  int32_t op = 0;      // tuttiRedOp_t; operators made at run time all count as kCustomOperator
  int32_t root = -1;   // -1: the collective has none
  // For variable blocks a digest of the counts where all ranks pass the same ones, else 0: their messages carry their own lengths.
  uint64_t count = 0;

  bool operator==(const Signature&) const = default;

  static constexpr size_t kEncodedBytes = 24;
  std::array<std::byte, kEncodedBytes> encode() const;
  // False for bytes that no encode() wrote.
  static bool decode(std::span<const std::byte, kEncodedBytes> bytes, Signature* signature);
};

inline constexpr int32_t kCustomOperator = tuttiNumOps;

// Covers all of the signature.
uint32_t fingerprint(const Signature& signature);
// Covers all calls up to and including this one; travels in every frame. Ranks that once disagreed never agree again, so that a disagreement that
// no frame of its own call tells, as when two ranks take each other for the root, shows in the next call.
inline uint32_t chain(uint32_t before, uint32_t fingerprint) { return static_cast<uint32_t>(hash_combine(before, fingerprint) >> 32); }

// "allgatherv" for variable blocks.
std::string collective_name(const Signature& signature);

struct SignatureOfRank {
  uint32_t rank;
  const Signature& signature;
};
// "rank 3 passed count 1024, rank 0 passed count 512"; the first difference that people care about.
std::string describe_difference(const SignatureOfRank& one, const SignatureOfRank& other);

// `allreduce #42 on "world"`
struct OperationName {
  const Signature& signature;
  uint64_t sequence;
  std::string_view communicator;
};
std::string to_string(const OperationName& name);

}  // namespace tutti::engine
