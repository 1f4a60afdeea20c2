// SPDX-License-Identifier: Apache-2.0
#include "comm/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/operators.hpp"

namespace tutti::comm {
namespace {

using testing::HasSubstr;

Settings some_settings() {
  Settings settings;
  settings.timeout_ms = 1234;
  settings.transports = "shm";
  settings.algorithms = "allreduce:ring";
  return settings;
}

TEST(Config, WithoutACallersConfigTheSettingsCount) {
  const auto config = make_config(nullptr, some_settings());
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->blocking);
  EXPECT_EQ(config->timeout_ms, 1234u);
  EXPECT_EQ(config->name, "world");
  EXPECT_EQ(config->transports, "shm");
  EXPECT_EQ(config->algorithms, "allreduce:ring");
}

TEST(Config, AnInitialisedConfigChangesNothing) {
  const tuttiConfig_t untouched = TUTTI_CONFIG_INITIALIZER;
  const auto config = make_config(&untouched, some_settings());
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->blocking);
  EXPECT_EQ(config->timeout_ms, 1234u);
  EXPECT_EQ(config->transports, "shm");
}

TEST(Config, FieldsOverrideTheSettings) {
  tuttiConfig_t wanted = TUTTI_CONFIG_INITIALIZER;
  wanted.blocking = 0;
  wanted.timeoutMs = 0;
  wanted.commName = "inner";
  wanted.transports = "";
  wanted.algorithms = "broadcast:tree";
  const auto config = make_config(&wanted, some_settings());
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->blocking);
  EXPECT_EQ(config->timeout_ms, 0u);
  EXPECT_EQ(config->name, "inner");
  EXPECT_EQ(config->transports, "");
  EXPECT_EQ(config->algorithms, "broadcast:tree");
}

void expect_refused(const tuttiConfig_t& wanted, std::string_view text) {
  const auto config = make_config(&wanted, Settings{});
  ASSERT_FALSE(config) << text;
  EXPECT_EQ(config.error().code(), tuttiInvalidArgument);
  EXPECT_THAT(config.error().message(), HasSubstr(std::string(text)));
}

TEST(Config, NamesTheFieldThatIsWrong) {
  tuttiConfig_t wanted = TUTTI_CONFIG_INITIALIZER;
  wanted.magic = 0x1234;
  expect_refused(wanted, "magic is 0x1234");
  wanted = TUTTI_CONFIG_INITIALIZER;
  wanted.size += 8;
  expect_refused(wanted, "size is " + std::to_string(sizeof(tuttiConfig_t) + 8));
  wanted = TUTTI_CONFIG_INITIALIZER;
  wanted.blocking = 2;
  expect_refused(wanted, "blocking is 2");
  wanted = TUTTI_CONFIG_INITIALIZER;
  wanted.timeoutMs = -1;
  expect_refused(wanted, "timeoutMs is -1");
}

TEST(Config, BoundsTexts) {
  const std::string long_text(100'000, 'x');
  tuttiConfig_t wanted = TUTTI_CONFIG_INITIALIZER;
  wanted.commName = long_text.c_str();
  expect_refused(wanted, "commName is longer than");
  wanted = TUTTI_CONFIG_INITIALIZER;
  wanted.transports = long_text.c_str();
  expect_refused(wanted, "transports is longer than");
  wanted = TUTTI_CONFIG_INITIALIZER;
  wanted.algorithms = long_text.c_str();
  expect_refused(wanted, "algorithms is longer than");
}

TEST(Operators, AreFoundUntilRemoved) {
  Operators operators;
  const tuttiRedOp_t first = operators.add({.function = nullptr, .context = nullptr, .datatype = tuttiFloat32, .scalar = {}});
  const tuttiRedOp_t second = operators.add({.function = nullptr, .context = nullptr, .datatype = tuttiInt64, .scalar = {}});
  EXPECT_GE(first, tuttiNumOps);
  EXPECT_NE(first, second);
  ASSERT_TRUE(operators.find(first));
  EXPECT_EQ(operators.find(first)->datatype, tuttiFloat32);
  EXPECT_TRUE(operators.remove(first).ok());
  EXPECT_FALSE(operators.find(first));
  EXPECT_TRUE(operators.find(second));
  EXPECT_EQ(operators.remove(first).code(), tuttiInvalidArgument);
  EXPECT_NE(operators.add({}), first) << "a destroyed operator's number must not come back";
}

TEST(Operators, BuiltInOnesCannotBeRemoved) {
  Operators operators;
  const Status status = operators.remove(tuttiMax);
  EXPECT_EQ(status.code(), tuttiInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("op is 2, a built-in operator"));
  EXPECT_FALSE(operators.find(tuttiSum));
}

}  // namespace
}  // namespace tutti::comm
