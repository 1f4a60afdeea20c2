// SPDX-License-Identifier: Apache-2.0
// Frames over rails that are made, lost and overtaken as a seed says: their order, repeats, landings, credit and release, without sockets.
#include <deque>
#include <map>
#include <random>

#include "tcp_world.hpp"
#include "transports/tcp/drain_rate.hpp"
#include "transports/tcp/inbox.hpp"
#include "transports/tcp/outbox.hpp"
#include "transports/tcp/silence.hpp"

namespace tutti::transports::tcp::test {
namespace {

constexpr std::byte kUntouched{0xee};

RailHeader header_of(const OutgoingFrame& frame) {
  return {.kind = RailKind::data,
          .channel = static_cast<uint8_t>(frame.channel),
          .credit_channel = 0,
          .payload_bytes = static_cast<uint32_t>(frame.payload.size()),
          .credit_total = 0,
          .arrived_count = 0,
          .frame = frame.header,
          .start_units = frame.start_units};
}

// What arrives of a frame over a rail, in pieces.
class Arriving {
 public:
  Arriving(Inbox& inbox, size_t rail, const OutgoingFrame& frame)
      : inbox_(inbox), rail_(rail), payload_(frame.payload.begin(), frame.payload.end()) {
    begun_ = inbox.begin(rail, header_of(frame));
    end_if_complete();
  }
  const Status& begun() const { return begun_; }
  bool complete() const { return complete_; }
  void bring(size_t size_bytes) {
    Inbox::Arrival& arrival = inbox_.arrival(rail_);
    const size_t step_bytes = std::min(size_bytes, arrival.left_bytes);
    if (arrival.destination != nullptr) {
      std::memcpy(arrival.destination, payload_.data() + payload_.size() - arrival.left_bytes, step_bytes);
      arrival.destination += step_bytes;
    }
    arrival.left_bytes -= step_bytes;
    end_if_complete();
  }
  void bring_rest() { bring(payload_.size()); }

 private:
  void end_if_complete() {
    if (begun_.ok() && !complete_ && inbox_.arrival(rail_).left_bytes == 0) {
      inbox_.finish(rail_);
      complete_ = true;
    }
  }

  Inbox& inbox_;
  size_t rail_;
  std::vector<std::byte> payload_;
  Status begun_;
  bool complete_ = false;
};

class TcpOrderTest : public testing::Test {
 protected:
  OutgoingFrame& take(uint64_t call, size_t size_bytes) {
    payloads_.push_back(payload_of(call, size_bytes));
    return outbox_.take(kChannel, {.call = call, .message_bytes = size_bytes}, payloads_.back());
  }
  void expect_next(uint64_t call, size_t size_bytes) {
    ASSERT_TRUE(inbox_.ready(kChannel)) << call;
    const Frame frame = inbox_.front(kChannel);
    EXPECT_EQ(frame.header.call, call);
    EXPECT_TRUE(equal(frame.payload, payload_of(call, size_bytes))) << call;
    inbox_.pop(kChannel);
  }

  std::deque<std::vector<std::byte>> payloads_;
  Outbox outbox_;
  Inbox inbox_;
};

TEST_F(TcpOrderTest, FramesThatOvertakeEachOtherAreSeenInOrder) {
  std::vector<OutgoingFrame*> frames;
  for (uint64_t call = 0; call < 5; ++call) {
    frames.push_back(&take(call, 1000 * call));
  }
  for (const size_t index : {3u, 1u, 4u, 2u}) {
    Arriving(inbox_, index, *frames[index]).bring_rest();
    EXPECT_FALSE(inbox_.ready(kChannel));
  }
  Arriving first(inbox_, 0, *frames[0]);
  for (uint64_t call = 0; call < 5; ++call) {
    expect_next(call, 1000 * call);
  }
  EXPECT_FALSE(inbox_.ready(kChannel));
}

TEST_F(TcpOrderTest, ARepeatIsDroppedWheneverItComes) {
  OutgoingFrame& first = take(0, 5000);
  OutgoingFrame& second = take(1, 6000);
  for (int repeat = 0; repeat < 2; ++repeat) {
    Arriving(inbox_, 0, second).bring_rest();
    Arriving(inbox_, 1, first).bring_rest();
  }
  expect_next(0, 5000);
  Arriving(inbox_, 1, first).bring_rest();
  expect_next(1, 6000);
  Arriving(inbox_, 1, second).bring_rest();
  EXPECT_FALSE(inbox_.ready(kChannel));
}

// The older copy must not write what the newer one has put there, nor complete it.
TEST_F(TcpOrderTest, AFrameThatComesAgainTakesOverTheLanding) {
  OutgoingFrame& frame = take(0, 5000);
  std::vector<std::byte> landing(5000, kUntouched);
  inbox_.set_landing(kChannel, landing);
  Arriving old(inbox_, 0, frame);
  old.bring(3000);
  Arriving again(inbox_, 1, frame);
  again.bring(1000);
  old.bring_rest();
  EXPECT_FALSE(inbox_.ready(kChannel));
  again.bring_rest();
  EXPECT_EQ(inbox_.front(kChannel).payload.data(), landing.data());
  expect_next(0, 5000);
}

TEST_F(TcpOrderTest, ALostRailLeavesItsLandingToTheNext) {
  OutgoingFrame& frame = take(0, 5000);
  std::vector<std::byte> landing(5000, kUntouched);
  inbox_.set_landing(kChannel, landing);
  Arriving old(inbox_, 0, frame);
  old.bring(3000);
  inbox_.forget(0);
  std::vector<std::byte> other_landing(5000, kUntouched);
  inbox_.set_landing(kChannel, other_landing);
  Arriving(inbox_, 0, frame).bring_rest();
  EXPECT_EQ(inbox_.front(kChannel).payload.data(), other_landing.data());
  expect_next(0, 5000);
}

TEST_F(TcpOrderTest, NothingIsWrittenToALandingAfterLettingGo) {
  OutgoingFrame& frame = take(0, 5000);
  std::vector<std::byte> landing(5000, kUntouched);
  inbox_.set_landing(kChannel, landing);
  Arriving old(inbox_, 0, frame);
  old.bring(3000);
  inbox_.let_go();
  std::ranges::fill(landing, kUntouched);
  old.bring(1000);
  inbox_.let_go();
  Arriving again(inbox_, 1, frame);
  again.bring(10);
  inbox_.let_go();
  old.bring_rest();
  again.bring_rest();
  EXPECT_EQ(landing, std::vector<std::byte>(5000, kUntouched));
  expect_next(0, 5000);
}

TEST_F(TcpOrderTest, PayloadIsReleasedInOrderAndOnlyWhenAcknowledged) {
  OutgoingFrame& first = take(0, 100'000);
  (void)take(1, 10);
  OutgoingFrame& third = take(2, 100'000);
  outbox_.acknowledge(third);
  EXPECT_EQ(outbox_.released_bytes(kChannel), 0u);
  outbox_.acknowledge(first);
  EXPECT_EQ(outbox_.released_bytes(kChannel), 200'010u) << "the small one was copied";
}

TEST_F(TcpOrderTest, AfterLettingGoACopyIsSent) {
  OutgoingFrame& frame = take(0, 100'000);
  outbox_.let_go();
  EXPECT_EQ(outbox_.released_bytes(kChannel), 100'000u);
  std::ranges::fill(payloads_.back(), kUntouched);
  Arriving(inbox_, 0, frame).bring_rest();
  expect_next(0, 100'000);
  outbox_.acknowledge(frame);
  EXPECT_EQ(outbox_.released_bytes(kChannel), 100'000u) << "counted twice";
}

TEST_F(TcpOrderTest, AFrameBeyondTheWindowIsABreach) {
  RailHeader header{.kind = RailKind::data, .channel = kChannel, .frame = {}, .start_units = kRailDataWindowUnits};
  EXPECT_EQ(inbox_.begin(0, header).code(), tuttiRemoteError);
  header.start_units = kRailDataWindowUnits - 1;
  EXPECT_TRUE(inbox_.begin(0, header).ok());
}

// Rails carry frames in order and lose what is on its way when they are lost; everything still arrives once and in order, through many laps of the
// window.
TEST_F(TcpOrderTest, WhateverIsLostEverythingArrivesOnce) {
  constexpr uint64_t kSeed = 4711;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  constexpr size_t kRails = 3;
  constexpr uint64_t kFrames = 3'000;
  std::mt19937_64 random(kSeed);
  std::array<std::deque<OutgoingFrame*>, kRails> wires;    // begun and not acknowledged
  std::array<size_t, kRails> arrived{};                    // of those, the ones that have arrived whole
  std::array<std::unique_ptr<Arriving>, kRails> arriving;  // the next one
  std::deque<OutgoingFrame*> homeless;
  std::map<uint64_t, std::vector<std::byte>> payloads;
  std::vector<std::byte> landing(kMaxRailFrameBytes);
  const auto size_of = [](uint64_t call) { return mix64(call) % 8 == 0 ? mix64(call) % kMaxRailFrameBytes : mix64(call) % 3000; };
  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t taken_bytes = 0;
  for (uint64_t turn = 0; turn < 10'000'000 && received < kFrames; ++turn) {
    const size_t rail = random() % kRails;
    switch (random() % 8) {
      case 0:
      case 1:
        if (!homeless.empty()) {
          wires[rail].push_back(homeless.front());
          homeless.pop_front();
        } else if (sent < kFrames && outbox_.has_credit_for(kChannel, size_of(sent))) {
          const auto& payload = payloads[sent] = payload_of(sent, size_of(sent));
          taken_bytes += payload.size();
          wires[rail].push_back(&outbox_.take(kChannel, {.call = sent, .message_bytes = 0}, payload));
          ++sent;
        }
        break;
      case 2:
      case 3:
      case 4:
        if (arriving[rail] == nullptr && arrived[rail] < wires[rail].size()) {
          arriving[rail] = std::make_unique<Arriving>(inbox_, rail, *wires[rail][arrived[rail]]);
          ASSERT_TRUE(arriving[rail]->begun().ok()) << arriving[rail]->begun().message();
        } else if (arriving[rail] != nullptr) {
          arriving[rail]->bring(random() % 60'000);
        }
        if (arriving[rail] != nullptr && arriving[rail]->complete()) {
          arriving[rail].reset();
          ++arrived[rail];
        }
        break;
      case 5:
        for (; arrived[rail] > 0; --arrived[rail]) {
          outbox_.acknowledge(*wires[rail].front());
          wires[rail].pop_front();
        }
        break;
      case 6:
        if (random() % 16 == 0) {  // lost
          homeless.insert(homeless.end(), wires[rail].begin(), wires[rail].end());
          wires[rail].clear();
          arrived[rail] = 0;
          arriving[rail].reset();
          inbox_.forget(rail);
        } else if (random() % 64 == 0) {
          inbox_.let_go();
        }
        break;
      default:
        if (!inbox_.ready(kChannel)) {
          inbox_.set_landing(kChannel, std::span(landing).first(random() % 2 * landing.size()));
        } else {
          ASSERT_NO_FATAL_FAILURE(expect_next(received, size_of(received)));
          ++received;
          const transport::GivenCredit::News news = inbox_.credit().tell();
          ASSERT_TRUE(outbox_.credit().set_total(news.channel, news.total));
        }
    }
  }
  EXPECT_EQ(received, kFrames);
  for (size_t rail = 0; rail < kRails; ++rail) {
    for (OutgoingFrame* const frame : wires[rail]) {
      outbox_.acknowledge(*frame);
    }
  }
  for (OutgoingFrame* const frame : homeless) {
    outbox_.acknowledge(*frame);
  }
  EXPECT_EQ(outbox_.released_bytes(kChannel), taken_bytes);
}

TEST(TcpSilence, LastsWhileBytesAreOwedAndNoneArrive) {
  Silence silence;
  silence.note(100, {.is_waiting = true, .acknowledged_bytes = 7});
  EXPECT_EQ(silence.lasted_ns(100), 0u) << "it may have been asked to send just now";
  silence.note(150, {.is_waiting = true, .acknowledged_bytes = 7});
  EXPECT_EQ(silence.lasted_ns(150), 50u);
  silence.note(200, {.is_waiting = true, .acknowledged_bytes = 8});
  EXPECT_EQ(silence.lasted_ns(200), 0u);
  silence.note(300, {.is_waiting = false, .acknowledged_bytes = 8});
  EXPECT_EQ(silence.lasted_ns(900), 0u);
  silence.note(1000, {.is_waiting = true, .acknowledged_bytes = 8});
  EXPECT_EQ(silence.lasted_ns(1000), 0u);
}

TEST(TcpDrainRate, IsTheBestOfLate) {
  constexpr size_t kBytes = DrainRate::kUnitBytes;
  DrainRate rate;
  EXPECT_EQ(rate.expected_ns(kBytes), 0u) << "nobody knows";
  rate.note(5'000'000, 100);
  EXPECT_FALSE(rate.is_known()) << "that was latency";
  rate.note(1'000'000, kBytes);
  EXPECT_EQ(rate.expected_ns(2 * kBytes), 2'000'000u);
  rate.note(500'000'000, kBytes);
  EXPECT_LT(rate.expected_ns(2 * kBytes), 3'000'000u) << "the receiver was busy";
  for (int count = 0; count < 100; ++count) {
    rate.note(4'000'000, kBytes);
  }
  EXPECT_EQ(rate.expected_ns(2 * kBytes), 8'000'000u) << "it is slower indeed";
  for (int count = 0; count < 512; ++count) {
    rate.doubt();
  }
  EXPECT_EQ(rate.expected_ns(2 * kBytes), 4'000'000u) << "it has not been used for long";
  rate.note(1'000'000, kBytes);
  EXPECT_EQ(rate.expected_ns(2 * kBytes), 2'000'000u);
}

TEST(TcpRailName, IsReadFromThePurposeItMakes) {
  for (const RailName& name : {RailName{}, RailName{.session = 255, .incarnation = 17, .count = kMaxRails, .rail = kMaxRails - 1, .may_change = true}}) {
    EXPECT_EQ(rail_name_of(purpose_of(name)), name);
  }
  EXPECT_EQ(purpose_of({}), kLinkPurpose);
  EXPECT_FALSE(rail_name_of(kLinkPurpose + 1)) << "the second of one";
  EXPECT_FALSE(rail_name_of(kLinkPurpose | uint64_t{kMaxRails} << 8));
  EXPECT_FALSE(rail_name_of(kLinkPurpose ^ uint64_t{1} << 40));
}

TEST(TcpRailHeader, ComesBackAsItWasAndNothingElseDoes) {
  const RailHeader header{.kind = RailKind::data,
                          .channel = 3,
                          .credit_channel = 4,
                          .payload_bytes = 0x0001'2345,
                          .credit_total = 0x89ab'cdef,
                          .arrived_count = 0xfedc'ba98,
                          .frame = {.call = 0x0123'4567'89ab'cdef, .message_bytes = 42},
                          .start_units = 0x7654'3210};
  std::array<std::byte, kRailHeaderBytes> bytes;
  encode_rail_header(header, bytes);
  EXPECT_EQ(decode_rail_header(bytes), header);
  for (const size_t position : {size_t{0}, size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{36}, size_t{39}}) {
    auto bad = bytes;
    bad[position] ^= std::byte{0x78};
    EXPECT_FALSE(decode_rail_header(bad)) << "byte " << position;
  }
}

SocketAddress socket_at(std::string_view host) { return *SocketAddress::resolve(host, 4711); }

std::vector<std::string> texts_of(const std::vector<Way>& plan) {
  std::vector<std::string> texts;
  for (const Way& way : plan) {
    texts.push_back(fmt::format("{}>{}", way.from ? way.from->to_string() : "any", way.to.to_string()));
  }
  return texts;
}

TEST(TcpRailPlan, GoesFromEachInterfaceToItsOwnNetwork) {
  const std::vector<Interface> own{{.name = "nic0", .address = *SocketAddress::resolve("10.0.0.1", 0), .network_bits = 24},
                                   {.name = "nic1", .address = *SocketAddress::resolve("10.0.1.1", 0), .network_bits = 24},
                                   {.name = "docker0", .address = *SocketAddress::resolve("172.17.0.1", 0), .network_bits = 16},
                                   {.name = "nic0", .address = *SocketAddress::resolve("fd00::1", 0), .network_bits = 64},
                                   {.name = "lo", .address = *SocketAddress::resolve("127.0.0.1", 0), .network_bits = 8}};
  Address here{.host = 1, .sockets = {}};
  for (const Interface& interface : own) {
    here.sockets.push_back(interface.address);
  }
  Address there{.host = 2, .sockets = {socket_at("172.17.0.1"), socket_at("10.0.1.2"), socket_at("10.0.0.2"), socket_at("fd00::2"), socket_at("127.0.0.1")}};
  EXPECT_EQ(texts_of(plan_rails(own, here, there, 1)), (std::vector<std::string>{"10.0.0.1:0>10.0.0.2:4711", "10.0.1.1:0>10.0.1.2:4711"}));
  EXPECT_EQ(plan_rails(own, here, there, 2).size(), 4u);
  EXPECT_EQ(plan_rails(own, here, there, 1000).size(), kMaxRails);
  there.sockets = {socket_at("10.7.0.2"), socket_at("10.7.1.2")};
  EXPECT_EQ(texts_of(plan_rails(own, here, there, 1)), (std::vector<std::string>{"10.0.0.1:0>10.7.0.2:4711", "10.0.1.1:0>10.7.1.2:4711"}))
      << "routers know the way";
  there = here;
  EXPECT_EQ(texts_of(plan_rails(own, here, there, 1)), std::vector<std::string>{"any>127.0.0.1:0"});
}

TEST(TcpWays, LinkLocalAddressesAreTriedOverEveryInterfaceThatHasOne) {
  Address here{.host = 1, .sockets = {*SocketAddress::resolve("10.0.0.1", 0), *SocketAddress::resolve("fe80::1%5", 0), *SocketAddress::resolve("fe80::2%6", 0)}};
  const Address there{.host = 2, .sockets = {*SocketAddress::resolve("fe80::9%77", 4711), *SocketAddress::resolve("10.0.0.9", 4711)}};
  std::vector<std::string> texts;
  for (const SocketAddress& way : transport::ways(here.place(), there.place())) {
    texts.push_back(way.to_string());
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"10.0.0.9:4711", "[fe80::9%5]:4711", "[fe80::9%6]:4711"}));
}

}  // namespace
}  // namespace tutti::transports::tcp::test
