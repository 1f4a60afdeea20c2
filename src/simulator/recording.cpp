// SPDX-License-Identifier: Apache-2.0
#include "simulator/recording.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace tutti::simulator {
namespace {

// Time in equal parts, each with what has been added to it.
class Parts {
 public:
  explicit Parts(const UseRequest& request)
      : begin_ns_(request.begin_ns),
        width_ns_(std::max(static_cast<double>(request.end_ns - request.begin_ns) / static_cast<double>(request.part_count), 1e-9)),
        part_count_(request.part_count) {}

  double width_ns() const { return width_ns_; }

  void add(const sim::Flight& flight, double amount, std::vector<double>& sums) const {
    const double begin = place(flight.begin_ns);
    const double end = std::max(place(flight.depart_ns), begin + 1e-6);
    const auto last = std::min(static_cast<size_t>(end), part_count_ - 1);
    for (auto part = std::min(static_cast<size_t>(begin), part_count_ - 1); part <= last; ++part) {
      const double from = std::max(begin, static_cast<double>(part));
      const double to = part == last ? end : static_cast<double>(part + 1);
      sums[part] += amount * (to - from) / (end - begin);
    }
  }

 private:
  double place(uint64_t at_ns) const { return static_cast<double>(at_ns - std::min(at_ns, begin_ns_)) / width_ns_; }

  uint64_t begin_ns_;
  double width_ns_;
  size_t part_count_;
};

}  // namespace

LinkUse use_over_time(std::span<const sim::Flight> flights, const UseRequest& request) {
  const Parts parts(request);
  topology::Traffic traffic(request.fabric, request.traffic);
  std::unordered_map<topology::LinkId, size_t> asked;
  for (size_t index = 0; index < request.links.size(); ++index) {
    asked[request.links[index]] = index;
  }
  LinkUse use{.all = std::vector<double>(request.part_count), .each = {}};
  use.each.assign(request.links.size(), use.all);
  std::vector<bool> is_used(request.fabric->link_count());
  std::unordered_map<topology::LinkId, uint64_t> latest_gang;
  for (const sim::Flight& flight : flights) {
    double times = 0;  // what the links take for the frame, altogether
    for (const topology::LinkId link : traffic.route(flight.source, flight.target, flight.way).links) {
      if (flight.gang != 0 && std::exchange(latest_gang[link], flight.gang) == flight.gang) {
        continue;
      }
      const double ns = static_cast<double>(flight.link_bytes) * 1e9 / static_cast<double>(request.fabric->bytes_per_s(link));
      times += ns;
      is_used[link] = true;
      if (const auto found = asked.find(link); found != asked.end()) {
        parts.add(flight, ns / parts.width_ns(), use.each[found->second]);
      }
    }
    parts.add(flight, times / parts.width_ns(), use.all);
  }
  const auto used = static_cast<double>(std::max<ptrdiff_t>(std::count(is_used.begin(), is_used.end(), true), 1));
  for (double& share : use.all) {
    share = std::min(share / used, 1.0);
  }
  for (std::vector<double>& shares : use.each) {
    for (double& share : shares) {
      share = std::min(share, 1.0);
    }
  }
  return use;
}

}  // namespace tutti::simulator
