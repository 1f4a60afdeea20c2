// SPDX-License-Identifier: Apache-2.0
#include "comm/algorithm_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/log.hpp"
#include "msccl/import.hpp"

namespace tutti::comm {
namespace {

constexpr std::string_view kVariable = "TUTTI_ALGO_FILE";

// A file's algorithm, for the planner to call.
class FileAlgorithm {
 public:
  FileAlgorithm(msccl::Imported imported, std::string name)
      : imported_(std::move(imported)), name_(std::move(name)), idea_(fmt::format("as {} has it", imported_.file)) {}

  planner::Algorithm algorithm() const {
    planner::Algorithm algorithm{.name = name_, .idea = idea_, .applies = {}, .build = {}};
    algorithm.applies = decltype(algorithm.applies)::of<&FileAlgorithm::applies>(*this);
    algorithm.build = decltype(algorithm.build)::of<&FileAlgorithm::build>(*this);
    return algorithm;
  }
  const msccl::Imported& imported() const { return imported_; }

 private:
  bool applies(const schedule::Problem& problem, const topology::Topology&) const {
    const schedule::Problem& own = imported_.problem;
    return problem.collective == own.collective && problem.rank_count == own.rank_count && problem.blocks == own.blocks &&
           (!schedule::is_rooted(own.collective) || problem.root == own.root);
  }
  schedule::Schedule build(const schedule::Problem& problem, const topology::Topology&, uint32_t rank) const {
    return imported_.schedule(rank, problem.in_place);
  }

  const msccl::Imported imported_;
  const std::string name_;
  const std::string idea_;
};

// "msccl:ring", or "msccl:ring(2)" for the second of that name.
std::string name_for(const msccl::Imported& imported, const std::vector<planner::Prescription>& others) {
  const std::string plain = "msccl:" + imported.name;
  std::string name = plain;
  for (size_t number = 2; std::ranges::any_of(others, [&](const planner::Prescription& other) { return other.algorithm.name == name; }); ++number) {
    name = fmt::format("{}({})", plain, number);
  }
  return name;
}

planner::Prescription prescription_of(msccl::Imported imported, const std::vector<planner::Prescription>& others) {
  std::string name = name_for(imported, others);
  const auto file = std::make_shared<const FileAlgorithm>(std::move(imported), std::move(name));
  return {.algorithm = file->algorithm(),
          .problem = file->imported().problem,
          .least_bytes = file->imported().least_bytes,
          .most_bytes = file->imported().most_bytes,
          .digest = file->imported().digest,
          .source = std::string(kVariable),
          .owner = file};
}

}  // namespace

Result<std::vector<planner::Prescription>> load_algorithm_files(std::string_view paths, uint32_t rank_count, Misfits misfits) {
  std::vector<planner::Prescription> prescriptions;
  std::string passed_over;
  size_t count = 0;
  while (!paths.empty()) {
    const size_t end = std::min(paths.find(':'), paths.size());
    const std::string path(paths.substr(0, end));
    paths.remove_prefix(std::min(end + 1, paths.size()));
    if (path.empty()) {
      continue;
    }
    if (++count > planner::kMostPrescriptions) {
      return tl::make_unexpected(invalid_argument("more than {} files", planner::kMostPrescriptions));
    }
    const Result<msccl::Program> program = msccl::read(path);
    if (!program) {
      return tl::make_unexpected(program.error());
    }
    if (program->rank_count() != rank_count) {
      passed_over += fmt::format("{}{} is for {}", passed_over.empty() ? "" : ", ", program->file, program->rank_count());
      continue;
    }
    Result<msccl::Imported> imported = msccl::import_program(*program);
    if (!imported) {
      return tl::make_unexpected(imported.error());
    }
    prescriptions.push_back(prescription_of(std::move(*imported), prescriptions));
  }
  if (prescriptions.empty() && !passed_over.empty()) {
    if (misfits == Misfits::error) {
      return tl::make_unexpected(invalid_argument("no file for {} {}: {}", rank_count, rank_count == 1 ? "rank" : "ranks", passed_over));
    }
    log::info("{}: no file for {} ranks: {}", kVariable, rank_count, passed_over);
  }
  return prescriptions;
}

std::string to_string(const std::vector<planner::Prescription>& prescriptions) {
  std::string text;
  for (const planner::Prescription& prescription : prescriptions) {
    text += fmt::format("{}{}#{:016x}", text.empty() ? "" : ", ", prescription.algorithm.name, prescription.digest);
  }
  return text;
}

}  // namespace tutti::comm
