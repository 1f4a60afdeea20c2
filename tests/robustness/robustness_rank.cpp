// SPDX-License-Identifier: Apache-2.0
// One rank in a process of its own. Reads the id from standard input and tells on standard output, line by line, how far it has come:
//   robustness_rank <rank> <rank count> <scenario> [<argument> ...]
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "robustness/disagreements.hpp"
#include "tutti/tutti.h"

namespace tutti::robustness {
namespace {

struct Rank {
  int rank = 0;
  int rank_count = 0;
  std::vector<std::string> arguments;
  tuttiUniqueId id{};
  tuttiComm_t comm = nullptr;

  // A number of the scenario, 0 when it was not given.
  size_t number(size_t index) const { return index < arguments.size() ? std::strtoull(arguments[index].c_str(), nullptr, 10) : 0; }
};

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

void say_outcome(const std::string& what, tuttiResult_t code) {
  say(what + " " + std::to_string(static_cast<int>(code)) + " " + (code == tuttiSuccess ? "" : tuttiGetLastError(nullptr)));
}

void read_exactly(void* target, size_t size_bytes) {
  for (size_t done = 0; done < size_bytes;) {
    const ssize_t received = ::read(STDIN_FILENO, static_cast<char*>(target) + done, size_bytes - done);
    if (received <= 0) {
      std::exit(3);
    }
    done += static_cast<size_t>(received);
  }
}

// Blocks until the test says go on.
void await_line() {
  char byte = 0;
  do {
    read_exactly(&byte, 1);
  } while (byte != '\n');
}

tuttiResult_t initialise(Rank& self) {
  const tuttiResult_t code = tuttiCommInitRank(&self.comm, self.rank_count, self.id, self.rank);
  say_outcome("initialised", code);
  return code;
}

tuttiResult_t all_reduce(const Rank& self, std::vector<float>& buffer) {
  const tuttiResult_t enqueued =
      tuttiAllReduce(buffer.data(), buffer.data(), buffer.size(), tuttiFloat32, tuttiMax, self.comm, nullptr);
  return enqueued != tuttiSuccess ? enqueued : tuttiCommSynchronize(self.comm);
}

int leave(Rank& self) {
  say_outcome("destroyed", tuttiCommDestroy(self.comm));
  return 0;
}

// Allreduces of <elements> until one fails; dies, if told so, in the middle of number <fatal>, 0 for never.
int loop(Rank& self) {
  if (initialise(self) != tuttiSuccess) {
    return 0;
  }
  std::vector<float> buffer(self.number(0), static_cast<float>(self.rank));
  const size_t fatal = self.number(1);
  std::atomic<size_t> current{0};  // written by this thread, read by the one that kills the process; no data goes with it
  std::thread killer;
  if (fatal != 0) {
    killer = std::thread([&] {
      while (current.load(std::memory_order_relaxed) < fatal) {
      }
      ::kill(::getpid(), SIGKILL);
    });
  }
  tuttiResult_t code = tuttiSuccess;
  while (code == tuttiSuccess) {
    current.fetch_add(1, std::memory_order_relaxed);
    code = all_reduce(self, buffer);
    if (current.load(std::memory_order_relaxed) == 1) {
      say_outcome("first", code);
    }
  }
  say_outcome("failed", code);
  say_outcome("later", all_reduce(self, buffer));
  if (killer.joinable()) {
    killer.detach();
  }
  return leave(self);
}

// Comes up, does one allreduce, waits for a line, and goes on.
int idle(Rank& self) {
  std::vector<float> buffer(16, 1.0f);
  if (initialise(self) != tuttiSuccess || all_reduce(self, buffer) != tuttiSuccess) {
    return 0;
  }
  say("idle");
  await_line();
  say_outcome("failed", all_reduce(self, buffer));
  say_outcome("later", all_reduce(self, buffer));
  return leave(self);
}

// Comes up without blocking and dies at poll number <fatal>, 0 for never.
int come_up(Rank& self) {
  tuttiConfig_t config = TUTTI_CONFIG_INITIALIZER;
  config.blocking = 0;
  tuttiResult_t code = tuttiCommInitRankConfig(&self.comm, self.rank_count, self.id, self.rank, &config);
  const size_t fatal = self.number(0);
  say("initialising");
  for (size_t polls = 1; code == tuttiInProgress; ++polls) {
    if (polls == fatal) {
      ::kill(::getpid(), SIGKILL);
    }
    std::this_thread::yield();
    if (tuttiCommGetAsyncError(self.comm, &code) != tuttiSuccess) {
      return 4;
    }
  }
  say("initialised " + std::to_string(static_cast<int>(code)) + " " + tuttiGetLastError(self.comm));
  if (fatal != 0) {
    ::kill(::getpid(), SIGKILL);  // it came up before it was to die
  }
  const bool came_up = code == tuttiSuccess;
  std::vector<float> buffer(16, 1.0f);
  while (code == tuttiSuccess) {
    code = all_reduce(self, buffer);
  }
  say("failed " + std::to_string(static_cast<int>(code)) + " " + tuttiGetLastError(came_up ? nullptr : self.comm));
  return leave(self);
}

// Ends the process without a word to the library.
int run_away(Rank& self) {
  std::vector<float> buffer(16, 1.0f);
  if (initialise(self) == tuttiSuccess && all_reduce(self, buffer) == tuttiSuccess) {
    say("leaving");
  }
  return 0;
}

int destroy_early(Rank& self) {
  if (initialise(self) != tuttiSuccess) {
    return 0;
  }
  return leave(self);
}

int disagree_about(Rank& self) {
  if (initialise(self) != tuttiSuccess) {
    return 0;
  }
  Buffers buffers;
  for (const Disagreement& disagreement : disagreements()) {
    if (disagreement.name == self.arguments.at(0)) {
      const Verdict verdict = disagree(disagreement, self.rank, self.rank_count, self.comm, buffers);
      say_outcome("failed", verdict.code);
      return leave(self);
    }
  }
  return 5;
}

// A child forked after initialisation may not use the library, and its end disturbs nobody.
int fork_child(Rank& self) {
  std::vector<float> buffer(16, 1.0f);
  if (initialise(self) != tuttiSuccess || all_reduce(self, buffer) != tuttiSuccess) {
    return 0;
  }
  const pid_t child = ::fork();
  if (child == 0) {
    int number = 0;
    tuttiComm_t other = nullptr;
    tuttiStream_t stream = nullptr;
    say_outcome("child", all_reduce(self, buffer));
    say_outcome("child", tuttiCommCount(self.comm, &number));
    say_outcome("child", tuttiCommSynchronize(self.comm));
    say_outcome("child", tuttiCommInitRank(&other, 1, self.id, 0));
    say_outcome("child", tuttiGroupStart());
    say_outcome("child", tuttiStreamCreate(&stream));
    say_outcome("child", tuttiCommAbort(self.comm));
    say_outcome("child", tuttiCommDestroy(self.comm));
    std::exit(0);  // with static destructors
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  say("child ended " + std::to_string(status));
  say_outcome("parent", all_reduce(self, buffer));
  return leave(self);
}

struct Scenario {
  std::string_view name;
  int (*run)(Rank& self);
};
constexpr Scenario kScenarios[] = {{"loop", loop},         {"idle", idle},           {"come_up", come_up},
                                   {"run_away", run_away}, {"destroy", destroy_early}, {"disagree", disagree_about},
                                   {"fork", fork_child}};

}  // namespace
}  // namespace tutti::robustness

int main(int argument_count, char** arguments) {
  using namespace tutti::robustness;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that ends takes its ranks with it
  if (argument_count < 4) {
    return 2;
  }
  Rank self{.rank = std::atoi(arguments[1]), .rank_count = std::atoi(arguments[2]), .arguments = {arguments + 4, arguments + argument_count}};
  read_exactly(&self.id, sizeof self.id);
  for (const Scenario& scenario : kScenarios) {
    if (scenario.name == arguments[3]) {
      return scenario.run(self);
    }
  }
  return 2;
}
