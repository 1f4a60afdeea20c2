// SPDX-License-Identifier: Apache-2.0
#include "engine/signature.hpp"

#include <fmt/format.h>

#include <cstring>

#include "base/hash.hpp"
#include "base/types.hpp"

namespace tutti::engine {

std::array<std::byte, Signature::kEncodedBytes> Signature::encode() const {
  std::array<std::byte, kEncodedBytes> bytes{};
  bytes[0] = static_cast<std::byte>(collective);
  bytes[1] = static_cast<std::byte>(blocks);
  bytes[2] = static_cast<std::byte>(datatype);
  std::memcpy(&bytes[4], &op, sizeof op);
  std::memcpy(&bytes[8], &root, sizeof root);
  std::memcpy(&bytes[16], &count, sizeof count);
  return bytes;
}

bool Signature::decode(std::span<const std::byte, kEncodedBytes> bytes, Signature* signature) {
  const auto collective = std::to_integer<uint32_t>(bytes[0]);
  const auto blocks = std::to_integer<uint32_t>(bytes[1]);
  const auto datatype = std::to_integer<uint32_t>(bytes[2]);
  if (collective >= schedule::kCollectiveCount || blocks > 1 || datatype >= tuttiNumTypes) {
    return false;
  }
  signature->collective = static_cast<schedule::Collective>(collective);
  signature->blocks = static_cast<schedule::Blocks>(blocks);
  signature->datatype = static_cast<tuttiDataType_t>(datatype);
  std::memcpy(&signature->op, &bytes[4], sizeof signature->op);
  std::memcpy(&signature->root, &bytes[8], sizeof signature->root);
  std::memcpy(&signature->count, &bytes[16], sizeof signature->count);
  return true;
}

uint32_t fingerprint(const Signature& signature) {
  const uint64_t kinds = static_cast<uint64_t>(signature.collective) | static_cast<uint64_t>(signature.blocks) << 8 |
                         static_cast<uint64_t>(signature.datatype) << 16 |
                         static_cast<uint64_t>(static_cast<uint32_t>(signature.op)) << 32;
  const uint64_t hash = hash_combine(hash_combine(kinds, signature.count), static_cast<uint32_t>(signature.root));
  return static_cast<uint32_t>(hash >> 32);
}

std::string collective_name(const Signature& signature) {
  return fmt::format("{}{}", schedule::name_of(signature.collective),
                     signature.blocks == schedule::Blocks::variable ? "v" : "");
}

namespace {

std::string operator_name(int32_t op) {
  return op == kCustomOperator ? "a custom operator" : std::string(name_of(static_cast<tuttiRedOp_t>(op)));
}

std::string two_sides(const SignatureOfRank& one, const SignatureOfRank& other, std::string_view one_says,
                      std::string_view other_says) {
  return fmt::format("rank {} {}, rank {} {}", one.rank, one_says, other.rank, other_says);
}

}  // namespace

std::string describe_difference(const SignatureOfRank& one, const SignatureOfRank& other) {
  const Signature& a = one.signature;
  const Signature& b = other.signature;
  if (a.collective != b.collective || a.blocks != b.blocks) {
    return two_sides(one, other, fmt::format("called {}", collective_name(a)), fmt::format("called {}", collective_name(b)));
  }
  if (a.root != b.root) {
    return two_sides(one, other, fmt::format("passed root {}", a.root), fmt::format("passed root {}", b.root));
  }
  if (a.datatype != b.datatype) {
    return two_sides(one, other, fmt::format("passed datatype {}", name_of(a.datatype)),
                     fmt::format("passed datatype {}", name_of(b.datatype)));
  }
  if (a.op != b.op) {
    return two_sides(one, other, fmt::format("passed operator {}", operator_name(a.op)),
                     fmt::format("passed operator {}", operator_name(b.op)));
  }
  if (a.blocks == schedule::Blocks::variable) {
    return two_sides(one, other, fmt::format("passed counts with digest {:x}", a.count), fmt::format("passed counts with digest {:x}", b.count));
  }
  return two_sides(one, other, fmt::format("passed count {}", a.count), fmt::format("passed count {}", b.count));
}

std::string to_string(const OperationName& name) {
  return fmt::format("{} #{} on \"{}\"", collective_name(name.signature), name.sequence, name.communicator);
}

}  // namespace tutti::engine
