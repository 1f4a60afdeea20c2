// SPDX-License-Identifier: Apache-2.0
// Ids and the services behind them as the library uses them: real threads, real processes, the real clock.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/types.hpp"
#include "bootstrap/ticket.hpp"
#include "tests/unit/bootstrap/harness.hpp"

namespace tutti::bootstrap {
namespace {

using ::testing::HasSubstr;

Settings on_loopback() {
  Settings settings;
  settings.timeout_ms = 60'000;
  return settings;
}

// Carries a round of one rank to its end, giving way to the others.
Answer finish(Exchange& rank) {
  const Deadline limit = Deadline::after_ns(monotonic_clock(), 60'000'000'000);
  for (Answer answer = Job::poll(rank); !limit.passed(monotonic_clock()); answer = Job::poll(rank)) {
    if (answer.arrived()) {
      return answer;
    }
    ::sched_yield();
  }
  return {std::nullopt, timeout_error("waited for {}", rank.waiting_for())};
}

Status exchange_twice(const JoinRequest& request) {
  Result<std::unique_ptr<Exchange>> rank = join(request, monotonic_clock());
  if (!rank) {
    return rank.error();
  }
  for (uint32_t round = 0; round < 2; ++round) {
    TUTTI_RETURN_IF_ERROR((*rank)->begin_all_gather(contribution_of(request.rank, round)));
    const Answer answer = finish(**rank);
    TUTTI_RETURN_IF_ERROR(answer.failure);
    if (answer.contributions != contributions_of_all(request.rank_count, round)) {
      return internal_error("wrong contributions in round {}", round);
    }
  }
  return {};
}

TEST(UniqueId, RanksInOneThread) {
  const auto id = create_unique_id(on_loopback());
  ASSERT_TRUE(id.has_value()) << id.error().message();
  constexpr uint32_t rank_count = 5;
  std::vector<std::unique_ptr<Exchange>> ranks;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    ranks.push_back(join({{*id}, rank, rank_count}, monotonic_clock()).value());
    ASSERT_TRUE(ranks.back()->begin_all_gather(contribution_of(rank, 0)).ok());
  }
  std::vector<Answer> answers(rank_count);
  const Deadline limit = Deadline::after_ns(monotonic_clock(), 60'000'000'000);
  const auto all = [&] { return std::all_of(answers.begin(), answers.end(), [](const Answer& a) { return a.arrived(); }); };
  while (!all() && !limit.passed(monotonic_clock())) {
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      if (!answers[rank].arrived()) {
        answers[rank] = Job::poll(*ranks[rank]);
      }
    }
  }
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.contributions, contributions_of_all(rank_count, 0)) << answer.failure.message();
  }
}

// One rank may be a round ahead of the other, so that contributions arrive at any moment.
TEST(UniqueId, RoundsInQuickSuccession) {
  const auto id = create_unique_id(on_loopback());
  ASSERT_TRUE(id.has_value()) << id.error().message();
  std::vector<std::unique_ptr<Exchange>> ranks;
  for (uint32_t rank = 0; rank < 3; ++rank) {
    ranks.push_back(join({{*id}, rank, 3}, monotonic_clock()).value());
  }
  constexpr uint32_t round_count = 1'000;
  std::vector<uint32_t> rounds(3);
  std::vector<bool> runs(3);
  const Deadline limit = Deadline::after_ns(monotonic_clock(), 60'000'000'000);
  for (size_t turn = 0; std::ranges::any_of(rounds, [](uint32_t round) { return round < round_count; }); ++turn) {
    ASSERT_FALSE(limit.passed(monotonic_clock()));
    const size_t rank = turn * turn % 7 % 3;  // all of them, not in turn
    if (rounds[rank] == round_count) {
      continue;
    }
    if (!runs[rank]) {
      ASSERT_TRUE(ranks[rank]->begin_all_gather(contribution_of(static_cast<uint32_t>(rank), rounds[rank] % 2)).ok());
      runs[rank] = true;
    }
    const Answer answer = Job::poll(*ranks[rank]);
    if (answer.arrived()) {
      ASSERT_EQ(answer.contributions, contributions_of_all(3, rounds[rank] % 2)) << answer.failure.message() << ", round " << rounds[rank];
      ++rounds[rank];
      runs[rank] = false;
    }
  }
}

TEST(UniqueId, RanksInThreads) {
  const auto id = create_unique_id(on_loopback());
  ASSERT_TRUE(id.has_value()) << id.error().message();
  constexpr uint32_t rank_count = 6;
  std::vector<Status> statuses(rank_count);
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    threads.emplace_back([&, rank] { statuses[rank] = exchange_twice({{*id}, rank, rank_count}); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Status& status : statuses) {
    EXPECT_TRUE(status.ok()) << status.message();
  }
}

// Whether all threads of this process but the caller's sleep, each in a system call.
bool others_sleep() {
  const std::string own = std::to_string(::gettid());
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string stat;
    std::getline(std::ifstream(task.path() / "stat"), stat);
    const size_t state = stat.rfind(") ");  // "id (name) state ...", proc(5)
    if (task.path().filename() != own && state != std::string::npos && stat[state + 2] != 'S') {
      return false;
    }
  }
  return true;
}

// Runs `body` in a child process, whose exit status is its result's code. Forks while the threads of services wait for callers: a lock of
// AddressSanitizer's allocator that a thread holds at the time of fork() stays locked in the child.
pid_t in_child(const std::function<Status()>& body) {
  while (!others_sleep()) {
    ::sched_yield();
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const Status status = body();
    ::_exit(status.code());
  }
  return child;
}

int exit_code(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(UniqueId, RanksOfSeveralRoots) {
  constexpr uint32_t rank_count = 11;
  for (const uint32_t root_count : {2u, 3u, 11u}) {
    std::vector<tuttiUniqueId> ids;
    for (uint32_t root = 0; root < root_count; ++root) {
      ids.push_back(create_unique_id(on_loopback()).value());
    }
    std::vector<Status> statuses(rank_count);
    std::vector<std::thread> threads;
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      threads.emplace_back([&, rank] { statuses[rank] = exchange_twice({ids, rank, rank_count}); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const Status& status : statuses) {
      EXPECT_TRUE(status.ok()) << status.message();
    }
  }
}

TEST(UniqueId, DifferentListsOfIdsAreAMismatch) {
  const auto id = create_unique_id(on_loopback());
  const auto other = create_unique_id(on_loopback());
  ASSERT_TRUE(id.has_value() && other.has_value());
  Status statuses[2];
  std::thread first([&] { statuses[0] = exchange_twice({{*id}, 0, 2}); });
  statuses[1] = exchange_twice({{*other, *id}, 1, 2});
  first.join();
  for (const Status& status : statuses) {
    EXPECT_EQ(status.code(), tuttiMismatch);
    EXPECT_THAT(status.message(), HasSubstr("different lists of ids"));
  }
}

TEST(UniqueId, RanksInProcesses) {
  const auto id = create_unique_id(on_loopback());
  ASSERT_TRUE(id.has_value()) << id.error().message();
  constexpr uint32_t rank_count = 4;
  std::vector<pid_t> children;
  for (uint32_t rank = 1; rank < rank_count; ++rank) {
    children.push_back(in_child([&, rank] { return exchange_twice({{*id}, rank, rank_count}); }));
    ASSERT_GT(children.back(), 0);
  }
  const Status own = exchange_twice({{*id}, 0, rank_count});
  EXPECT_TRUE(own.ok()) << own.message();
  for (const pid_t child : children) {
    EXPECT_EQ(exit_code(child), tuttiSuccess);
  }
}

TEST(UniqueId, AKilledProcessIsNamed) {
  const auto id = create_unique_id(on_loopback());
  ASSERT_TRUE(id.has_value()) << id.error().message();
  const pid_t victim = in_child([&]() -> Status {
    auto rank = join({{*id}, 1, 3}, monotonic_clock()).value();
    TUTTI_RETURN_IF_ERROR(rank->begin_all_gather({}));
    while (rank->waiting_for() != "the other ranks") {
      TUTTI_RETURN_IF_ERROR(Job::poll(*rank).failure);
    }
    ::raise(SIGKILL);
    return {};
  });
  ASSERT_GT(victim, 0);
  const auto survivor = join({{*id}, 0, 3}, monotonic_clock()).value();
  ASSERT_TRUE(survivor->begin_all_gather({}).ok());
  const Answer answer = finish(*survivor);
  EXPECT_EQ(answer.failure.code(), tuttiRemoteError);
  EXPECT_THAT(answer.failure.message(), HasSubstr("rank 1 died"));
  EXPECT_EQ(exit_code(victim), -SIGKILL);
}

// After the ranks have met: by those who have a line to it, not by the root.
TEST(UniqueId, AProcessKilledLaterIsNamedToo) {
  const auto id = create_unique_id(on_loopback());
  ASSERT_TRUE(id.has_value()) << id.error().message();
  constexpr uint32_t rank_count = 6;
  const pid_t victim = in_child([&]() -> Status {
    auto rank = join({{*id}, 2, rank_count}, monotonic_clock()).value();
    TUTTI_RETURN_IF_ERROR(rank->begin_all_gather({}));
    TUTTI_RETURN_IF_ERROR(finish(*rank).failure);
    ::raise(SIGKILL);
    return {};
  });
  ASSERT_GT(victim, 0);
  std::vector<Status> statuses(rank_count);
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    if (rank == 2) {
      continue;
    }
    threads.emplace_back([&, rank] {
      const auto survivor = join({{*id}, rank, rank_count}, monotonic_clock()).value();
      while (statuses[rank].ok()) {
        statuses[rank] = survivor->begin_all_gather({});
        statuses[rank] = statuses[rank].ok() ? finish(*survivor).failure : statuses[rank];
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    if (rank != 2) {
      EXPECT_EQ(statuses[rank].code(), tuttiRemoteError);
      EXPECT_THAT(statuses[rank].message(), HasSubstr("rank 2 died"));
    }
  }
  EXPECT_EQ(exit_code(victim), -SIGKILL);
}

size_t open_descriptor_count() {
  size_t count = 0;
  DIR* const directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) {
    ++count;
  }
  ::closedir(directory);
  return count;
}

TEST(UniqueId, FinishedServicesAreReaped) {
  const auto use_one = [] {
    const auto id = create_unique_id(on_loopback());
    ASSERT_TRUE(id.has_value()) << id.error().message();
    const Status status = exchange_twice({{*id}, 0, 1});
    ASSERT_TRUE(status.ok()) << status.message();
  };
  use_one();
  const size_t before = open_descriptor_count();
  for (int i = 0; i < 50; ++i) {
    use_one();
  }
  // A service that has only just lost its last rank may not have ended yet; 50 that were kept would hold 100 descriptors and more.
  EXPECT_LT(open_descriptor_count(), before + 50);
}

// In a process of its own, whose end runs what exit() runs.
TEST(UniqueId, AProcessWithAServiceExitsAtOnceAndItsRanksLearnIt) {
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(::pipe2(pipe_ends.data(), O_CLOEXEC), 0);
  const Descriptor reading(pipe_ends[0]);
  Descriptor writing(pipe_ends[1]);
  const pid_t root = ::fork();
  ASSERT_GE(root, 0);
  if (root == 0) {
    ::execl("/proc/self/exe", "bootstrap_unit_tests", "--gtest_also_run_disabled_tests", "--gtest_brief=1",
            "--gtest_filter=Child.DISABLED_MakesAnIdAndExits", fmt::format("--id-descriptor={}", ::dup(writing.get())).c_str(),
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  writing.reset();
  tuttiUniqueId id;
  ASSERT_EQ(::read(reading.get(), &id, sizeof id), static_cast<ssize_t>(sizeof id));
  const auto rank = join({{id}, 1, 2}, monotonic_clock()).value();
  ASSERT_TRUE(rank->begin_all_gather({}).ok());
  Answer answer;
  const Deadline limit = Deadline::after_ns(monotonic_clock(), 60'000'000'000);
  // Either it joined in time and lost the root, or it came too late and is refused.
  while (!answer.arrived() && rank->waiting_for().find("ECONNREFUSED") == std::string::npos) {
    ASSERT_FALSE(limit.passed(monotonic_clock())) << rank->waiting_for();
    answer = Job::poll(*rank);
  }
  if (answer.arrived()) {
    EXPECT_EQ(answer.failure.code(), tuttiRemoteError);
  }
  EXPECT_EQ(exit_code(root), 0);
}

// Not a test: what the process above runs. The descriptor comes by an argument that GoogleTest leaves alone.
TEST(Child, DISABLED_MakesAnIdAndExits) {
  for (const std::string& argument : ::testing::internal::GetArgvs()) {
    constexpr std::string_view option = "--id-descriptor=";
    if (argument.starts_with(option)) {
      const auto id = create_unique_id(on_loopback());
      ASSERT_TRUE(id.has_value());
      ASSERT_EQ(::write(std::stoi(argument.substr(option.size())), &*id, sizeof *id), static_cast<ssize_t>(sizeof *id));
      std::exit(0);
    }
  }
}

TEST(UniqueId, AForkedChildMakesIdsOfItsOwn) {
  const auto kept = create_unique_id(on_loopback());  // a running service in the parent, which the child must not touch
  ASSERT_TRUE(kept.has_value());
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer starts no thread after a fork";
#endif
  const pid_t child = in_child([]() -> Status {
    const auto id = create_unique_id(on_loopback());
    return id ? exchange_twice({{*id}, 0, 1}) : id.error();
  });
  ASSERT_GT(child, 0);
  EXPECT_EQ(exit_code(child), tuttiSuccess);
  const Status parents = exchange_twice({{*kept}, 0, 1});
  EXPECT_TRUE(parents.ok()) << parents.message();
}

TEST(UniqueId, IdsDifferAndHoldWhereToGo) {
  const auto a = create_unique_id(on_loopback());
  const auto b = create_unique_id(on_loopback());
  ASSERT_TRUE(a.has_value() && b.has_value());
  EXPECT_NE(std::memcmp(a->internal, b->internal, sizeof a->internal), 0);
  const auto ticket = decode_ticket(*a);
  ASSERT_TRUE(ticket.has_value());
  EXPECT_NE(ticket->secret, decode_ticket(*b)->secret);
  for (const SocketAddress& address : ticket->addresses) {
    EXPECT_NE(address.port(), 0);
  }
}

TEST(UniqueId, TheInterfaceIsChosenBySetting) {
  Settings settings = on_loopback();
  settings.socket_interfaces = "no-such-interface";
  const auto id = create_unique_id(settings);
  ASSERT_FALSE(id.has_value());
  EXPECT_EQ(id.error().code(), tuttiInvalidArgument);
  EXPECT_THAT(id.error().message(), HasSubstr("no-such-interface"));
}

TEST(UniqueId, WhatWasNotMadeByUsIsRefused) {
  tuttiUniqueId id{};
  EXPECT_EQ(join({{id}, 0, 1}, monotonic_clock()).error().code(), tuttiInvalidArgument);
  std::memset(id.internal, 'x', sizeof id.internal);
  EXPECT_EQ(join({{id}, 0, 1}, monotonic_clock()).error().code(), tuttiInvalidArgument);
  Job job;
  const tuttiUniqueId good = encode_ticket(job.ticket());
  EXPECT_TRUE(join({{good}, 0, 1}, monotonic_clock()).has_value());
  for (size_t i = 0; i < sizeof good.internal; ++i) {
    tuttiUniqueId damaged = good;
    damaged.internal[i] = static_cast<char>(damaged.internal[i] ^ 4);
    const auto joined = join({{damaged}, 0, 1}, monotonic_clock());
    ASSERT_FALSE(joined.has_value()) << "byte " << i;
    EXPECT_EQ(joined.error().code(), tuttiInvalidArgument);
  }
}

TEST(UniqueId, NoIdAndMoreIdsThanRanksAreRefused) {
  const tuttiUniqueId id = encode_ticket(Job().ticket());
  EXPECT_EQ(join({{}, 0, 2}, monotonic_clock()).error().code(), tuttiInvalidArgument);
  EXPECT_THAT(join({{id, id, id}, 0, 2}, monotonic_clock()).error().message(), HasSubstr("number of ids is 3"));
}

TEST(UniqueId, RanksThatDoNotFitAreRefused) {
  const tuttiUniqueId id = encode_ticket(Job().ticket());
  for (const auto& [rank, rank_count] : {std::pair{3u, 3u}, {0u, 0u}, {0u, kMaxRankCount + 1}}) {
    const auto joined = join({{id}, rank, rank_count}, monotonic_clock());
    ASSERT_FALSE(joined.has_value());
    EXPECT_EQ(joined.error().code(), tuttiInvalidArgument);
  }
}

TEST(Rendezvous, RanksMeetOnTheFirstFreePortAndPassAStrangerBy) {
  // A stranger holds the first port: he listens, and answers nonsense.
  auto stranger = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 16);
  ASSERT_TRUE(stranger.has_value());
  Rendezvous rendezvous{.host = "127.0.0.1", .port = local_address(*stranger)->port(), .secret = {}, .port_count = 16};
  rendezvous.secret.fill(std::byte{9});
  const Status served = serve_rendezvous(rendezvous, on_loopback());
  ASSERT_TRUE(served.ok()) << served.message();
  const auto id = id_of_rendezvous(rendezvous);
  ASSERT_TRUE(id.has_value());
  std::thread nonsense([&] {
    // The one rank's first attempt comes here; more need not be answered.
    while (true) {
      const Descriptor accepted(::accept4(stranger->get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (accepted.valid()) {
        const std::string text(200, 'n');
        EXPECT_EQ(::send(accepted.get(), text.data(), text.size(), MSG_NOSIGNAL), 200);
        return;
      }
      ::sched_yield();
    }
  });
  const Status status = exchange_twice({{*id}, 0, 1});
  EXPECT_TRUE(status.ok()) << status.message();
  nonsense.join();
}

TEST(Rendezvous, MalformedPlacesAreRefused) {
  EXPECT_EQ(serve_rendezvous({.host = "127.0.0.1", .port = 0}, on_loopback()).code(), tuttiInvalidArgument);
  EXPECT_EQ(serve_rendezvous({.host = "127.0.0.1", .port = 1, .secret = {}, .port_count = 0}, on_loopback()).code(),
            tuttiInvalidArgument);
  EXPECT_EQ(id_of_rendezvous({.host = "127.0.0.1", .port = 1, .secret = {}, .port_count = 65}).error().code(),
            tuttiInvalidArgument);
  EXPECT_FALSE(id_of_rendezvous({.host = "no such host", .port = 1}).has_value());
}

TEST(Ticket, PortsFollowOnAndWrapPastThePrivilegedOnes) {
  EXPECT_EQ(following_port(5000, 0), 5000);
  EXPECT_EQ(following_port(5000, 7), 5007);
  EXPECT_EQ(following_port(65535, 0), 65535);
  EXPECT_EQ(following_port(65535, 1), 1024);
  EXPECT_EQ(following_port(65530, 10), 1028);
}

}  // namespace
}  // namespace tutti::bootstrap
