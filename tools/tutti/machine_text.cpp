// SPDX-License-Identifier: Apache-2.0
#include "machine_text.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "model_text.hpp"
#include "topology/processor_quota.hpp"

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

std::string adapter_text(const topology::NetworkAdapter& adapter) {
  std::string text = adapter.name;
  if (adapter.bits_per_s != 0) {
    text += fmt::format(", {} Gbit/s", static_cast<double>(adapter.bits_per_s) / 1e9);
  }
  return text + (adapter.is_near_all ? std::string() : fmt::format(", next to processor {}", adapter.processor));
}

std::string_view name_of(topology::NetworkAdapter::Kind kind) { return kind == topology::NetworkAdapter::Kind::rdma ? "RDMA" : "network"; }

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

Result<ThisMachine> this_machine() {
  auto domains = domains_of_this_machine();
  if (!domains) {
    return tl::make_unexpected(domains.error());
  }
  auto adapters = topology::network_adapters();
  if (!adapters) {
    return tl::make_unexpected(adapters.error());
  }
  return ThisMachine{.domains = std::move(*domains),
                     .processor_quota = topology::processor_quota_of_this_process(),
                     .adapters = std::move(*adapters),
                     .measured = comm::measured_links_of_this_machine()};
}

std::string tree_text(const ThisMachine& machine) {
  size_t count = 0;
  for (const Domain& domain : machine.domains) {
    count += domain.processors.size();
  }
  std::string text = fmt::format("this machine: {} to use", counted(count, "processor"));
  text += machine.processor_quota == 0 ? "\n" : fmt::format(", time for {}\n", machine.processor_quota);
  const Domain* previous = nullptr;
  for (const Domain& domain : machine.domains) {
    const bool same_package = previous != nullptr && previous->place.package == domain.place.package;
    const bool same_node = same_package && previous->place.numa_node == domain.place.numa_node;
    text += same_package ? "" : fmt::format("└─ package of processor {}\n", domain.place.package);
    text += same_node ? "" : fmt::format("   └─ NUMA node of processor {}\n", domain.place.numa_node);
    text += fmt::format("      └─ last-level cache: {} {}\n", domain.processors.size() == 1 ? "processor" : "processors",
                        ranges_text(domain.processors));
    previous = &domain;
  }
  for (const topology::NetworkAdapter& adapter : machine.adapters) {
    text += fmt::format("└─ {} adapter {}\n", name_of(adapter.kind), adapter_text(adapter));
  }
  for (const comm::MeasuredLink& link : machine.measured.links) {
    text += fmt::format("└─ measured link between two ranks, {}: {} ns, {:.2f} GB/s\n", link.transport, link.latency_ns,
                        static_cast<double>(link.bandwidth_bytes_per_s) / 1e9);
  }
  return text + (machine.measured.links.empty() ? "└─ links between ranks are not measured; calibrate --save does that\n" : "");
}

std::string json_text(const ThisMachine& machine) {
  nlohmann::ordered_json json = {{"name", "this machine"},
                                 {"processor_quota", machine.processor_quota},
                                 {"domains", nlohmann::ordered_json::array()},
                                 {"adapters", nlohmann::ordered_json::array()},
                                 {"measured_links", nlohmann::ordered_json::array()}};
  for (const topology::NetworkAdapter& adapter : machine.adapters) {
    json["adapters"].push_back({{"name", adapter.name},
                                {"kind", name_of(adapter.kind)},
                                {"bits_per_s", adapter.bits_per_s},
                                {"processor", adapter.processor},
                                {"is_near_all", adapter.is_near_all}});
  }
  for (const comm::MeasuredLink& link : machine.measured.links) {
    json["measured_links"].push_back(
        {{"transport", link.transport}, {"latency_ns", link.latency_ns}, {"bandwidth_bytes_per_s", link.bandwidth_bytes_per_s}});
  }
  for (const Domain& domain : machine.domains) {
    json["domains"].push_back({{"package", domain.place.package},
                               {"numa_node", domain.place.numa_node},
                               {"cache", domain.place.cache},
                               {"processors", domain.processors}});
  }
  return json.dump(2) + "\n";
}

}  // namespace tutti::tool
