// SPDX-License-Identifier: Apache-2.0
// Plug-ins that break the rules of tutti/plugin/transport_v1.h, one at a time. That those who keep them work, the conformance suite shows.
#include "transport/plugin_adaptor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <stdexcept>

namespace tutti::transport {
namespace {

using testing::HasSubstr;

// What the plug-in of these tests answers. One test runs at a time.
struct Answers {
  size_t address_bytes = 3;
  tuttiResult_t created = tuttiSuccess;
  bool makes_a_transport = true;
  tuttiPeerState_t state = tuttiPeerConnected;
  bool has_link = true;
  size_t max_frame_bytes = 4096;
  tuttiTransportOutcome_t outcome = tuttiTransportDone;
  uint64_t released_bytes = 0;
  tuttiFrame_t frame{};
  tuttiResult_t failure = tuttiSuccess;
  bool throws = false;
  tuttiLinkEstimate_t estimate{};
};
Answers answers;
const tuttiTransportContext_v1_t* seen_context = nullptr;
int something = 0;  // stands for the plug-in's objects

void fill_text(char* text, size_t capacity) {  // unprintable, and without its zero
  std::memset(text, 'x', capacity);
  text[1] = '\n';
}

tuttiTransportOutcome_t outcome() {
  if (answers.throws) {
    throw std::runtime_error("out of cheese");
  }
  return answers.outcome;
}

const tuttiLinkFunctions_v1_t kLinks{
    .size = sizeof(tuttiLinkFunctions_v1_t),
    .trySend = [](tuttiPluginLink_t*, uint32_t, const tuttiFrameHeader_t*, const void*, size_t) { return outcome(); },
    .releasedBytes = [](tuttiPluginLink_t*, uint32_t) { return answers.released_bytes; },
    .peek = [](tuttiPluginLink_t*, uint32_t, void*, size_t, tuttiFrame_t* frame) {
      *frame = answers.frame;
      return outcome();
    },
    .pop = [](tuttiPluginLink_t*, uint32_t) {},
    .letGo = [](tuttiPluginLink_t*) {},
    .failure = [](tuttiPluginLink_t*, char* text, size_t capacity) {
      if (capacity > 0) {
        fill_text(text, capacity);
      }
      return answers.failure;
    },
    .maxFrameBytes = [](tuttiPluginLink_t*) { return answers.max_frame_bytes; },
    .estimate = [](tuttiPluginLink_t*, tuttiLinkEstimate_t* estimate) { *estimate = answers.estimate; },
    .describe = [](tuttiPluginLink_t*, char* text, size_t capacity) { fill_text(text, capacity); },
    .trySendInGang = nullptr,
    .publish = nullptr,
    .isShared = nullptr,
    .share = nullptr,
    .enter = nullptr,
    .leave = nullptr,
    .fetch = nullptr};

const tuttiTransportPlugin_v1_t kPlugin{
    .size = sizeof(tuttiTransportPlugin_v1_t),
    .version = TUTTI_TRANSPORT_PLUGIN_VERSION,
    .name = "odd",
    .preference = 5,
    .automatic = 1,
    .create = [](const tuttiTransportContext_v1_t* context, tuttiPluginTransport_t** transport, char* text, size_t) {
      seen_context = context;
      std::strcpy(text, answers.created == tuttiSuccess ? "" : "no cheese");
      *transport = answers.makes_a_transport ? reinterpret_cast<tuttiPluginTransport_t*>(&something) : nullptr;
      return answers.created;
    },
    .destroy = [](tuttiPluginTransport_t*) {},
    .address = [](tuttiPluginTransport_t*, void*, size_t) { return answers.address_bytes; },
    .connect = [](tuttiPluginTransport_t*, uint32_t, const void*, size_t) {},
    .disconnect = [](tuttiPluginTransport_t*, uint32_t) {},
    .state = [](tuttiPluginTransport_t*, uint32_t) { return answers.state; },
    .reason = [](tuttiPluginTransport_t*, uint32_t, char* text, size_t capacity) { fill_text(text, capacity); },
    .link = [](tuttiPluginTransport_t*, uint32_t) { return answers.has_link ? reinterpret_cast<tuttiPluginLink_t*>(&something) : nullptr; },
    .poll = [](tuttiPluginTransport_t*) -> size_t { return 0; },
    .links = &kLinks,
    .preferenceOf = [](tuttiPluginTransport_t*) { return 42; }};

class PluginAdaptor : public testing::Test {
 protected:
  void SetUp() override { answers = {}; }

  Result<std::unique_ptr<Transport>> create() {
    const auto type = PluginType::adapt(&kPlugin);
    return type ? type->create({.rank = 0,
                                .rank_count = 2,
                                .communicator_id = 9,
                                .secret = secret_,
                                .host_id = "here",
                                .clock = monotonic_clock(),
                                .settings = settings_})
                : tl::make_unexpected(type.error());
  }
  // A link whose first `calls` is broken by what the plug-in answers.
  void expect_broken(const std::function<Outcome(Link&)>& call, const std::string& why) {
    SCOPED_TRACE(why);
    const auto transport = create();
    ASSERT_TRUE(transport) << transport.error().message();
    Link* const link = (*transport)->link(1);
    ASSERT_NE(link, nullptr);
    EXPECT_EQ(call(*link), Outcome::failed);
    EXPECT_EQ(link->failure().code(), tuttiInternalError);
    EXPECT_THAT(link->failure().message(), HasSubstr(why));
  }
  void expect_unreachable(const std::string& why) {
    const auto transport = create();
    ASSERT_TRUE(transport);
    EXPECT_EQ((*transport)->state(1), PeerState::unreachable);
    EXPECT_EQ((*transport)->link(1), nullptr);
    EXPECT_THAT((*transport)->reason(1), HasSubstr(why));
  }
  static Outcome send(Link& link) { return link.try_send(2, {}, std::as_bytes(std::span("12345678", 8))); }
  static Outcome peek(Link& link) {
    Frame frame;
    return link.peek(2, {}, &frame);
  }

  Secret secret_{};
  Settings settings_;
};

TEST_F(PluginAdaptor, TransportsAreGivenTheirContext) {
  settings_.timeout_ms = 17;
  secret_.fill(std::byte{7});
  const auto transport = create();
  ASSERT_TRUE(transport);
  EXPECT_EQ(seen_context->rankCount, 2u);
  EXPECT_EQ(seen_context->communicatorId, 9u);
  EXPECT_EQ(seen_context->secret[31], 7);
  EXPECT_STREQ(seen_context->hostId, "here");
  EXPECT_GT(seen_context->nowNs(seen_context->host), 0u);
  EXPECT_STREQ(seen_context->setting(seen_context->host, "TUTTI_TIMEOUT_MS"), "17");
  EXPECT_EQ(seen_context->setting(seen_context->host, "HOME"), nullptr);
  EXPECT_EQ(seen_context->logs(tuttiLogTrace), 0);
  EXPECT_EQ((*transport)->preference(), 42);
  EXPECT_EQ((*transport)->address().size(), 3u);
}

TEST_F(PluginAdaptor, ATransportThatIsNotMadeSaysWhy) {
  answers.created = tuttiSystemError;
  EXPECT_EQ(create().error().code(), tuttiSystemError);
  EXPECT_EQ(create().error().message(), "no cheese");
  answers.created = static_cast<tuttiResult_t>(13);
  EXPECT_EQ(create().error().code(), tuttiInternalError);
  answers = {};
  answers.makes_a_transport = false;
  EXPECT_THAT(create().error().message(), HasSubstr("without a transport"));
  answers = {};
  answers.address_bytes = kMaxAddressBytes + 1;
  EXPECT_THAT(create().error().message(), HasSubstr("its address has 1025 bytes"));
}

TEST_F(PluginAdaptor, APeerOfWhomNonsenseIsSaidIsUnreachable) {
  answers.state = static_cast<tuttiPeerState_t>(3);
  expect_unreachable("the peer's state is 3");
  answers = {};
  answers.has_link = false;
  expect_unreachable("has no link");
  for (const size_t bytes : {size_t{0}, size_t{1'023}, SIZE_MAX}) {
    answers = {};
    answers.max_frame_bytes = bytes;
    expect_unreachable(bytes == 0 ? "maxFrameBytes is 0" : fmt::format("maxFrameBytes is {}", bytes));
  }
}

TEST_F(PluginAdaptor, ALinkThatBreaksARuleFails) {
  static char memory[8];
  answers.outcome = static_cast<tuttiTransportOutcome_t>(3);
  expect_broken(send, "trySend returned 3");
  answers = {};
  answers.outcome = tuttiTransportFailed;
  expect_broken(send, "failure says that all is well");
  answers = {};
  answers.throws = true;
  expect_broken(send, "an exception: out of cheese");
  answers = {};
  answers.frame = {.header = {}, .payload = nullptr, .payloadBytes = 1};
  expect_broken(peek, "a frame of 1 bytes at NULL");
  answers.frame = {.header = {}, .payload = memory, .payloadBytes = SIZE_MAX};
  expect_broken(peek, "peek gave a frame of");
  answers.frame = {.header = {}, .payload = memory, .payloadBytes = 8};
  expect_broken(
      [](Link& link) {
        Frame frame;
        return link.peek(2, std::as_writable_bytes(std::span(memory, 7)), &frame);
      },
      "a frame of 8 bytes");
  answers = {};
  answers.released_bytes = 9;
  expect_broken(
      [](Link& link) {
        EXPECT_EQ(send(link), Outcome::done);
        EXPECT_EQ(link.released_bytes(2), 8u);
        return Outcome::failed;
      },
      "releasedBytes is 9 on channel 2, which took 8");
}

TEST_F(PluginAdaptor, TextsAndFiguresAreBounded) {
  answers.estimate.latencyNs = UINT64_MAX;
  answers.estimate.reachesMemory = 1;
  std::memset(answers.estimate.source, '\a', sizeof answers.estimate.source);
  const auto transport = create();
  ASSERT_TRUE(transport);
  EXPECT_EQ((*transport)->reason(1), "x?" + std::string(TUTTI_TRANSPORT_TEXT_BYTES - 2, 'x'));
  Link& link = *(*transport)->link(1);
  EXPECT_EQ(link.describe().size(), TUTTI_TRANSPORT_TEXT_BYTES);
  const LinkEstimate estimate = link.estimate();
  EXPECT_EQ(estimate.latency_ns, 10'000'000'000u);
  EXPECT_EQ(estimate.bandwidth_bytes_per_s, 1u);
  EXPECT_EQ(estimate.source, std::string(TUTTI_TRANSPORT_SOURCE_BYTES, '?'));
  EXPECT_FALSE(estimate.reaches_memory) << "it has no functions for that";
  EXPECT_TRUE(link.failure().ok());
  answers.failure = tuttiRemoteError;
  EXPECT_EQ(link.failure().code(), tuttiRemoteError);
  answers.failure = tuttiSuccess;
  EXPECT_EQ(link.failure().code(), tuttiRemoteError) << "a failure is for good";
}

}  // namespace
}  // namespace tutti::transport
