// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <memory>
#include <simgrid/s4u.hpp>

#include "cases.hpp"

namespace tutti::tests {
namespace {

namespace s4u = simgrid::s4u;

constexpr auto kPolicy = s4u::Link::SharingPolicy::SPLITDUPLEX;
constexpr double kLatencyS = 0;

s4u::ClusterCallbacks hosts_of(const std::string& machine) {
  return s4u::ClusterCallbacks([machine](s4u::NetZone* zone, const std::vector<unsigned long>&, unsigned long id) {
    return std::pair<simgrid::kernel::routing::NetPoint*, simgrid::kernel::routing::NetPoint*>(
        zone->create_host(machine + "-" + std::to_string(id), 1e9)->get_netpoint(), nullptr);
  });
}

std::string name_of(Machine machine) { return "m" + std::to_string(static_cast<int>(machine)); }

void add(const s4u::NetZone* root, Machine machine) {
  const std::string name = name_of(machine);
  const s4u::ClusterCallbacks hosts = hosts_of(name);
  switch (machine) {
    case Machine::torus: s4u::create_torus_zone(name, root, {3, 5, 3}, hosts, kBytesPerS, kLatencyS, kPolicy)->seal(); break;
    case Machine::fat_tree:
      s4u::create_fatTree_zone(name, root, {2, {4, 4}, {1, 4}, {1, 1}}, hosts, kBytesPerS, kLatencyS, kPolicy)->seal();
      break;
    case Machine::tapered_tree:
      s4u::create_fatTree_zone(name, root, {2, {4, 4}, {1, 2}, {1, 1}}, hosts, kBytesPerS, kLatencyS, kPolicy)->seal();
      break;
    case Machine::dragonfly:
      s4u::create_dragonfly_zone(name, root, {{4, 1}, {1, 1}, {4, 1}, 2}, hosts, kBytesPerS, kLatencyS, kPolicy)->seal();
      break;
  }
}

}  // namespace

std::vector<double> simgrid_times(const std::vector<Case>& cases) {
  std::vector<std::string> words = {"simgrid_tests", "--cfg=network/model:CM02",  // no factors on bandwidth and latency
                                    "--cfg=network/crosstraffic:0", "--cfg=network/TCP-gamma:0", "--log=root.thresh:warning"};
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  auto count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  s4u::Engine engine(&count, arguments.data());
  const s4u::NetZone* root = s4u::create_full_zone("root");
  for (const Machine machine : {Machine::torus, Machine::fat_tree, Machine::tapered_tree, Machine::dragonfly}) {
    add(root, machine);
  }
  std::vector<double> times;
  const auto host = [&](Machine machine, uint32_t chip) { return engine.host_by_name(name_of(machine) + "-" + std::to_string(chip)); };
  s4u::Actor::create("conductor", host(Machine::torus, 0), [&] {
    for (const Case& one : cases) {
      const double begin = s4u::Engine::get_clock();
      std::vector<s4u::CommPtr> messages;
      for (const Message& message : one.messages) {
        messages.push_back(s4u::Comm::sendto_async(host(one.machine, message.source), host(one.machine, message.target), kBytes));
      }
      s4u::Comm::wait_all(messages);
      times.push_back(s4u::Engine::get_clock() - begin);
    }
  });
  engine.run();
  return times;
}

}  // namespace tutti::tests
