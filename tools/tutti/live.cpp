// SPDX-License-Identifier: Apache-2.0
#include "live.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "commands.hpp"
#include "model_text.hpp"
#include "tutti/tutti.h"

namespace tutti::tool {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMostTextBytes = size_t{64} << 20;  // of all ranks together: some 500 ranks

// A communicator that ends with its scope.
class WholeJob {
 public:
  WholeJob() {
    const tuttiResult_t result = ::tuttiCommInitFromEnv(&comm_, nullptr);
    if (result != tuttiSuccess) {
      fail(result == tuttiInvalidUsage ? kWrongUsage : kWrongInput, ::tuttiGetLastError(nullptr));
    }
    require(::tuttiCommUserRank(comm_, &rank_));
    require(::tuttiCommCount(comm_, &rank_count_));
  }
  ~WholeJob() { (void)::tuttiCommDestroy(comm_); }
  WholeJob(const WholeJob&) = delete;
  WholeJob& operator=(const WholeJob&) = delete;

  int rank() const { return rank_; }
  size_t rank_count() const { return static_cast<size_t>(rank_count_); }

  std::string own_links() const {
    size_t length = 0;
    require(::tuttiCommLinks(comm_, nullptr, 0, &length));
    std::string text(length + 1, '\0');
    require(::tuttiCommLinks(comm_, text.data(), text.size(), nullptr));
    text.pop_back();
    return text;
  }

  std::vector<std::string> gather(const std::string& own) const {
    const uint64_t own_bytes = own.size();
    std::vector<uint64_t> lengths(rank_count());
    require(::tuttiAllGather(&own_bytes, lengths.data(), 1, tuttiUint64, comm_, nullptr));
    require(::tuttiCommSynchronize(comm_));
    std::vector<size_t> counts(lengths.begin(), lengths.end());
    std::vector<size_t> begins(rank_count());
    std::exclusive_scan(counts.begin(), counts.end(), begins.begin(), size_t{0});
    std::string all(begins.back() + counts.back(), '\0');
    if (all.size() > kMostTextBytes) {
      fail(kWrongInput, fmt::format("the links of {} ranks take {} bytes, more than {}", rank_count(), all.size(), kMostTextBytes));
    }
    require(::tuttiAllGatherV(own.data(), own.size(), all.data(), counts.data(), begins.data(), tuttiUint8, comm_, nullptr));
    require(::tuttiCommSynchronize(comm_));
    std::vector<std::string> texts;
    for (size_t rank = 0; rank < rank_count(); ++rank) {
      texts.push_back(all.substr(begins[rank], counts[rank]));
    }
    return texts;
  }

 private:
  void require(tuttiResult_t result) const {
    if (result != tuttiSuccess) {
      fail(kWrongInput, ::tuttiGetLastError(comm_));
    }
  }

  tuttiComm_t comm_ = nullptr;
  int rank_ = 0;
  int rank_count_ = 1;
};

std::vector<ordered_json> parsed(const std::vector<std::string>& links_by_rank) {
  std::vector<ordered_json> ranks;
  std::ranges::transform(links_by_rank, std::back_inserter(ranks), [](const std::string& text) { return ordered_json::parse(text); });
  return ranks;
}

std::string reasons_text(const ordered_json& entries, std::string_view indent) {
  std::string text;
  for (const ordered_json& entry : entries) {
    text += fmt::format("{}not {}: {}\n", indent, entry["transport"].get<std::string>(), entry["reason"].get<std::string>());
  }
  return text;
}

}  // namespace

std::vector<std::string> links_of_all_ranks() {
  const WholeJob job;
  std::vector<std::string> texts = job.gather(job.own_links());
  return job.rank() == 0 ? texts : std::vector<std::string>();
}

std::string live_text(const std::vector<std::string>& links_by_rank) {
  const std::vector<ordered_json> ranks = parsed(links_by_rank);
  std::set<std::string> hosts;
  std::ranges::for_each(ranks, [&](const ordered_json& rank) { hosts.insert(rank["host"].get<std::string>()); });
  std::string text = fmt::format("{} on {}\n", counted(ranks.size(), "rank"), counted(hosts.size(), "host"));
  text += fmt::format("{:>4} {:>4}  {:<10} {:>12} {:>12}  {}\n", "rank", "rank", "transport", "latency", "bandwidth", "source of the figures; link");
  for (const ordered_json& rank : ranks) {
    const auto number = rank["rank"].get<uint32_t>();
    for (const ordered_json& link : rank["links"]) {
      if (link["peer"].get<uint32_t>() < number) {
        continue;  // told by the lower rank
      }
      text += fmt::format("{:>4} {:>4}  {:<10} {:>9.2f} us {:>7.2f} GB/s  {}; {}\n", number, link["peer"].get<uint32_t>(),
                          link["transport"].get<std::string>(), link["latency_ns"].get<double>() / 1e3,
                          link["bandwidth_bytes_per_s"].get<double>() / 1e9, link["source"].get<std::string>(),
                          link["description"].get<std::string>());
      text += reasons_text(link["passed_over"], "           ");
    }
  }
  for (const ordered_json& rank : ranks) {
    if (!rank["left_out"].empty()) {
      text += fmt::format("rank {} has\n{}", rank["rank"].get<uint32_t>(), reasons_text(rank["left_out"], "           "));
    }
  }
  return text;
}

std::string live_json(const std::vector<std::string>& links_by_rank) { return ordered_json({{"ranks", parsed(links_by_rank)}}).dump(2) + "\n"; }

}  // namespace tutti::tool
