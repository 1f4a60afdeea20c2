// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/pmi.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tutti::bootstrap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The other end of a conversation. A socket keeps what is said, so that answers may come before the questions.
class PmiServer {
 public:
  PmiServer() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    own_ = Descriptor(ends[0]);
    client_ = Descriptor(ends[1]);
  }
  void say(std::string_view text) { EXPECT_EQ(::send(own_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size())); }
  void hang_up() { own_.reset(); }
  std::string heard() {
    std::string text(16384, '\0');
    text.resize(static_cast<size_t>(std::max<ssize_t>(::recv(own_.get(), text.data(), text.size(), MSG_DONTWAIT), 0)));
    return text;
  }
  // `timeout_ms` matters only where nothing is said that is waited for.
  Result<PmiConversation> begin(uint64_t timeout_ms = 0) { return PmiConversation::begin(std::move(client_), timeout_ms); }
  PmiConversation begin_well(uint64_t timeout_ms = 0) {
    say("cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\ncmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024\n"
        "cmd=my_kvsname kvsname=space_7\n");
    auto conversation = begin(timeout_ms);
    EXPECT_TRUE(conversation.has_value()) << conversation.error().message();
    EXPECT_EQ(heard(), "cmd=init pmi_version=1 pmi_subversion=1\ncmd=get_maxes\ncmd=get_my_kvsname\n");
    return std::move(*conversation);
  }

 private:
  Descriptor own_;
  Descriptor client_;
};

TEST(Pmi, WhatHydraSaysIsUnderstood) {
  PmiServer server;
  PmiConversation conversation = server.begin_well();
  EXPECT_EQ(conversation.max_value_bytes(), 1023u);
  server.say("cmd=put_result rc=0 msg=success\ncmd=barrier_out\ncmd=get_result rc=0 msg=success value=6f6e65\ncmd=finalize_ack\n");
  EXPECT_TRUE(conversation.put("key", "6f6e65").ok());
  EXPECT_TRUE(conversation.barrier().ok());
  EXPECT_EQ(conversation.get("key").value(), "6f6e65");
  conversation.finish();
  EXPECT_EQ(server.heard(),
            "cmd=put kvsname=space_7 key=key value=6f6e65\ncmd=barrier_in\ncmd=get kvsname=space_7 key=key\ncmd=finalize\n");
}

TEST(Pmi, WhatSlurmSaysIsUnderstood) {
  PmiServer server;
  server.say("cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\ncmd=maxes rc=0 kvsname_max=256 keylen_max=64 vallen_max=512\n"
             "cmd=my_kvsname rc=0 kvsname=7.0\ncmd=put_result rc=0\ncmd=barrier_out rc=0\ncmd=get_result rc=0 value=ab\n");
  auto conversation = server.begin();
  ASSERT_TRUE(conversation.has_value()) << conversation.error().message();
  EXPECT_EQ(conversation->max_value_bytes(), 511u);
  EXPECT_TRUE(conversation->put("key", "ab").ok());
  EXPECT_TRUE(conversation->barrier().ok());
  EXPECT_EQ(conversation->get("key").value(), "ab");
}

TEST(Pmi, AKeyThatNobodyHasPutIsNamedAndTheConversationGoesOn) {
  for (const char* const answer : {"cmd=get_result rc=-1 msg=key_none_not_found value=unknown\n", "cmd=get_result rc=1\n"}) {
    PmiServer server;
    PmiConversation conversation = server.begin_well();
    server.say(answer);
    server.say("cmd=barrier_out\n");
    const auto value = conversation.get("none");
    ASSERT_FALSE(value.has_value());
    EXPECT_THAT(value.error().message(), HasSubstr("none"));
    EXPECT_TRUE(conversation.barrier().ok());
  }
}

TEST(Pmi, RanksThatDoNotComeAreATimeout) {
  PmiServer server;
  PmiConversation conversation = server.begin_well(5);
  const Status status = conversation.barrier();
  EXPECT_EQ(status.code(), tuttiTimeout);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("5 ms"), HasSubstr("the other ranks")));
  server.say("cmd=barrier_out\n");  // too late: it would be taken for the answer to something else
  EXPECT_EQ(conversation.get("key").error().code(), tuttiTimeout);
}

TEST(Pmi, AServerThatGoesOrTalksNonsenseIsAnError) {
  const std::vector<std::string> said = {"", "cmd=barrier_out\n", "no words\n", "=\n", std::string(20'000, 'x'),
                                         "cmd=response_to_init rc=0\ncmd=maxes vallen_max=many\n", "cmd=response_to_init\ncmd=maxes\n",
                                         "cmd=response_to_init rc=0\ncmd=maxes vallen_max=0\n"};
  for (const std::string& text : said) {
    PmiServer server;
    server.say(text);
    server.hang_up();
    const auto conversation = server.begin();
    ASSERT_FALSE(conversation.has_value()) << text;
    EXPECT_EQ(conversation.error().code(), tuttiSystemError) << conversation.error().message();
    EXPECT_THAT(conversation.error().message(), HasSubstr("PMI"));
  }
}

TEST(Pmi, ARefusedPutOrBarrierIsAnError) {
  PmiServer server;
  PmiConversation conversation = server.begin_well();
  server.say("cmd=put_result rc=-1 msg=too_long\n");
  EXPECT_THAT(conversation.put("key", "value").message(), AllOf(HasSubstr("key"), HasSubstr("too_long")));
  EXPECT_THAT(conversation.barrier().message(), HasSubstr("too_long"));  // over
}

}  // namespace
}  // namespace tutti::bootstrap
