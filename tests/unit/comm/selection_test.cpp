// SPDX-License-Identifier: Apache-2.0
#include "comm/selection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "comm/own_transports.hpp"

namespace tutti::comm {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const std::string kTestPlugins = TUTTI_BINARY_DIR "/tests/plugins/";

std::string plugin(const std::string& name) { return kTestPlugins + name + ".so"; }

std::vector<std::string> names(const SelectionRequest& request) {
  const auto selection = select_transports(request);
  std::vector<std::string> result;
  if (selection) {
    for (const TransportCandidate& candidate : selection->candidates) {
      result.push_back(candidate.name);
    }
  }
  return result;
}
std::vector<std::string> names(std::string_view words) { return names({.words = words, .plugin_files = {}, .folder = {}}); }

std::string error_of(const SelectionRequest& request) {
  const auto selection = select_transports(request);
  if (selection) {
    return "";
  }
  EXPECT_EQ(selection.error().code(), tuttiInvalidArgument);
  return selection.error().message();
}
std::string error_of(std::string_view words) { return error_of({.words = words, .plugin_files = {}, .folder = {}}); }

// A folder in which one of the test's plug-ins is installed under a name.
class InstalledPlugin {
 public:
  InstalledPlugin(const std::string& variant, const std::string& name) {
    std::string path = (std::filesystem::temp_directory_path() / "tutti-plugins-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      ADD_FAILURE() << "no folder for plug-ins";
      return;
    }
    folder_ = path;
    std::filesystem::copy_file(plugin(variant), folder_ + "/libtutti_transport_" + name + ".so");
  }
  ~InstalledPlugin() { std::filesystem::remove_all(folder_); }
  InstalledPlugin(const InstalledPlugin&) = delete;
  InstalledPlugin& operator=(const InstalledPlugin&) = delete;

  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

TEST(Selection, TakesEveryAutomaticTransportBestFirst) {
  const auto selection = select_transports({.words = {}, .plugin_files = {}, .folder = {}});
  ASSERT_TRUE(selection);
  EXPECT_TRUE(std::ranges::is_sorted(selection->candidates, std::ranges::greater{}, &TransportCandidate::preference));
  EXPECT_EQ(names(""), (std::vector<std::string>{"shm", "tcp"}));
}

TEST(Selection, KeepsThePreferenceWhateverTheOrderOfWords) {
  EXPECT_EQ(names("tcp,shm"), names("shm,tcp"));
  EXPECT_EQ(names("tcp"), std::vector<std::string>{"tcp"});
}

TEST(Selection, Excludes) {
  EXPECT_EQ(names("^tcp"), std::vector<std::string>{"shm"});
  EXPECT_EQ(names("^shm"), std::vector<std::string>{"tcp"});
}

TEST(Selection, NamesWhatItDoesNotKnow) {
  for (const char* words : {"tcp,carrier-pigeon", "^carrier-pigeon"}) {
    EXPECT_THAT(error_of(words), HasSubstr("\"carrier-pigeon\" is no transport; there are shm, tcp"));
  }
  EXPECT_THAT(error_of("tcp,,shm"), HasSubstr("\"\" is no transport"));
  EXPECT_THAT(error_of(" tcp"), HasSubstr("\" tcp\" is no transport"));
  EXPECT_THAT(error_of("sim"), HasSubstr("\"sim\" is no transport"));
}

TEST(Selection, AnImpossibleChoiceSaysWhyOfEach) {
  EXPECT_THAT(error_of("^shm,tcp"), HasSubstr("TUTTI_TRANSPORTS: \"^shm,tcp\" leaves no transport: shm: excluded; tcp: excluded"));
}

TEST(Selection, ANamedFileIsLoadedAndTakesItsPlace) {
  const std::string file = plugin("right");
  EXPECT_EQ(names({.words = {}, .plugin_files = file, .folder = {}}), (std::vector<std::string>{"sham", "shm", "tcp"}));
  EXPECT_EQ(names({.words = "sham", .plugin_files = file, .folder = {}}), std::vector<std::string>{"sham"});
  EXPECT_EQ(names({.words = "^sham", .plugin_files = file, .folder = {}}), (std::vector<std::string>{"shm", "tcp"}));
}

TEST(Selection, ATransportThatIsNotAutomaticIsUsedIfItIsNamed) {
  const std::string file = plugin("not_automatic");
  EXPECT_THAT(names({.words = {}, .plugin_files = file, .folder = {}}), Not(Contains("sham")));
  EXPECT_THAT(names({.words = "sham,tcp", .plugin_files = file, .folder = {}}), Contains("sham"));
}

TEST(Selection, TheProcessKeepsItsSignalHandlers) {
  struct sigaction before {};
  struct sigaction after {};
  ASSERT_EQ(::sigaction(SIGUSR2, nullptr, &before), 0);
  EXPECT_THAT(names({.words = {}, .plugin_files = plugin("takes_signals"), .folder = {}}), Contains("sham"));
  ASSERT_EQ(::sigaction(SIGUSR2, nullptr, &after), 0);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
}

TEST(Selection, PathsMustBeAbsolute) {
  for (const char* path : {"plugin.so", "./plugin.so"}) {
    EXPECT_EQ(error_of({.words = {}, .plugin_files = path, .folder = {}}),
              fmt::format("TUTTI_TRANSPORT_PLUGINS: \"{}\" is no absolute path", path));
  }
}

TEST(Selection, FilesThatAreNoPluginsAreLeftOut) {
  const std::pair<std::string, const char*> files[] = {
      {"/nowhere/plugin.so", "could not be loaded: /nowhere/plugin.so: cannot open shared object file"},
      {"/etc/passwd", "could not be loaded: /etc/passwd: "},
      {"/proc/self/exe", "could not be loaded: "},
      {plugin("other_version"), "it is made for version 7 of the interface, this is version 1"},
      {plugin("too_small"), "its table has 24 bytes"},
      {plugin("no_table"), "it offers no transport"},
      {plugin("no_poll"), "poll is NULL"},
      {plugin("bad_name"), "its transport is called \"Bad Name\""},
      {plugin("called_tcp"), "another transport is called \"tcp\" too"}};
  for (const auto& [path, why] : files) {
    SCOPED_TRACE(path);
    const auto selection = select_transports({.words = {}, .plugin_files = path, .folder = {}});
    ASSERT_TRUE(selection) << selection.error().message();
    EXPECT_EQ(selection->candidates.size(), 2u);
    ASSERT_FALSE(selection->left_out.empty());
    EXPECT_EQ(selection->left_out[0].name, path);
    EXPECT_THAT(selection->left_out[0].why, HasSubstr(why));
    EXPECT_THAT(error_of({.words = "sham", .plugin_files = path, .folder = {}}), HasSubstr(why));
  }
}

TEST(Selection, InstalledPluginsAreForRanksOnSeveralHosts) {
  const InstalledPlugin installed("right", "sham");
  const SelectionRequest request{.words = {}, .plugin_files = {}, .folder = installed.folder()};
  const auto first = select_transports(request);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->leaves_installed);
  EXPECT_EQ(first->candidates.size(), 2u);
  const Selection second = select_installed(request);
  ASSERT_EQ(second.candidates.size(), 1u);
  EXPECT_EQ(second.candidates[0].name, "sham");
}

TEST(Selection, InstalledPluginsAreUsedAtOnceIfTheyAreNamedOrNothingElseIsLeft) {
  const InstalledPlugin installed("right", "sham");
  for (const char* words : {"sham", "^shm,tcp"}) {
    const auto selection = select_transports({.words = words, .plugin_files = {}, .folder = installed.folder()});
    ASSERT_TRUE(selection) << selection.error().message();
    EXPECT_FALSE(selection->leaves_installed) << words;
    ASSERT_EQ(selection->candidates.size(), 1u) << words;
    EXPECT_EQ(selection->candidates[0].name, "sham");
  }
  const auto others = select_transports({.words = "tcp", .plugin_files = {}, .folder = installed.folder()});
  ASSERT_TRUE(others);
  EXPECT_FALSE(others->leaves_installed);
  EXPECT_EQ(others->candidates.size(), 1u);
}

TEST(Selection, AnInstalledPluginIsCalledAsItsFile) {
  const InstalledPlugin installed("right", "genuine");
  EXPECT_THAT(error_of({.words = "genuine", .plugin_files = {}, .folder = installed.folder()}),
              testing::AllOf(HasSubstr("shm: not named; tcp: not named; genuine: the transport of "), HasSubstr("is called \"sham\"")));
}

TEST(OwnTransportsTest, WhatCannotBeMadeIsLeftOut) {
  const std::string file = plugin("right");
  const auto selection = select_transports({.words = "sham", .plugin_files = file, .folder = {}});
  ASSERT_TRUE(selection);
  const transport::Secret secret{};
  const Settings settings;
  OwnTransports transports;
  ASSERT_TRUE(transports
                  .add(*selection, {.rank = 3,
                                    .rank_count = 4,
                                    .communicator_id = 1,
                                    .secret = secret,
                                    .host_id = "here",
                                    .clock = monotonic_clock(),
                                    .settings = settings})
                  .ok());
  EXPECT_TRUE(transports.offers().empty());
  const Status nothing = transports.check_any("sham");
  EXPECT_EQ(nothing.code(), tuttiInvalidArgument);
  EXPECT_THAT(nothing.message(), HasSubstr("TUTTI_TRANSPORTS: \"sham\" leaves no transport: "));
  EXPECT_THAT(nothing.message(), HasSubstr("sham: rank 3 found no adapter"));
}

}  // namespace
}  // namespace tutti::comm
