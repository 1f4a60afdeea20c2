// SPDX-License-Identifier: Apache-2.0
#include "robustness/rank_process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

extern char** environ;

namespace tutti::robustness {

namespace {

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!added.contains(text.substr(0, text.find('=')))) {
      result.push_back(text);
    }
  }
  for (const auto& [name, value] : added) {
    result.push_back(name + "=" + value);
  }
  return result;
}

}  // namespace

RankProcess::RankProcess(const Options& options, const tuttiUniqueId& id) : rank_(options.rank) {
  ::signal(SIGPIPE, SIG_IGN);  // it may die before it has read everything
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (::pipe2(to.data(), O_CLOEXEC) != 0 || ::pipe2(from.data(), O_CLOEXEC) != 0) {
    ADD_FAILURE() << "pipe2: errno " << errno;
    std::abort();
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  std::vector<std::string> arguments{TUTTI_RANK_PROGRAM, std::to_string(options.rank), std::to_string(options.rank_count),
                                     options.scenario};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = environment_with(options.environment);
  const int failed = ::posix_spawn(&process_id_, TUTTI_RANK_PROGRAM, &actions, nullptr, pointers_to(arguments).data(),
                                   pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(to[0]);
  ::close(from[1]);
  input_ = to[1];
  output_ = from[0];
  if (failed != 0) {
    ADD_FAILURE() << "posix_spawn of " << TUTTI_RANK_PROGRAM << ": errno " << failed;
    std::abort();
  }
  EXPECT_EQ(::write(input_, &id, sizeof id), static_cast<ssize_t>(sizeof id));
}

RankProcess::~RankProcess() {
  if (!waited_) {
    kill_now();
    (void)wait();
  }
  ::close(input_);
  ::close(output_);
}

std::optional<std::string> RankProcess::read_line() {
  for (;;) {
    if (const size_t end = buffered_.find('\n'); end != std::string::npos) {
      std::string line = buffered_.substr(0, end);
      buffered_.erase(0, end + 1);
      return line;
    }
    std::array<char, 4096> bytes;
    const ssize_t received = ::read(output_, bytes.data(), bytes.size());
    if (received == 0 || (received < 0 && errno != EINTR)) {
      return std::nullopt;
    }
    buffered_.append(bytes.data(), received < 0 ? 0 : static_cast<size_t>(received));
  }
}

std::string RankProcess::expect_line(const std::string& beginning) {
  while (const auto line = read_line()) {
    if (line->starts_with(beginning)) {
      return line->substr(beginning.size());
    }
  }
  ADD_FAILURE() << "rank " << rank_ << " ended without a line \"" << beginning << "\"";
  return {};
}

void RankProcess::write_line(const std::string& line) {
  const std::string text = line + "\n";
  EXPECT_EQ(::write(input_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

void RankProcess::kill_now() { ::kill(process_id_, SIGKILL); }

int RankProcess::wait() {
  int status = 0;
  while (::waitpid(process_id_, &status, 0) < 0 && errno == EINTR) {
  }
  waited_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace tutti::robustness
