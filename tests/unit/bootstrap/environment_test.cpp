// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/environment.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "bootstrap/job_secret.hpp"
#include "bootstrap/ticket.hpp"
#include "bootstrap/torchrun.hpp"
#include "tests/unit/bootstrap/harness.hpp"

namespace tutti::bootstrap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A folder of its own, gone with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tutti-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, size_t byte_count, mode_t mode) const {
    std::ofstream(path(name)) << std::string(byte_count, 's');
    EXPECT_EQ(::chmod(path(name).c_str(), mode), 0);
    return path(name);
  }

 private:
  std::string path_;
};

class EnvironmentTest : public ::testing::Test {
 protected:
  static constexpr std::array kVariables{"RANK",      "WORLD_SIZE",     "MASTER_ADDR", "MASTER_PORT", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID",
                                         "PMIX_RANK", "PMIX_NAMESPACE", "PMI_FD",      "PMI_RANK",    "PMI_SIZE",         "SLURM_PROCID",
                                         "SLURM_STEP_NUM_TASKS", "XDG_RUNTIME_DIR"};
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void clear() {
    for (const char* variable : kVariables) {
      ::unsetenv(variable);
    }
  }
  static void set_torchrun(const char* rank, const char* rank_count, const char* address, const char* port) {
    ::setenv("RANK", rank, 1);
    ::setenv("WORLD_SIZE", rank_count, 1);
    ::setenv("MASTER_ADDR", address, 1);
    ::setenv("MASTER_PORT", port, 1);
  }
};

TEST_F(EnvironmentTest, WithoutALauncherTheErrorNamesAllThatWasLookedFor) {
  const auto placement = placement_from_environment(Settings{});
  ASSERT_FALSE(placement.has_value());
  EXPECT_EQ(placement.error().code(), tuttiInvalidUsage);
  for (const char* variable : {"PMIX_NAMESPACE", "PMIX_RANK", "PMI_FD", "PMI_RANK", "PMI_SIZE", "RANK", "WORLD_SIZE", "MASTER_ADDR",
                               "MASTER_PORT", "tuttiGetUniqueId"}) {
    EXPECT_THAT(placement.error().message(), HasSubstr(variable));
  }
}

TEST_F(EnvironmentTest, ASlurmStepWithoutAnInterfaceIsToldWhatToAskFor) {
  ::setenv("SLURM_PROCID", "1", 1);
  ::setenv("SLURM_STEP_NUM_TASKS", "2", 1);
  const auto placement = placement_from_environment(Settings{});
  ASSERT_FALSE(placement.has_value());
  EXPECT_EQ(placement.error().code(), tuttiInvalidUsage);
  EXPECT_THAT(placement.error().message(), AllOf(HasSubstr("one of 2 tasks"), HasSubstr("srun --mpi=pmix"), HasSubstr("srun --mpi=pmi2")));
}

TEST_F(EnvironmentTest, MalformedPmiVariablesAreNamedWithTheirValue) {
  struct Case {
    const char *socket, *rank, *rank_count, *variable, *value;
  };
  for (const Case& bad : {Case{"6", "4", "4", "PMI_RANK", "\"4\""}, Case{"6", "0", "none", "PMI_SIZE", "\"none\""},
                          Case{"six", "0", "4", "PMI_FD", "\"six\""}, Case{"1000000", "0", "4", "PMI_FD", "1000000"}}) {
    ::setenv("PMI_FD", bad.socket, 1);
    ::setenv("PMI_RANK", bad.rank, 1);
    ::setenv("PMI_SIZE", bad.rank_count, 1);
    const auto placement = placement_from_environment(Settings{});
    ASSERT_FALSE(placement.has_value()) << bad.variable << bad.value;
    EXPECT_THAT(placement.error().message(), AllOf(HasSubstr(bad.variable), HasSubstr(bad.value)));
  }
}

// srun --mpi=pmix torchrun ...: the ranks have their agent's place in Slurm's job in their environment, too.
TEST_F(EnvironmentTest, TorchrunsOwnRanksAreNotThoseOfItsAgents) {
  const Folder folder;
  Settings settings;
  settings.secret_file = folder.write("secret", 32, 0600);
  set_torchrun("1", "2", "192.0.2.1", "29500");
  ::setenv("TORCHELASTIC_RUN_ID", "none", 1);
  ::setenv("PMIX_RANK", "0", 1);
  ::setenv("PMIX_NAMESPACE", "slurm.pmix.1.0", 1);
  const auto placement = placement_from_environment(settings);
  ASSERT_TRUE(placement.has_value()) << placement.error().message();
  EXPECT_EQ(placement->launcher, "torchrun variables");
  EXPECT_EQ(placement->rank, 1u);
}

TEST_F(EnvironmentTest, MissingTorchrunVariablesAreNamed) {
  ::setenv("RANK", "0", 1);
  ::setenv("MASTER_ADDR", "127.0.0.1", 1);
  const auto placement = placement_from_environment(Settings{});
  ASSERT_FALSE(placement.has_value());
  EXPECT_EQ(placement.error().code(), tuttiInvalidUsage);
  EXPECT_THAT(placement.error().message(), HasSubstr("WORLD_SIZE, MASTER_PORT are not set"));
}

TEST_F(EnvironmentTest, MalformedTorchrunVariablesAreNamedWithTheirValue) {
  struct Case {
    const char *rank, *rank_count, *port, *variable, *value;
  };
  for (const Case& bad : {Case{"4", "4", "29500", "RANK", "\"4\""}, Case{"-1", "4", "29500", "RANK", "\"-1\""},
                          Case{"0", "0", "29500", "WORLD_SIZE", "\"0\""}, Case{"0", "four", "29500", "WORLD_SIZE", "\"four\""},
                          Case{"0", "4", "65536", "MASTER_PORT", "\"65536\""}, Case{"0", "4", "0", "MASTER_PORT", "\"0\""},
                          Case{"0", "4", "29500 ", "MASTER_PORT", "\"29500 \""}}) {
    set_torchrun(bad.rank, bad.rank_count, "127.0.0.1", bad.port);
    const auto placement = placement_from_environment(Settings{});
    ASSERT_FALSE(placement.has_value()) << bad.variable << bad.value;
    EXPECT_EQ(placement.error().code(), tuttiInvalidUsage);
    EXPECT_THAT(placement.error().message(), AllOf(HasSubstr(bad.variable), HasSubstr(bad.value)));
  }
}

TEST_F(EnvironmentTest, RanksOnSeveralHostsNeedASecretFile) {
  set_torchrun("1", "2", "192.0.2.1", "29500");  // an address for documentation: nobody's, so not this host's
  auto placement = placement_from_environment(Settings{});
  ASSERT_FALSE(placement.has_value());
  EXPECT_EQ(placement.error().code(), tuttiInvalidUsage);
  EXPECT_THAT(placement.error().message(), HasSubstr("TUTTI_SECRET_FILE"));

  set_torchrun("1", "2", "127.0.0.1", "29500");
  ::setenv("LOCAL_WORLD_SIZE", "1", 1);
  placement = placement_from_environment(Settings{});
  ASSERT_FALSE(placement.has_value());
  EXPECT_THAT(placement.error().message(), HasSubstr("TUTTI_SECRET_FILE"));
}

TEST_F(EnvironmentTest, ASecretFileGivesEachCallASecretOfItsOwn) {
  const Folder folder;
  Settings settings;
  settings.secret_file = folder.write("secret", 32, 0600);
  set_torchrun("1", "2", "192.0.2.1", "29500");
  const auto first = placement_from_environment(settings);
  const auto second = placement_from_environment(settings);
  ASSERT_TRUE(first.has_value()) << first.error().message();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(first->rank, 1u);
  EXPECT_EQ(first->rank_count, 2u);
  EXPECT_EQ(first->launcher, "torchrun variables");
  const auto ticket = decode_ticket(first->id);
  ASSERT_TRUE(ticket.has_value());
  EXPECT_EQ(ticket->port_count, kTorchrunPortCount);
  EXPECT_NE(ticket->secret, decode_ticket(second->id)->secret);
  EXPECT_NE(ticket->secret, *read_secret_file(settings.secret_file));
}

TEST_F(EnvironmentTest, TheRootOfATorchrunJobServesIt) {
  const Folder folder;
  ::setenv("XDG_RUNTIME_DIR", folder.path("").c_str(), 1);
  set_torchrun("0", "1", "127.0.0.1", "29517");
  const auto placement = placement_from_environment(Settings{});
  ASSERT_TRUE(placement.has_value()) << placement.error().message();
  EXPECT_TRUE(std::filesystem::exists(folder.path("tutti/key")));
  const auto rank = join({{placement->id}, placement->rank, placement->rank_count}, monotonic_clock()).value();
  ASSERT_TRUE(rank->begin_all_gather(text_bytes("here")).ok());
  Answer answer;
  for (int i = 0; i < 10'000'000 && !answer.arrived(); ++i) {
    answer = Job::poll(*rank);
  }
  EXPECT_EQ(answer.contributions, std::vector<Bytes>{text_bytes("here")}) << rank->waiting_for();
}

TEST(TorchrunPorts, CallsHavePortsOfTheirOwnBehindTheMasters) {
  EXPECT_EQ(first_torchrun_port(29500, 0), 29501);
  EXPECT_EQ(first_torchrun_port(29500, 1), 29517);
  EXPECT_GE(first_torchrun_port(65535, 3), 1024);
}

TEST(SecretFile, MustBeLongEnoughAndPrivate) {
  const Folder folder;
  EXPECT_TRUE(read_secret_file(folder.write("good", 32, 0600)).has_value());
  EXPECT_TRUE(read_secret_file(folder.write("readonly", 100, 0400)).has_value());
  struct Case {
    const char* name;
    size_t byte_count;
    mode_t mode;
    const char* words;
  };
  for (const Case& bad : {Case{"short", 31, 0600, "31 bytes"}, Case{"group", 32, 0640, "0640"}, Case{"all", 32, 0604, "0604"},
                          Case{"huge", 70'000, 0600, "too many"}}) {
    const auto key = read_secret_file(folder.write(bad.name, bad.byte_count, bad.mode));
    ASSERT_FALSE(key.has_value()) << bad.name;
    EXPECT_EQ(key.error().code(), tuttiInvalidUsage);
    EXPECT_THAT(key.error().message(), AllOf(HasSubstr("TUTTI_SECRET_FILE"), HasSubstr(bad.name), HasSubstr(bad.words)));
  }
  EXPECT_THAT(read_secret_file(folder.path("absent")).error().message(), HasSubstr("ENOENT"));
  EXPECT_EQ(read_secret_file(folder.path("")).error().code(), tuttiInvalidUsage);
}

TEST(SecretFile, DifferentContentsGiveDifferentKeys) {
  const Folder folder;
  EXPECT_NE(*read_secret_file(folder.write("a", 32, 0600)), *read_secret_file(folder.write("b", 33, 0600)));
}

TEST(UserKey, AllWhoAskAtOnceGetTheSameKey) {
  const Folder folder;
  constexpr size_t asker_count = 8;
  std::vector<Result<Key>> keys(asker_count, tl::make_unexpected(Status()));
  std::vector<std::thread> askers;
  for (size_t i = 0; i < asker_count; ++i) {
    askers.emplace_back([&, i] { keys[i] = key_in_directory(folder.path("tutti")); });
  }
  for (std::thread& asker : askers) {
    asker.join();
  }
  for (const auto& key : keys) {
    ASSERT_TRUE(key.has_value()) << key.error().message();
    EXPECT_EQ(*key, *keys[0]);
  }
  struct stat facts{};
  ASSERT_EQ(::stat(folder.path("tutti/key").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777u, 0600u);
  ASSERT_EQ(::stat(folder.path("tutti").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777u, 0700u);
  const auto entries = std::filesystem::directory_iterator(folder.path("tutti"));
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "drafts were left behind";
}

TEST(UserKey, WhatOthersMayTouchIsRefused) {
  const Folder folder;
  std::filesystem::create_directory(folder.path("open"));
  ASSERT_EQ(::chmod(folder.path("open").c_str(), 0777), 0);
  EXPECT_EQ(key_in_directory(folder.path("open")).error().code(), tuttiInvalidUsage);

  std::filesystem::create_directory(folder.path("real"));
  ASSERT_EQ(::chmod(folder.path("real").c_str(), 0700), 0);
  std::filesystem::create_directory_symlink(folder.path("real"), folder.path("link"));
  EXPECT_FALSE(key_in_directory(folder.path("link")).has_value());

  folder.write("real/key", 32, 0644);
  EXPECT_EQ(key_in_directory(folder.path("real")).error().code(), tuttiInvalidUsage);
}

}  // namespace
}  // namespace tutti::bootstrap
