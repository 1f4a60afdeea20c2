// SPDX-License-Identifier: Apache-2.0
#include "cost/bill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cost/arithmetic.hpp"
#include "cost/fabric_player.hpp"
#include "cost/player.hpp"

namespace tutti::cost {
namespace {

using schedule::Step;
using schedule::StepKind;
using topology::Adapters;

// What carries bytes on hosts: by name what has passed, and how fast it can.
class Carried {
 public:
  explicit Carried(const Play& play) : play_(play), layout_(layout_of(play)) {
    for (const schedule::Schedule& schedule : play.schedules) {
      for (const Step& step : schedule.steps) {
        add_step(schedule, step);
      }
    }
  }

  void find_bottleneck(Bill& bill) const {
    for (const auto& [name, load] : loads_) {
      take_if_busier(bill, load.bytes, load.bytes_per_s, [&] { return name; });
    }
  }

 private:
  struct Load {
    uint64_t bytes = 0;
    uint64_t bytes_per_s = 1;
  };

  void add_step(const schedule::Schedule& schedule, const Step& step) {
    const uint64_t bytes = cost::bytes_of(play_, layout_, step);
    if (step.kind == StepKind::send || step.kind == StepKind::signal) {
      add(schedule.rank, step.peer, bytes);
    } else if (play_.peers == Peers::absent && (step.kind == StepKind::receive || step.kind == StepKind::receive_reduce)) {
      add(step.peer, schedule.rank, bytes);
    } else if (step.kind == StepKind::copy && step.source.rank != schedule::kOwnRank && step.target.rank == schedule::kOwnRank) {
      add(step.source.rank, schedule.rank, bytes);
    } else if (step.kind == StepKind::reduce) {
      for (const schedule::Span& source : schedule.sources_of(step)) {
        if (source.rank != schedule::kOwnRank) {
          add(source.rank, schedule.rank, bytes);
        }
      }
    }
  }

  void add(uint32_t source, uint32_t target, uint64_t bytes) {
    const topology::Topology& topology = play_.topology;
    const uint64_t bytes_per_s = topology.link(source, target).bandwidth_bytes_per_s;
    if (topology.host(source) == topology.host(target) || topology.adapters == Adapters::per_link) {
      put(fmt::format("rank {} -> rank {}", source, target), bytes, bytes_per_s);
    } else if (topology.adapters == Adapters::per_rank) {
      put(fmt::format("rank {}'s adapter, outwards", source), bytes, bytes_per_s);
      put(fmt::format("rank {}'s adapter, inwards", target), bytes, bytes_per_s);
    } else {
      put(fmt::format("host {}'s adapter, outwards", topology.host(source)), bytes, bytes_per_s);
      put(fmt::format("host {}'s adapter, inwards", topology.host(target)), bytes, bytes_per_s);
    }
    const topology::Level* const level = topology.crossed(source, target);
    if (level != nullptr && level->crossing_bytes_per_s != 0) {
      put(fmt::format("{} {}, outwards", level->name, level->domains[source]), bytes, level->crossing_bytes_per_s);
      put(fmt::format("{} {}, inwards", level->name, level->domains[target]), bytes, level->crossing_bytes_per_s);
    }
  }

  void put(std::string name, uint64_t bytes, uint64_t bytes_per_s) {
    Load& load = loads_[std::move(name)];
    load.bytes = cost::add(load.bytes, bytes);
    load.bytes_per_s = bytes_per_s;
  }

  const Play& play_;
  schedule::Layout layout_;
  std::map<std::string, Load> loads_;
};

void add_fabric_parts(const Play& play, Bill& bill) {
  FabricPlayer player(play);
  bill.price_ns = player.run();
  const topology::Traffic& traffic = player.traffic();
  bill.start_ns = std::min(bill.price_ns, traffic.base_ns());
  bill.latency_ns = std::min(bill.price_ns - bill.start_ns, player.latency_ns());
  for (topology::LinkId link = 0; link < traffic.flows().link_count(); ++link) {
    take_if_busier(bill, traffic.flows().carried_bytes(link), traffic.flows().capacity(link), [&] { return traffic.fabric().name(link); });
  }
}

void add_host_parts(const Play& play, Bill& bill) {
  bill.price_ns = Player(play).run();
  Workload nothing = play.workload;
  nothing.element_count = 0;
  bill.latency_ns = std::min(bill.price_ns, Player({play.problem, play.schedules, play.peers, play.topology, nothing}).run());
  topology::Topology without_work = play.topology;
  without_work.reduce_bytes_per_s = UINT64_MAX;
  const uint64_t without_ns = Player({play.problem, play.schedules, play.peers, without_work, play.workload}).run();
  bill.reduction_ns = std::min(bill.price_ns - bill.latency_ns, bill.price_ns - std::min(bill.price_ns, without_ns));
  Carried(play).find_bottleneck(bill);
}

Bill bill_for(const Play& play) {
  Bill bill;
  play.topology.fabric() == nullptr ? add_host_parts(play, bill) : add_fabric_parts(play, bill);
  bill.transfer_ns = bill.price_ns - bill.start_ns - bill.latency_ns - bill.reduction_ns;
  for (const schedule::Schedule& schedule : play.schedules) {
    bill.step_count = std::max(bill.step_count, static_cast<uint32_t>(schedule.steps.size()));
  }
  return bill;
}

}  // namespace

Bill bill_of(const schedule::Problem& problem, std::span<const schedule::Schedule> schedules, const topology::Topology& topology,
             const Workload& workload) {
  return schedules.empty() ? Bill{} : bill_for({problem, schedules, Peers::present, topology, workload});
}

Bill bill_in_step_of(const schedule::Problem& problem, const schedule::Schedule& schedule, const topology::Topology& topology,
                     const Workload& workload) {
  return bill_for({problem, std::span(&schedule, 1), Peers::absent, topology, workload});
}

}  // namespace tutti::cost
