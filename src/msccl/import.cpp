// SPDX-License-Identifier: Apache-2.0
#include "msccl/import.hpp"

#include <algorithm>

#include "base/hash.hpp"
#include "msccl/weaver.hpp"
#include "schedule/verifier.hpp"

namespace tutti::msccl {
namespace {

using schedule::Collective;
using schedule::InPlace;
using schedule::Schedule;

// Of a program that does not say: who of a broadcast or scatter receives nothing, or of a reduce or gather sends nothing; 0 if several do.
uint32_t root_of(const Program& program) {
  if (program.root || !schedule::is_rooted(program.collective)) {
    return program.root.value_or(0);
  }
  const bool is_fan_out = program.collective == Collective::broadcast || program.collective == Collective::scatter;
  uint32_t root = kNone;
  for (uint32_t rank = 0; rank < program.rank_count(); ++rank) {
    const bool is_end = std::ranges::none_of(program.gpus[rank].blocks, [&](const Block& block) {
      return std::ranges::any_of(block.steps, [&](const Step& step) { return is_fan_out ? receives(step.type) : sends(step.type); });
    });
    if (is_end && root != kNone) {
      return 0;
    }
    root = is_end ? rank : root;
  }
  return root == kNone ? 0 : root;
}

// Collectives take channels in turn, so all ranks must count the same.
void count_channels_alike(std::vector<Woven>& woven) {
  uint32_t most = 1;
  for (const Woven& one : woven) {
    most = std::max(most, one.schedule.channel_count);
  }
  for (Woven& one : woven) {
    one.schedule.channel_count = most;
  }
}

std::vector<Woven> weave_all(const Weaver& weaver, uint32_t rank_count, const Weave& how) {
  std::vector<Woven> woven;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    woven.push_back(weaver.weave(rank, how));
  }
  count_channels_alike(woven);
  return woven;
}

// Of those ranks that `is_in_place` says, `in_place`; of the others `apart`.
template <typename IsInPlace>
Status verify_mixed(const Program& program, const Shape& shape, const std::vector<Woven>& apart, const std::vector<Woven>& in_place,
                    IsInPlace is_in_place) {
  std::vector<Schedule> schedules;
  for (uint32_t rank = 0; rank < shape.problem.rank_count; ++rank) {
    schedules.push_back((is_in_place(rank) ? in_place : apart)[rank].schedule);
  }
  const auto step_name = [&](uint32_t rank, uint32_t step) {
    const Origin& origin = (is_in_place(rank) ? in_place : apart)[rank].origins[step];
    return origin.block == kNone ? fmt::format("{}: gpu {}, the copy of its input", program.file, rank)
                                 : program.place_of(rank, origin.block, origin.step);
  };
  return schedule::verify(shape.problem, schedules,
                          {.in_place = [&](uint32_t rank) { return is_in_place(rank) ? InPlace::yes : InPlace::no; }, .step_name = step_name});
}

uint64_t hash_of(uint64_t seed, std::string_view text) {
  for (const char character : text) {
    seed = hash_combine(seed, static_cast<unsigned char>(character));
  }
  return hash_combine(seed, text.size());
}

uint64_t digest_of(const Imported& imported) {
  uint64_t seed = hash_of(schedule::hash(imported.problem), imported.name);
  seed = hash_combine(hash_combine(seed, imported.least_bytes), imported.most_bytes);
  for (const std::vector<Schedule>* schedules : {&imported.apart, &imported.in_place}) {
    for (const Schedule& schedule : *schedules) {
      seed = hash_of(seed, to_string(schedule));
    }
  }
  return seed;
}

// Sets the schedules. In the first form that is right: with sends that stream if they can.
Status weave_verified(const Program& program, const Shape& shape, const Weaver& weaver, bool streams, Imported* imported) {
  const uint32_t rank_count = shape.problem.rank_count;
  const std::vector<Woven> apart = weave_all(weaver, rank_count, {.in_place = InPlace::no, .streams = streams});
  std::vector<Woven> in_place = weave_all(weaver, rank_count, {.in_place = InPlace::yes, .streams = streams});
  const auto all = [](uint32_t) { return true; };
  TUTTI_RETURN_IF_ERROR(verify_mixed(program, shape, apart, in_place, [](uint32_t) { return false; }));
  if (const Status status = verify_mixed(program, shape, apart, in_place, all); !status.ok()) {
    if (program.is_in_place) {
      return status;
    }
    // It relies on its input until the end.
    in_place = weave_all(weaver, rank_count, {.in_place = InPlace::yes, .copies_input = true, .streams = streams});
    TUTTI_RETURN_IF_ERROR(verify_mixed(program, shape, apart, in_place, all));
  }
  TUTTI_RETURN_IF_ERROR(verify_mixed(program, shape, apart, in_place, [](uint32_t rank) { return rank % 2 == 0; }));
  imported->apart.clear();
  imported->in_place.clear();
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    imported->apart.push_back(apart[rank].schedule);
    imported->in_place.push_back(in_place[rank].schedule);
  }
  return {};
}

}  // namespace

Result<Imported> import_program(const Program& program) {
  const Result<Shape> shape = shape_of(program, root_of(program));
  if (!shape) {
    return tl::make_unexpected(shape.error());
  }
  const Result<Trace> trace = trace_of(program, *shape);
  if (!trace) {
    return tl::make_unexpected(trace.error());
  }
  const Weaver weaver(program, *shape, *trace);
  Imported imported{.file = program.file,
                    .name = program.name,
                    .problem = shape->problem,
                    .least_bytes = program.least_bytes,
                    .most_bytes = program.most_bytes,
                    .apart = {},
                    .in_place = {}};
  if (!weave_verified(program, *shape, weaver, true, &imported).ok()) {
    if (const Status status = weave_verified(program, *shape, weaver, false, &imported); !status.ok()) {
      const bool names_file = status.message().find(program.file) != std::string::npos;
      return tl::make_unexpected(names_file ? status : invalid_argument("{}: {}", program.file, status.message()));
    }
  }
  imported.digest = digest_of(imported);
  return imported;
}

Result<Imported> import_file(const std::string& path) {
  const Result<Program> program = read(path);
  return program ? import_program(*program) : tl::make_unexpected(program.error());
}

}  // namespace tutti::msccl
