// SPDX-License-Identifier: Apache-2.0
#include "machine_text.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "model_text.hpp"

namespace tutti::tool {
namespace {

// "0-3, 6"
std::string ranges_text(const std::vector<uint32_t>& ascending) {
  std::string text;
  for (size_t first = 0; first < ascending.size();) {
    size_t last = first;
    while (last + 1 < ascending.size() && ascending[last + 1] == ascending[last] + 1) {
      ++last;
    }
    text += text.empty() ? "" : ", ";
    text += first == last ? fmt::format("{}", ascending[first]) : fmt::format("{}-{}", ascending[first], ascending[last]);
    first = last + 1;
  }
  return text;
}

}  // namespace

Result<std::vector<Domain>> domains_of_this_machine() {
  const Result<topology::Processors> processors = topology::Processors::discover();
  if (!processors) {
    return tl::make_unexpected(processors.error());
  }
  const topology::ProcessorWords allowed = processors->allowed_to_process();
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, Domain> domains;
  for (uint32_t processor = 0; processor < allowed.size() * 64; ++processor) {
    if ((allowed[processor / 64] >> (processor % 64) & 1) == 0) {
      continue;
    }
    topology::ProcessorWords only(processor / 64 + 1);
    only.back() = uint64_t{1} << (processor % 64);
    const topology::Place place = processors->place_of(only, processor);
    Domain& domain = domains[{place.package, place.numa_node, place.cache}];
    domain.place = place;
    domain.processors.push_back(processor);
  }
  std::vector<Domain> result;
  for (auto& [key, domain] : domains) {
    result.push_back(std::move(domain));
  }
  return result;
}

std::string tree_text(const std::vector<Domain>& domains) {
  size_t count = 0;
  for (const Domain& domain : domains) {
    count += domain.processors.size();
  }
  std::string text = fmt::format("this machine: {} to use\n", counted(count, "processor"));
  const Domain* previous = nullptr;
  for (const Domain& domain : domains) {
    const bool same_package = previous != nullptr && previous->place.package == domain.place.package;
    const bool same_node = same_package && previous->place.numa_node == domain.place.numa_node;
    text += same_package ? "" : fmt::format("└─ package of processor {}\n", domain.place.package);
    text += same_node ? "" : fmt::format("   └─ NUMA node of processor {}\n", domain.place.numa_node);
    text += fmt::format("      └─ last-level cache: {} {}\n", domain.processors.size() == 1 ? "processor" : "processors",
                        ranges_text(domain.processors));
    previous = &domain;
  }
  return text;
}

std::string json_text(const std::vector<Domain>& domains) {
  nlohmann::ordered_json json = {{"name", "this machine"}, {"domains", nlohmann::ordered_json::array()}};
  for (const Domain& domain : domains) {
    json["domains"].push_back({{"package", domain.place.package},
                               {"numa_node", domain.place.numa_node},
                               {"cache", domain.place.cache},
                               {"processors", domain.processors}});
  }
  return json.dump(2) + "\n";
}

}  // namespace tutti::tool
