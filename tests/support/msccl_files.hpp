// SPDX-License-Identifier: Apache-2.0
// Files in MSCCL's format, for communicators to read.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace tutti::tests {

// Are there as long as this is.
class MscclFiles {
 public:
  explicit MscclFiles(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      paths_.push_back(testing::TempDir() + "tutti_" + std::to_string(::getpid()) + "_" + std::to_string(count()++) + ".xml");
      std::ofstream(paths_.back()) << text;
    }
  }
  ~MscclFiles() {
    for (const std::string& path : paths_) {
      std::remove(path.c_str());
    }
  }
  MscclFiles(const MscclFiles&) = delete;
  MscclFiles& operator=(const MscclFiles&) = delete;

  const std::string& path(size_t index) const { return paths_[index]; }
  // As TUTTI_ALGO_FILE has them.
  std::string paths() const {
    std::string all;
    for (const std::string& path : paths_) {
      all += (all.empty() ? "" : ":") + path;
    }
    return all;
  }

 private:
  static int& count() {
    static int count = 0;
    return count;
  }

  std::vector<std::string> paths_;
};

}  // namespace tutti::tests
