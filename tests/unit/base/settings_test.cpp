// SPDX-License-Identifier: Apache-2.0
#include "base/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace tutti {
namespace {

using ::testing::HasSubstr;

class SettingsTest : public ::testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void clear() {
    for (const SettingRow& row : setting_rows()) {
      ::unsetenv(std::string(row.variable).c_str());
    }
  }
};

TEST_F(SettingsTest, DefaultsAreWhatTheTableSays) {
  const auto parsed = Settings::parse();
  ASSERT_TRUE(parsed.has_value());
  for (const SettingRow& row : setting_rows()) {
    if (row.default_value.empty()) {
      continue;
    }
    Settings assigned;
    ASSERT_TRUE(row.form.assign(assigned, row.variable, row.default_value).ok()) << row.variable;
    EXPECT_EQ(assigned.debug_level, parsed->debug_level) << row.variable;
    EXPECT_EQ(assigned.timeout_ms, parsed->timeout_ms) << row.variable;
    EXPECT_EQ(assigned.slice_bytes, parsed->slice_bytes) << row.variable;
    EXPECT_EQ(assigned.peer_memory, parsed->peer_memory) << row.variable;
    EXPECT_EQ(assigned.explain, parsed->explain) << row.variable;
  }
}

TEST_F(SettingsTest, ValuesAreToldAsTheirVariablesWouldSayThem) {
  for (const SettingRow& row : setting_rows()) {
    EXPECT_EQ(row.form.text(Settings{}), row.default_value) << row.variable;
  }
  Settings settings;
  settings.debug_level = log::Level::trace;
  settings.timeout_ms = 17;
  settings.transports = "^tcp";
  settings.peer_memory = false;
  Settings copy;
  for (const SettingRow& row : setting_rows()) {
    ASSERT_TRUE(row.form.assign(copy, row.variable, row.form.text(settings)).ok()) << row.variable;
  }
  EXPECT_EQ(copy.debug_level, settings.debug_level);
  EXPECT_EQ(copy.timeout_ms, settings.timeout_ms);
  EXPECT_EQ(copy.transports, settings.transports);
  EXPECT_EQ(copy.peer_memory, settings.peer_memory);
}

TEST_F(SettingsTest, VariablesAreUniqueAndExplained) {
  std::set<std::string_view> seen;
  for (const SettingRow& row : setting_rows()) {
    EXPECT_TRUE(seen.insert(row.variable).second) << row.variable;
    EXPECT_TRUE(row.variable.starts_with("TUTTI_")) << row.variable;
    EXPECT_FALSE(row.meaning.empty()) << row.variable;
  }
}

TEST_F(SettingsTest, ReadsTheEnvironment) {
  ::setenv("TUTTI_DEBUG", "TRACE", 1);
  ::setenv("TUTTI_TIMEOUT_MS", "17", 1);
  ::setenv("TUTTI_SOCKET_IFNAME", "^docker", 1);
  ::setenv("TUTTI_SOCKET_PORTS", "40000-40999", 1);
  ::setenv("TUTTI_SOCKETS_PER_INTERFACE", "2", 1);
  ::setenv("TUTTI_SECRET_FILE", "/some/file", 1);
  const auto parsed = Settings::parse();
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->debug_level, log::Level::trace);
  EXPECT_EQ(parsed->timeout_ms, 17u);
  EXPECT_EQ(parsed->socket_interfaces, "^docker");
  EXPECT_EQ(parsed->socket_ports.first, 40'000);
  EXPECT_EQ(parsed->socket_ports.last, 40'999);
  EXPECT_EQ(parsed->sockets_per_interface, 2u);
  EXPECT_EQ(parsed->secret_file, "/some/file");
}

TEST_F(SettingsTest, AnEmptyVariableKeepsTheDefault) {
  ::setenv("TUTTI_TIMEOUT_MS", "", 1);
  EXPECT_EQ(Settings::parse()->timeout_ms, Settings{}.timeout_ms);
}

TEST_F(SettingsTest, MalformedValuesNameVariableAndValue) {
  struct Case {
    const char* variable;
    const char* value;
  };
  for (const Case& bad : {Case{"TUTTI_TIMEOUT_MS", "-1"}, Case{"TUTTI_TIMEOUT_MS", "1s"}, Case{"TUTTI_TIMEOUT_MS", " 1"},
                          Case{"TUTTI_TIMEOUT_MS", "18446744073709551616"}, Case{"TUTTI_SLICE_BYTES", "many"},
                          Case{"TUTTI_DEBUG", "LOUD"}, Case{"TUTTI_PEER_MEMORY", "yes"},
                          Case{"TUTTI_SOCKET_PORTS", "0-7"}, Case{"TUTTI_SOCKET_PORTS", "7-6"}, Case{"TUTTI_SOCKET_PORTS", "7-65536"},
                          Case{"TUTTI_SOCKET_PORTS", "7-"}, Case{"TUTTI_SOCKETS_PER_INTERFACE", "one"}, Case{"TUTTI_SOCKETS_PER_INTERFACE", "9"}}) {
    clear();
    ::setenv(bad.variable, bad.value, 1);
    const auto parsed = Settings::parse();
    ASSERT_FALSE(parsed.has_value()) << bad.variable << "=" << bad.value;
    EXPECT_EQ(parsed.error().code(), tuttiInvalidArgument);
    EXPECT_THAT(parsed.error().message(), HasSubstr(bad.variable));
    EXPECT_THAT(parsed.error().message(), HasSubstr(bad.value));
  }
}

}  // namespace
}  // namespace tutti
