// SPDX-License-Identifier: Apache-2.0
// Programs started by tests.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace tutti::tests {

class Child {
 public:
  using Variables = std::vector<std::pair<std::string, std::string>>;
  // Starts `arguments[0]` with these environment variables beside the test's own; `standard_input` is the other end of its standard input, or -1.
  // An output file receives what it prints on both its outputs, or the empty name.
  Child(std::vector<std::string> arguments, const Variables& variables, int standard_input = -1, const std::string& output = {});
  // Kills it when nobody has waited for it.
  ~Child();
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&&) = delete;

  // Its exit status; 128 and the signal's number when it was killed; -1 when it could not be started.
  int wait();

 private:
  pid_t pid_ = -1;
};

}  // namespace tutti::tests
