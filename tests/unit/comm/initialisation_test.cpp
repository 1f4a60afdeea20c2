// SPDX-License-Identifier: Apache-2.0
// Ranks that come up together in one thread, over simulated transports and in virtual time.
#include "comm/initialisation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "bootstrap/unique_id.hpp"
#include "sim/network.hpp"
#include "support/msccl_files.hpp"
#include "transports/sim/sim_transport.hpp"
#include "unit/msccl/sample_files.hpp"

namespace tutti::comm {
namespace {

using testing::HasSubstr;
using transport::PeerState;

// Reaches nobody; what it believes about that is up to the test.
class UselessTransport final : public transport::Transport {
 public:
  explicit UselessTransport(PeerState state) : state_(state) {}
  std::vector<std::byte> address() const override { return {}; }
  void connect(uint32_t, std::span<const std::byte>) override {}
  void disconnect(uint32_t) override {}
  PeerState state(uint32_t) const override { return state_; }
  std::string reason(uint32_t) const override { return "it is useless"; }
  transport::Link* link(uint32_t) override { return nullptr; }
  size_t poll() override { return 0; }

 private:
  const PeerState state_;
};

class InitialisationTest : public testing::Test {
 protected:
  static constexpr uint32_t kRanks = 3;
  static constexpr uint64_t kTimeoutMs = 1'000;

  InitialisationTest() {
    for (Config& config : configs_) {
      config.timeout_ms = kTimeoutMs;
    }
  }

  NamedTransport sim_transport(uint32_t rank) {
    return {"sim", std::make_unique<transports::sim::SimTransport>(network_,
                                                                  transport::TransportContext{.rank = rank,
                                                                                              .rank_count = kRanks,
                                                                                              .communicator_id = 1,
                                                                                              .secret = secret_,
                                                                                              .host_id = "",
                                                                                              .clock = network_.clock(),
                                                                                              .settings = settings_},
                                                                  rank)};
  }
  static NamedTransport useless_transport(PeerState state) { return {"useless", std::make_unique<UselessTransport>(state)}; }

  // Polls the first `rank_count` ranks until each has come up or failed.
  void run(std::array<std::vector<NamedTransport>, kRanks> transports, uint32_t rank_count = kRanks, sim::Network* second_network = nullptr) {
    auto exchanges = bootstrap::in_memory_exchanges(kRanks, 1);
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      ranks_.push_back(std::make_unique<Initialisation>(Initialisation::Setup{.config = configs_[rank],
                                                                             .exchange = std::move(exchanges[rank]),
                                                                             .clock = &network_.clock(),
                                                                             .engine = nullptr,
                                                                             .transports = std::move(transports[rank]),
                                                                             .host = hosts_[rank],
                                                                             .measured = measured_[rank]}));
    }
    std::vector<bool> ended(rank_count, false);
    for (uint32_t round = 0; round < 10'000 && std::ranges::count(ended, false) != 0; ++round) {
      for (uint32_t rank = 0; rank < rank_count; ++rank) {
        if (ended[rank]) {
          continue;
        }
        const auto done = ranks_[rank]->poll();
        ended[rank] = !done || *done;
        outcomes_[rank] = done ? Status() : done.error();
      }
      network_.advance_until(network_.now_ns() + 1'000'000);
      if (second_network != nullptr) {
        second_network->advance_until(network_.now_ns());
      }
    }
    ASSERT_EQ(std::ranges::count(ended, false), 0) << "a rank has neither come up nor failed";
  }
  void expect_all(tuttiResult_t code, const std::string& text) const {
    for (const Status& outcome : outcomes_) {
      EXPECT_EQ(outcome.code(), code);
      EXPECT_THAT(outcome.message(), HasSubstr(text));
    }
  }
  std::array<std::vector<NamedTransport>, kRanks> sim_transports() {
    std::array<std::vector<NamedTransport>, kRanks> transports;
    for (uint32_t rank = 0; rank < kRanks; ++rank) {
      transports[rank].push_back(sim_transport(rank));
    }
    return transports;
  }

  transport::Secret secret_{};
  Settings settings_;
  sim::Network network_{topology::Topology::uniform(kRanks, {.latency_ns = 1'000, .bandwidth_bytes_per_s = 1'000'000'000, .source = "a test"})};
  std::array<Config, kRanks> configs_;
  std::array<std::optional<Host>, kRanks> hosts_;
  std::array<MeasuredLinks, kRanks> measured_;
  std::vector<std::unique_ptr<Initialisation>> ranks_;
  std::array<Status, kRanks> outcomes_;
};

// A file that is replaced, or that only some ranks can read.
TEST_F(InitialisationTest, RanksThatKnowOtherMeasurementsPlanAlike) {
  measured_[0].links = {{.transport = "sim", .latency_ns = 777, .bandwidth_bytes_per_s = 5'000'000}};
  measured_[1].links = {{.transport = "sim", .latency_ns = 888, .bandwidth_bytes_per_s = 6'000'000},
                        {.transport = "shm", .latency_ns = 1, .bandwidth_bytes_per_s = 7'000'000}};
  run(sim_transports());
  expect_all(tuttiSuccess, "");
  for (uint32_t rank = 0; rank < kRanks; ++rank) {
    const Initialisation::Parts parts = ranks_[rank]->take();
    const topology::Topology& topology = parts.planner->topology();
    EXPECT_EQ(topology.link(0, 2).latency_ns, 777u) << rank;
    EXPECT_EQ(topology.link(1, 0).bandwidth_bytes_per_s, 5'000'000u) << rank;
    EXPECT_EQ(topology.link(1, 2).latency_ns, 888u) << rank;
    EXPECT_EQ(topology.link(1, 2).source, "measured by calibrate") << rank;
  }
}

// The fastest rank of a host was disturbed least; the slowest host counts.
TEST_F(InitialisationTest, RanksThatMeasuredMemoryDifferentlyPlanAlike) {
  const topology::MemorySpeed fast = topology::rounded({.copy_bytes_per_s = 120'000'000'000, .fetch_bytes_per_s = 9'000'000'000});
  const topology::MemorySpeed disturbed = topology::rounded({.copy_bytes_per_s = 20'000'000'000, .fetch_bytes_per_s = 6'000'000'000});
  const topology::MemorySpeed other = topology::rounded({.copy_bytes_per_s = 60'000'000'000, .fetch_bytes_per_s = 20'000'000'000});
  ASSERT_GT(fast.copy_bytes_per_s, other.copy_bytes_per_s);
  ASSERT_GT(other.copy_bytes_per_s, disturbed.copy_bytes_per_s);
  hosts_ = {Host{.id = "a", .allowed_cores = {1}, .place = {}, .memory = disturbed}, Host{.id = "a", .allowed_cores = {2}, .place = {}, .memory = fast},
            Host{.id = "b", .allowed_cores = {1}, .place = {}, .memory = other}};
  run(sim_transports());
  expect_all(tuttiSuccess, "");
  for (uint32_t rank = 0; rank < kRanks; ++rank) {
    const Initialisation::Parts parts = ranks_[rank]->take();
    const topology::Topology& topology = parts.planner->topology();
    EXPECT_EQ(topology.fetch_bytes_per_s, fast.fetch_bytes_per_s) << rank;
    EXPECT_EQ(topology.reduce_bytes_per_s, topology::scaled_by_cores(topology::Topology(1).reduce_bytes_per_s, other)) << rank;
  }
}

// As where a plug-in is installed on some hosts only.
TEST_F(InitialisationTest, RanksWithDifferentTransportsAgreeOnEachPair) {
  sim::Network fast{topology::Topology::uniform(kRanks, {.latency_ns = 100, .bandwidth_bytes_per_s = 2'000'000'000, .source = "a fast test"})};
  auto transports = sim_transports();
  for (const uint32_t rank : {0u, 2u}) {
    auto made = std::make_unique<transports::sim::SimTransport>(fast,
                                                               transport::TransportContext{.rank = rank,
                                                                                           .rank_count = kRanks,
                                                                                           .communicator_id = 1,
                                                                                           .secret = secret_,
                                                                                           .host_id = "",
                                                                                           .clock = fast.clock(),
                                                                                           .settings = settings_},
                                                               rank);
    transports[rank].insert(transports[rank].begin(), NamedTransport{"fast", std::move(made)});
  }
  run(std::move(transports), kRanks, &fast);
  expect_all(tuttiSuccess, "");
  for (uint32_t rank = 0; rank < kRanks; ++rank) {
    const Initialisation::Parts parts = ranks_[rank]->take();
    EXPECT_EQ(parts.links.transports, (std::vector<std::string>{"fast", "sim"}));
    EXPECT_EQ(parts.planner->topology().link(0, 2).latency_ns, 100u);
    EXPECT_EQ(parts.planner->topology().link(0, 1).latency_ns, 1'000u);
    EXPECT_EQ(parts.planner->topology().link(2, 1).latency_ns, 1'000u);
    for (uint32_t peer = 0; peer < kRanks; ++peer) {
      if (peer != rank) {
        EXPECT_EQ(parts.links.links[peer].transport, peer == 1 || rank == 1 ? 1u : 0u) << rank << " to " << peer;
      }
    }
    if (rank == 0) {
      EXPECT_THAT(to_json(parts.links), HasSubstr(R"("passed_over":[{"transport":"fast","reason":"the other rank has none"}])"));
    }
    if (rank == 1) {
      EXPECT_THAT(to_json(parts.links), HasSubstr(R"("passed_over":[{"transport":"fast","reason":"this rank has none"}])"));
    }
  }
}

TEST_F(InitialisationTest, RanksMustReadTheSameAlgorithmFiles) {
  const tests::MscclFiles files({msccl::samples::ring_all_reduce(kRanks), msccl::samples::all_pairs_all_reduce(kRanks)});
  configs_[0].algorithm_files = configs_[1].algorithm_files = files.path(0);
  configs_[2].algorithm_files = files.path(1);
  run(sim_transports());
  expect_all(tuttiMismatch, "initialisation: rank 0 has from TUTTI_ALGO_FILE \"msccl:sample#");
}

TEST_F(InitialisationTest, AMissingAlgorithmFileIsToldToAll) {
  configs_[1].algorithm_files = "/nowhere/ring.xml";
  run(sim_transports());
  for (const Status& outcome : outcomes_) {
    EXPECT_THAT(outcome.message(), HasSubstr("TUTTI_ALGO_FILE: /nowhere/ring.xml: No such file or directory"));
  }
}

TEST_F(InitialisationTest, RanksComeUpWithEqualPlans) {
  run(sim_transports());
  expect_all(tuttiSuccess, "");
  const auto first = ranks_[0]->take();
  for (uint32_t rank = 1; rank < kRanks; ++rank) {
    const auto parts = ranks_[rank]->take();
    ASSERT_NE(parts.executor, nullptr);
    EXPECT_EQ(parts.planner->hash(), first.planner->hash());
    EXPECT_EQ(parts.executor->options().rank, rank);
    EXPECT_EQ(parts.executor->options().timeout_ms, kTimeoutMs);
  }
}

TEST_F(InitialisationTest, DifferentNamesAreAMismatch) {
  configs_[2].name = "other";
  run(sim_transports());
  expect_all(tuttiMismatch, "rank 0 has communicator name \"world\", rank 2 has \"other\"");
}

TEST_F(InitialisationTest, DifferentTransportsAreAMismatch) {
  configs_[1].transports = "tcp";
  run(sim_transports());
  expect_all(tuttiMismatch, "rank 0 has TUTTI_TRANSPORTS \"\", rank 1 has \"tcp\"");
}

TEST_F(InitialisationTest, DifferentAlgorithmsAreAMismatch) {
  configs_[1].algorithms = "allreduce:ring";
  run(sim_transports());
  expect_all(tuttiMismatch, "rank 0 has TUTTI_ALGO \"\", rank 1 has \"allreduce:ring\"");
}

TEST_F(InitialisationTest, DifferentMachineModelsAreAMismatch) {
  const std::string folder = TUTTI_SOURCE_DIR "/topologies/";
  configs_[0].topology = folder + "google-tpu-v5p.toml:1x1x3";
  configs_[1].topology = folder + "google-tpu-v5p.toml:1x3x1";
  configs_[2].topology = configs_[0].topology;
  run(sim_transports());
  expect_all(tuttiMismatch, "google-tpu-v5p.toml:1x1x3\", rank 1 has \"");
}

TEST_F(InitialisationTest, AMachineModelIsWhatIsPlannedFor) {
  for (Config& config : configs_) {
    config.topology = TUTTI_SOURCE_DIR "/topologies/google-tpu-v5p.toml";
  }
  run(sim_transports());
  expect_all(tuttiSuccess, "");
  const auto parts = ranks_[1]->take();
  const topology::Topology& topology = parts.planner->topology();
  ASSERT_NE(topology.fabric(), nullptr);
  EXPECT_EQ(topology.fabric()->chip_count(), kRanks);
  EXPECT_TRUE(topology.carries(0, 1));
  EXPECT_FALSE(topology.carries(0, 2));
}

TEST_F(InitialisationTest, AMissingRankIsATimeoutThatNamesIt) {
  run(sim_transports(), kRanks - 1);
  EXPECT_GE(network_.now_ns(), kTimeoutMs * 1'000'000);
  EXPECT_LT(network_.now_ns(), 2 * kTimeoutMs * 1'000'000);
  EXPECT_EQ(outcomes_[0].code(), tuttiTimeout);
  EXPECT_THAT(outcomes_[0].message(), HasSubstr("rank 0 has waited 1000 ms for rank"));
  EXPECT_THAT(outcomes_[0].message(), HasSubstr("2"));
  EXPECT_FALSE(outcomes_[1].ok());
}

// Rank 0 knows that the transport cannot work; the others would go on trying until the timeout.
TEST_F(InitialisationTest, OneSideThatCannotConnectMakesBothTakeTheNextTransport) {
  std::array<std::vector<NamedTransport>, kRanks> transports;
  for (uint32_t rank = 0; rank < kRanks; ++rank) {
    transports[rank].push_back(useless_transport(rank == 1 ? PeerState::connecting : PeerState::unreachable));
    transports[rank].push_back(sim_transport(rank));
  }
  run(std::move(transports));
  expect_all(tuttiSuccess, "");
  EXPECT_LT(network_.now_ns(), kTimeoutMs * 1'000'000);
}

TEST_F(InitialisationTest, WithoutAWayToAPeerTheErrorTellsWhatWasTried) {
  std::array<std::vector<NamedTransport>, kRanks> transports;
  for (auto& own : transports) {
    own.push_back(useless_transport(PeerState::unreachable));
  }
  run(std::move(transports));
  EXPECT_EQ(outcomes_[0].code(), tuttiSystemError);
  EXPECT_EQ(outcomes_[0].message(), "rank 0 cannot reach rank 1: useless: it is useless");
  EXPECT_FALSE(outcomes_[1].ok());
  EXPECT_FALSE(outcomes_[2].ok());
}

TEST_F(InitialisationTest, ATransportThatNeverDecidesIsATimeoutThatNamesThePeers) {
  std::array<std::vector<NamedTransport>, kRanks> transports;
  for (auto& own : transports) {
    own.push_back(useless_transport(PeerState::connecting));
  }
  run(std::move(transports));
  EXPECT_EQ(outcomes_[0].code(), tuttiTimeout);
  EXPECT_LT(network_.now_ns(), 2 * kTimeoutMs * 1'000'000);
}

TEST_F(InitialisationTest, AnUnknownAlgorithmEndsEveryone) {
  for (Config& config : configs_) {
    config.algorithms = "allreduce:magic";
  }
  run(sim_transports());
  for (const Status& outcome : outcomes_) {
    EXPECT_FALSE(outcome.ok());
  }
  EXPECT_EQ(outcomes_[0].code(), tuttiInvalidArgument);
  EXPECT_THAT(outcomes_[0].message(), HasSubstr("magic"));
}

}  // namespace
}  // namespace tutti::comm
