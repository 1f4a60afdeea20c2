// SPDX-License-Identifier: Apache-2.0
// Connections that mean no good, while a job runs.
#include <random>

#include "tests/unit/bootstrap/harness.hpp"

namespace tutti::bootstrap {
namespace {

using ::testing::HasSubstr;

// Whatever strangers do, the job's ranks join and exchange.
void expect_undisturbed(Job& job) {
  const auto ranks = job.join_all(3);
  job.expect_whole_round(ranks, 0);
  job.expect_whole_round(ranks, 1);
  EXPECT_TRUE(job.service().job_failure().ok());
}

TEST(Hostile, GarbageIsDropped) {
  constexpr uint32_t seed = 20;
  std::mt19937 random(seed);
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Job job;
  for (int i = 0; i < 20; ++i) {
    Stranger stranger(job.address());
    Bytes garbage(1 + random() % 2000);
    std::generate(garbage.begin(), garbage.end(), [&] { return static_cast<std::byte>(random()); });
    garbage.resize(std::max<size_t>(garbage.size(), 56));  // shorter garbage is silence, see below
    stranger.say(garbage);
    EXPECT_TRUE(job.turn_until([&] { return stranger.is_dropped(); }));
  }
  EXPECT_EQ(job.service().guest_count(), 0u);
  expect_undisturbed(job);
}

TEST(Hostile, SilenceIsDroppedWhenItsTimeIsUp) {
  Job job;
  Stranger silent(job.address());
  Stranger half(job.address());
  half.say(text_bytes("TUTTIHS1 and then no more"));
  ASSERT_TRUE(job.turn_until([&] { return job.service().guest_count() == 2; }));
  expect_undisturbed(job);
  EXPECT_FALSE(silent.hear().has_value());
  job.clock().advance_ms(5001);
  EXPECT_TRUE(job.turn_until([&] { return silent.is_dropped() && half.is_dropped(); }));
  EXPECT_EQ(job.service().guest_count(), 0u);
}

TEST(Hostile, AByteNowAndThenBuysNoTime) {
  Job job;
  Stranger slow(job.address());
  const Bytes start = text_bytes("TUTTIHS1TUTTIHS1TUTTIHS1");
  bool dropped = false;
  for (size_t i = 0; i < start.size() && !dropped; ++i) {
    slow.say(std::span(start).subspan(i, 1));
    job.service().turn(-1, 1);
    job.clock().advance_ms(400);
    job.service().turn(-1, 0);
    dropped = slow.is_dropped();
  }
  EXPECT_TRUE(dropped);
}

TEST(Hostile, MoreSilentConnectionsThanGuestsDoNotKeepTheJobOut) {
  Job job;
  std::vector<Stranger> crowd;
  for (size_t i = 0; i < kMaxGuests + 40; ++i) {
    crowd.emplace_back(job.address());
    job.service().turn(-1, 0);
  }
  EXPECT_LE(job.service().guest_count(), kMaxGuests);
  job.clock().advance_ms(600);  // past the grace, before the deadline
  expect_undisturbed(job);
  EXPECT_LE(job.service().guest_count(), kMaxGuests);
}

TEST(Hostile, TheWrongSecretLearnsNothingAndIsDropped) {
  Job job;
  Ticket ticket = job.ticket();
  ticket.secret.fill(std::byte{0x43});
  SocketExchange stranger(std::move(ticket), {0, 3}, job.clock());
  ASSERT_TRUE(stranger.begin_all_gather({}).ok());
  EXPECT_TRUE(job.turn_until([&] {
    return !Job::poll(stranger).arrived() && stranger.waiting_for().ends_with("(last attempt: wrong secret)");
  }));
  expect_undisturbed(job);
}

// Says the given messages, one after each that is heard.
bool replay_is_dropped(Job& job, const std::vector<Bytes>& messages) {
  Stranger stranger(job.address());
  for (const Bytes& message : messages) {
    stranger.say(message);
    bool answered = false;
    if (!job.turn_until([&] {
          const auto heard = stranger.hear();
          answered = heard && !heard->empty();
          return heard.has_value();
        })) {
      return false;
    }
    if (!answered) {
      return true;
    }
  }
  return job.turn_until([&] { return stranger.is_dropped(); });
}

TEST(Hostile, ARecordedHandshakeIsWorthNothing) {
  Job job;
  // Recorded from an honest rank, by talking to the service byte for byte as it would.
  std::vector<Bytes> recorded;
  {
    Stranger honest(job.address());
    Handshake handshake(Handshake::Side::connecting, handshake_key(job.secret()),
                        {.rank = 0, .rank_count = 1, .purpose = kRootPurpose});
    ASSERT_TRUE(job.turn_until([&] {
      if (!handshake.outgoing().empty()) {
        recorded.emplace_back(handshake.outgoing().begin(), handshake.outgoing().end());
        honest.say(recorded.back());
        handshake.written(recorded.back().size());
      }
      if (handshake.wanted() > 0) {
        if (const auto heard = honest.hear(handshake.wanted())) {
          handshake.received(*heard);
        }
      }
      return handshake.state() == Handshake::State::done;
    }));
  }
  ASSERT_EQ(recorded.size(), 2u);
  Job same_secret;  // the same key, and no rank 0 that could be in the way
  EXPECT_TRUE(replay_is_dropped(same_secret, recorded));
  expect_undisturbed(same_secret);
}

TEST(Hostile, ABrokenFrameFailsTheJobNamingTheRank) {
  const SocketAddress address = *SocketAddress::resolve("127.0.0.1", 1);
  const std::vector<std::pair<const char*, Bytes>> broken = {
      {"huge length", Writer().u32(1).u32(0xffffffff).take()},
      {"unknown type", Writer().u32(99).u32(0).take()},
      {"length over the limit", Writer().u32(1).u32(kMaxRootFrameBytes + 1).take()},
      {"no registration", encode_frame(FrameType::registration, Writer().u32(0).take())},
      {"a share beyond the last rank", encode_frame(FrameType::registration, encode_registration({{.first = 1, .count = 3}, address}))},
      {"no share", encode_frame(FrameType::registration, encode_registration({{.first = 0, .count = 0}, address}))},
      {"another share", encode_frame(FrameType::registration, encode_registration({{.first = 0, .count = 1}, address}))},
      {"a root's frame", encode_frame(FrameType::introduction, {})},
  };
  for (const auto& [what, bytes] : broken) {
    SCOPED_TRACE(what);
    Job job;
    std::vector<std::unique_ptr<SocketExchange>> honest;
    honest.push_back(job.join(0, 2));
    Job::begin(honest, 0);
    job.expect_joined(*honest[0]);
    Insider insider(job, 1, 2);
    insider.say(bytes);
    const Answer answer = job.answers(honest).front();
    EXPECT_THAT(answer.failure.code(), ::testing::AnyOf(tuttiRemoteError, tuttiMismatch));
    EXPECT_THAT(answer.failure.message(), HasSubstr("rank 1"));
  }
}

TEST(Hostile, ARankOutsideTheJobIsRefusedAndTheJobGoesOn) {
  Job job;
  Insider outside(job, 7, 3);
  Insider none(job, 0, 0);
  Insider too_many(job, 0, kMaxRankCount + 1);
  expect_undisturbed(job);
}

}  // namespace
}  // namespace tutti::bootstrap
