// SPDX-License-Identifier: Apache-2.0
#include "msccl/program.hpp"

#include <fmt/format.h>

#include <array>

namespace tutti::msccl {
namespace {

// In the order of StepType.
constexpr std::array<std::string_view, 9> kWords = {"s", "r", "rcs", "rrs", "rrc", "rrcs", "cpy", "re", "nop"};

}  // namespace

std::string_view word_of(StepType type) { return kWords[static_cast<size_t>(type)]; }

bool receives(StepType type) { return type >= StepType::receive && type <= StepType::receive_reduce_copy_send; }

bool sends(StepType type) {
  return type == StepType::send || type == StepType::receive_copy_send || type == StepType::receive_reduce_send ||
         type == StepType::receive_reduce_copy_send;
}

bool has_source(StepType type) { return type != StepType::receive && type != StepType::receive_copy_send && type != StepType::nop; }

bool has_target(StepType type) { return type != StepType::send && type != StepType::receive_reduce_send && type != StepType::nop; }

std::string text_of(Place place) {
  constexpr std::array<char, 3> kLetters = {'i', 'o', 's'};
  return fmt::format("{}[{}]", kLetters[static_cast<size_t>(place.memory)], place.slot);
}

std::string Program::place_of(uint32_t rank, uint32_t block, uint32_t step) const {
  const Step& description = gpus[rank].blocks[block].steps[step];
  return fmt::format("{}:{}: gpu {}, tb {}, step {} ({})", file, description.line, rank, block, step, word_of(description.type));
}

std::string_view collective_word(schedule::Collective collective) {
  return collective == schedule::Collective::reduce_scatter ? std::string_view("reduce_scatter") : schedule::name_of(collective);
}

}  // namespace tutti::msccl
