// SPDX-License-Identifier: Apache-2.0
// Ranks as processes: started one by one with the unique id by a pipe, by mpirun, with torchrun's variables, and beside MPI.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "process/child.hpp"
#include "tutti/tutti.h"

namespace tutti::tests {
namespace {

constexpr const char* kTimeoutMs = "60000";

class ProcessTest : public testing::Test {
 protected:
  ProcessTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tutti_process_test_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~ProcessTest() override { std::filesystem::remove_all(folder_); }

  std::string output_file() const { return (folder_ / "output").string(); }
  std::string output() const {
    std::ifstream file(output_file());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  // Ranks with `variables` each, each by the command at its place if there is one; the id is made here, by the job's starter, and goes by pipes.
  void run_by_pipe(const std::vector<Child::Variables>& variables, const std::vector<std::vector<std::string>>& commands = {}) {
    tuttiUniqueId id;
    ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess) << tuttiGetLastError(nullptr);
    std::vector<Child> ranks;
    for (size_t rank = 0; rank < variables.size(); ++rank) {
      int ends[2];
      ASSERT_EQ(pipe(ends), 0);
      ASSERT_EQ(write(ends[1], id.internal, sizeof id.internal), static_cast<ssize_t>(sizeof id.internal));
      close(ends[1]);
      Child::Variables own = variables[rank];
      own.emplace_back("TUTTI_TIMEOUT_MS", kTimeoutMs);
      std::vector<std::string> arguments = rank < commands.size() ? commands[rank] : std::vector<std::string>();
      arguments.insert(arguments.end(), {TUTTI_RANK_PROGRAM, "pipe", std::to_string(rank), std::to_string(variables.size())});
      ranks.emplace_back(std::move(arguments), own, ends[0], output_file());
      close(ends[0]);
    }
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      EXPECT_EQ(ranks[rank].wait(), 0) << "rank " << rank << ": " << output();
    }
  }

  void run_under(std::vector<std::string> launcher, const std::vector<std::string>& program, const Child::Variables& variables) {
    launcher.insert(launcher.end(), program.begin(), program.end());
    Child child(launcher, variables, -1, output_file());
    EXPECT_EQ(child.wait(), 0) << output();
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(ProcessTest, SharedMemory) { run_by_pipe(std::vector<Child::Variables>(4, {{"TUTTI_TRANSPORTS", "shm"}})); }

TEST_F(ProcessTest, Tcp) { run_by_pipe(std::vector<Child::Variables>(3, {{"TUTTI_TRANSPORTS", "tcp"}})); }

#ifdef TUTTI_TEST_OFI
Child::Variables ofi_over(const char* provider) {
  return {{"TUTTI_TRANSPORT_PLUGINS", TUTTI_TEST_OFI}, {"TUTTI_TRANSPORTS", "ofi"}, {"TUTTI_OFI_PROVIDER", provider}, {"TUTTI_SOCKET_IFNAME", "=lo"}};
}

TEST_F(ProcessTest, OfiOverTcp) { run_by_pipe(std::vector<Child::Variables>(3, ofi_over("tcp"))); }

TEST_F(ProcessTest, OfiOverSharedMemory) { run_by_pipe(std::vector<Child::Variables>(3, ofi_over("shm"))); }
#endif

#ifdef TUTTI_UCX_PLUGIN
TEST_F(ProcessTest, Ucx) {
  for (const char* const tls : {"tcp", "posix", "posix,cma"}) {
    SCOPED_TRACE(tls);
    const bool is_tcp = std::string_view(tls) == "tcp";
    run_by_pipe(std::vector<Child::Variables>(is_tcp ? 3 : 2, {{"TUTTI_TRANSPORTS", "ucx"},
                                                              {"TUTTI_TRANSPORT_PLUGINS", TUTTI_UCX_PLUGIN},
                                                              {"TUTTI_TEST_SIZE", "small"},
                                                              {"UCX_TLS", tls},
                                                              {"UCX_NET_DEVICES", is_tcp ? "lo" : "all"}}));
  }
}
#endif

TEST_F(ProcessTest, DefaultTransports) { run_by_pipe(std::vector<Child::Variables>(2)); }

// Ranks 0-1, 2-3 and 4 on "hosts" of their own: shared memory within, TCP between.
TEST_F(ProcessTest, SharedMemoryAndTcpMixed) {
  std::vector<Child::Variables> variables;
  for (int rank = 0; rank < 5; ++rank) {
    variables.push_back({{"TUTTI_HOSTID", fmt::format("host-{}", rank / 2)}});
  }
  run_by_pipe(variables);
}

// hwloc takes this machine for one of two packages, the first and the last processor that the test may use in different ones, and half of the ranks
// are bound to each. Without domains of several ranks the algorithms would not apply, and the calls fail. The split at the end leaves two of each.
TEST_F(ProcessTest, TwoPackages) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  std::vector<int> processors;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(processor, &allowed)) {
      processors.push_back(processor);
    }
  }
  if (processors.size() < 2) {
    GTEST_SKIP() << "two packages need two processors, and this process may run on one only";
  }
  std::vector<Child::Variables> variables;
  std::vector<std::vector<std::string>> commands;
  for (int rank = 0; rank < 8; ++rank) {
    variables.push_back({{"HWLOC_SYNTHETIC", fmt::format("pack:2 [numa] l3:1 core:{} pu:1", processors.back())},
                         {"HWLOC_THISSYSTEM", "1"},
                         {"TUTTI_DEBUG", "INFO"},
                         {"TUTTI_ALGO", "allreduce:rails;reduce:rails;broadcast:leaders;allgather:rails;reducescatter:rails;barrier:leaders"}});
    commands.push_back({"taskset", "-c", std::to_string(rank < 4 ? processors.front() : processors.back())});
  }
  run_by_pipe(variables, commands);
  EXPECT_NE(output().find("ranks by package: 0-3 | 4-7, between them"), std::string::npos);
}

// With shared memory alone, such ranks cannot reach each other: the mixed run above does need both transports.
TEST_F(ProcessTest, HostsDoNotShareMemory) {
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  std::vector<Child> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    ASSERT_EQ(write(ends[1], id.internal, sizeof id.internal), static_cast<ssize_t>(sizeof id.internal));
    close(ends[1]);
    ranks.emplace_back(std::vector<std::string>{TUTTI_RANK_PROGRAM, "pipe", std::to_string(rank), "2"},
                       Child::Variables{{"TUTTI_HOSTID", fmt::format("host-{}", rank)},
                                        {"TUTTI_TRANSPORTS", "shm"},
                                        {"TUTTI_TIMEOUT_MS", kTimeoutMs}},
                       ends[0], output_file());
    close(ends[0]);
  }
  for (Child& rank : ranks) {
    EXPECT_EQ(rank.wait(), 1) << output();
  }
  EXPECT_NE(output().find("cannot reach rank"), std::string::npos) << output();
}

const std::vector<std::string> kMpirun = {TUTTI_MPIRUN, "--allow-run-as-root", "--oversubscribe", "-n"};

std::vector<std::string> mpirun(int ranks) {
  std::vector<std::string> launcher = kMpirun;
  launcher.push_back(std::to_string(ranks));
  return launcher;
}

TEST_F(ProcessTest, MpirunOf4) {
  run_under(mpirun(4), {TUTTI_RANK_PROGRAM, "environment"}, {{"TUTTI_TEST_RANKS", "4"}, {"TUTTI_TIMEOUT_MS", kTimeoutMs}});
}

TEST_F(ProcessTest, MpirunOf8) {
  run_under(mpirun(8), {TUTTI_RANK_PROGRAM, "environment"}, {{"TUTTI_TEST_RANKS", "8"}, {"TUTTI_TIMEOUT_MS", kTimeoutMs}});
}

TEST_F(ProcessTest, MpirunOf4OverTcp) {
  run_under(mpirun(4), {TUTTI_RANK_PROGRAM, "environment"},
            {{"TUTTI_TEST_RANKS", "4"}, {"TUTTI_TRANSPORTS", "tcp"}, {"TUTTI_TIMEOUT_MS", kTimeoutMs}});
}

int free_port() {
  const int socket_descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const bool bound = bind(socket_descriptor, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                     getsockname(socket_descriptor, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  close(socket_descriptor);
  return bound ? ntohs(address.sin_port) : 0;
}

TEST_F(ProcessTest, TorchrunVariables) {
  const std::string port = std::to_string(free_port());
  std::vector<Child> ranks;
  for (const char* rank : {"0", "1"}) {
    ranks.emplace_back(std::vector<std::string>{TUTTI_RANK_PROGRAM, "environment"},
                       Child::Variables{{"RANK", rank},
                                        {"WORLD_SIZE", "2"},
                                        {"MASTER_ADDR", "127.0.0.1"},
                                        {"MASTER_PORT", port},
                                        {"TUTTI_TEST_RANKS", "2"},
                                        {"TUTTI_TIMEOUT_MS", kTimeoutMs}},
                       -1, output_file());
  }
  for (Child& rank : ranks) {
    EXPECT_EQ(rank.wait(), 0) << output();
  }
}

TEST_F(ProcessTest, MpichOf3) {
#ifdef TUTTI_MPICH_PROGRAM
  run_under({TUTTI_MPICH_MPIRUN, "-n", "3"}, {TUTTI_RANK_PROGRAM, "environment"}, {{"TUTTI_TEST_RANKS", "3"}, {"TUTTI_TIMEOUT_MS", kTimeoutMs}});
#else
  GTEST_SKIP() << "mpicc.mpich and mpirun.mpich are not installed, or compile nothing";
#endif
}

TEST_F(ProcessTest, BesideOpenMpi) { run_under(mpirun(3), {TUTTI_MPI_PROGRAM}, {{"TUTTI_TIMEOUT_MS", kTimeoutMs}}); }

TEST_F(ProcessTest, BesideMpich) {
#ifdef TUTTI_MPICH_PROGRAM
  run_under({TUTTI_MPICH_MPIRUN, "-n", "3"}, {TUTTI_MPICH_PROGRAM}, {{"TUTTI_TIMEOUT_MS", kTimeoutMs}});
#else
  GTEST_SKIP() << "mpicc.mpich and mpirun.mpich are not installed, or compile nothing";
#endif
}

}  // namespace
}  // namespace tutti::tests
