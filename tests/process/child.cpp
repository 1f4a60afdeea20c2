// SPDX-License-Identifier: Apache-2.0
#include "process/child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tutti::tests {

namespace {

[[noreturn]] void become(std::vector<char*>& arguments, const Child::Variables& variables, int standard_input, int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a killed test leaves nobody behind
  if (standard_input >= 0) {
    dup2(standard_input, STDIN_FILENO);
  }
  if (output >= 0) {
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
  }
  for (const auto& [name, value] : variables) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  execvp(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace

Child::Child(std::vector<std::string> arguments, const Variables& variables, int standard_input, const std::string& output) {
  std::vector<char*> raw;
  for (std::string& argument : arguments) {
    raw.push_back(argument.data());
  }
  raw.push_back(nullptr);
  const int file = output.empty() ? -1 : open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ == 0) {
    become(raw, variables, standard_input, file);
  }
  if (file >= 0) {
    close(file);
  }
}

Child::~Child() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    wait();
  }
}

int Child::wait() {
  int status = 0;
  if (pid_ <= 0 || waitpid(std::exchange(pid_, -1), &status, 0) < 0) {
    return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace tutti::tests
